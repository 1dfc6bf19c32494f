#include "analysis/tcp/standstill.h"

#include <limits>

#include "analysis/model/sequence.h"
#include "analysis/model/vocabulary.h"
#include "analysis/tcp/tcp_flow.h"

namespace parallax::standstill {
namespace {

using Half = Standstill::Half;

constexpr int64_t kMillisecondNs = 1'000'000;
constexpr uint32_t milliseconds_of(int64_t ns) { return static_cast<uint32_t>(static_cast<uint64_t>(ns) / kMillisecondNs); }

// The moment `ms`, not long before `now_ns`.
int64_t time_of(uint32_t ms, int64_t now_ns) { return now_ns - int64_t{milliseconds_of(now_ns) - ms} * kMillisecondNs; }

template <typename Number>
void count(Number& number) {
  number += number < std::numeric_limits<Number>::max();
}

StandstillMark in_vain(const Half& half, Side side, int64_t until_ns, StandstillEnd end) {
  return {time_of(half.since_ms, until_ns), until_ns, half.acked, half.times, side, StandstillKind::in_vain, end};
}
StandstillMark window_closed(const Half& half, Side side, int64_t until_ns, StandstillEnd end) {
  return {time_of(half.closed_ms, until_ns), until_ns, 0, half.probes, side, StandstillKind::window_closed, end};
}
StandstillMark unanswered(const Standstill& all, int64_t until_ns, StandstillEnd end) {
  return {time_of(all.keep_alive_ms, until_ns), until_ns, 0, all.keep_alives, all.keep_alives_of,
          StandstillKind::unanswered,           end};
}

bool is_told(const StandstillMark& mark) {
  const uint16_t least = mark.kind == StandstillKind::in_vain      ? kTimesLeast
                         : mark.kind == StandstillKind::unanswered ? kKeepAlivesLeast
                                                                   : 1;
  return mark.times >= least && mark.length_ns() >= kToldMs * kMillisecondNs;
}

// It holds the first byte that the peer has not acknowledged.
bool is_what_is_wanted(const LegHot& hot, const Sighting& s, Side from) {
  const Side peer = opposite(from);
  return s.payload_length > 0 && (hot.seen & leg_seen::max_ack[peer]) && sequence_at_or_before(s.seq, hot.max_ack[peer]) &&
         sequence_before(hot.max_ack[peer], s.seq + s.payload_length);
}

// Nothing of the peer was ever seen: then what is sent again and again, and nothing new, is what is wanted. A single byte may be
// a probe.
bool is_peer_unseen(const LegHot& hot, Side from) { return hot.packets[opposite(from)] == 0; }
bool is_wanted_by_unseen(const LegHot& hot, const Sighting& s, Side from) {
  return is_peer_unseen(hot, from) && s.payload_length > 1;
}

// The earliest data that the peer has not acknowledged, once more. While the peer's window is closed it is a probe, and a peer
// that has closed waits for nothing.
bool is_earliest_again(const TcpFlow& flow, const LegHot& hot, const Sighting& s, Side from, uint32_t labels) {
  const Side peer = opposite(from);
  const bool is_wanted = is_what_is_wanted(hot, s, from) || is_wanted_by_unseen(hot, s, from);
  return is_wanted && !(labels & bit(PacketLabel::spurious_retransmission)) &&
         !flow.trouble_so_far().standstill.half[peer].is_closed && !flow.has_fin[peer];
}

void note_again(TcpFlow& flow, const LegHot& hot, const Sighting& s, Side from, uint32_t sent_us) {
  Half& own = flow.own_trouble().standstill.half[from];
  const uint32_t now_ms = milliseconds_of(s.time_ns), acked = is_peer_unseen(hot, from) ? s.seq : hot.max_ack[opposite(from)];
  if (own.times == 0 || own.acked != acked) {
    own.times = 0;
    own.acked = acked;
    own.since_ms = now_ms - (microseconds_of(s.time_ns) - sent_us) / 1000;
  }
  count(own.times);
  own.again_ms = now_ms;
}

void note_window(Standstill& all, const LegHot& hot, const Sighting& s, Side from, uint32_t labels,
                 std::optional<StandstillMark>& ended) {
  Half& own = all.half[from];
  if (own.is_closed && s.window != 0) {
    ended = window_closed(own, from, s.time_ns, StandstillEnd::over);
    own.is_closed = false;
  } else if (!own.is_closed && (labels & bit(PacketLabel::zero_window))) {
    own.is_closed = true;
    own.closed_ms = milliseconds_of(s.time_ns);
    own.probes = 0;
  }
  Half& peer = all.half[opposite(from)];
  constexpr uint32_t probe = bit(PacketLabel::zero_window_probe) | bit(PacketLabel::keep_alive);
  // A window that is taken back leaves data sent in vain, which serves as a probe each time that it is sent again (Linux).
  if (peer.is_closed && ((labels & probe) || is_what_is_wanted(hot, s, from))) count(peer.probes);
}

void note_keep_alive(Standstill& all, const Sighting& s, Side from, uint32_t labels) {
  if (all.keep_alives > 0 && all.keep_alives_of != from) all.keep_alives = 0;
  if (!(labels & bit(PacketLabel::keep_alive))) return;
  if (all.keep_alives == 0) all.keep_alive_ms = milliseconds_of(s.time_ns);
  all.keep_alives_of = from;
  count(all.keep_alives);
}

std::optional<StandstillMark> end_by_reset(Standstill& all, const Sighting& s, Side from) {
  const StandstillEnd end = from == Side::client ? StandstillEnd::reset_by_client : StandstillEnd::reset_by_server;
  std::optional<StandstillMark> longest;
  const auto consider = [&longest](const StandstillMark& mark) {
    if (is_told(mark) && (!longest || mark.length_ns() > longest->length_ns())) longest = mark;
  };
  for (const Side side : kSides) {
    Half& half = all.half[side];
    if (half.times > 0) consider(in_vain(half, side, s.time_ns, end));
    if (half.is_closed) consider(window_closed(half, side, s.time_ns, end));
    half.times = 0;
    half.is_closed = false;
  }
  if (!longest && all.keep_alives_of == from) longest = unanswered(all, s.time_ns, end);
  all.keep_alives = 0;
  return longest;
}

}  // namespace

std::optional<StandstillMark> take(TcpFlow& flow, LegHot& hot, const Sighting& s, Side from, uint32_t labels, bool sent_again,
                                   uint32_t sent_us) {
  if (labels & bit(PacketLabel::spurious_retransmission)) note_needless(flow, from);
  if (sent_again && is_earliest_again(flow, hot, s, from, labels)) note_again(flow, hot, s, from, sent_us);
  if ((s.tcp_flags & tcp_flag::fin) && !flow.has_fin[from]) {
    flow.has_fin[from] = true;
    flow.fin_us[from] = microseconds_of(s.time_ns);
  }
  hot.flags &= static_cast<uint16_t>(~leg_flag::standing);
  constexpr uint32_t begins = bit(PacketLabel::keep_alive) | bit(PacketLabel::zero_window);
  if (!flow.trouble && !(labels & begins)) return std::nullopt;
  Standstill& all = flow.own_trouble().standstill;
  note_keep_alive(all, s, from, labels);
  std::optional<StandstillMark> ended;
  if (s.tcp_flags & tcp_flag::rst) {
    ended = end_by_reset(all, s, from);
  } else {
    note_window(all, hot, s, from, labels, ended);
    const Side peer = opposite(from);
    Half& waiting = all.half[peer];
    if (waiting.times > 0 && (s.tcp_flags & tcp_flag::ack) && sequence_before(waiting.acked, hot.max_ack[from])) {
      ended = in_vain(waiting, peer, s.time_ns, StandstillEnd::over);
      waiting.times = 0;
    }
    Half& own = all.half[from];
    if (own.times > 0 && !sent_again && s.payload_length > 0 && is_peer_unseen(hot, from)) {
      ended = in_vain(own, from, s.time_ns, StandstillEnd::over);
      own.times = 0;
    }
  }
  const auto stands = [](const Half& half) { return half.times > 0 || half.is_closed; };
  if (all.keep_alives > 0 || stands(all.half[Side::client]) || stands(all.half[Side::server])) hot.flags |= leg_flag::standing;
  return ended && is_told(*ended) ? ended : std::nullopt;
}

void note_needless(TcpFlow& flow, Side sender) { count(flow.own_trouble().standstill.half[sender].needless); }

StandstillMark lasting(const TcpFlow& flow, const LegHot& hot) {
  StandstillMark longest;
  const auto consider = [&longest](const StandstillMark& mark) {
    if (is_told(mark) && mark.length_ns() > longest.length_ns()) longest = mark;
  };
  for (const Side side : kSides) {
    const Half& half = flow.trouble_so_far().standstill.half[side];
    if (half.times > 0) consider(in_vain(half, side, time_of(half.again_ms, hot.last_ns), StandstillEnd::lasts));
    if (half.is_closed) consider(window_closed(half, side, hot.last_ns, StandstillEnd::lasts));
  }
  return longest;
}

}  // namespace parallax::standstill
