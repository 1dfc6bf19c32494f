#include "analysis/tcp/tcp_labels.h"

#include <algorithm>
#include <utility>

#include "analysis/model/sequence.h"
#include "analysis/model/vocabulary.h"

namespace parallax {
namespace {

using Half = TcpFlow::Half;

constexpr uint32_t kFastRetransmissionUs = 20'000;  // Wireshark's: so soon after the duplicate ACK
constexpr uint32_t kOutOfOrderUs = 3'000;           // Wireshark's, where the handshake's round trip is not known
constexpr uint8_t kDuplicateAcksForFast = 2;

// The packet beside what is known of both directions.
struct Moment {
  const Sighting& s;
  const Half& own;
  const Half& peer;
  uint32_t now_us;
  bool turning;   // SYN, FIN or RST
  uint32_t end;   // after payload, SYN and FIN
  bool expected;  // begins where the direction's last one ended
  bool same_ack;  // acknowledges what the direction's last one did

  bool occupies() const { return s.payload_length > 0 || (s.tcp_flags & (tcp_flag::syn | tcp_flag::fin)); }
  bool behind() const { return (own.notes & flow_note::positioned) && sequence_before(s.seq, own.next_seq); }
};

Moment moment_of(const TcpFlow& flow, const Sighting& s, Side from) {
  const Half& own = flow.half[from];
  const uint32_t space = ((s.tcp_flags & tcp_flag::syn) ? 1u : 0u) + ((s.tcp_flags & tcp_flag::fin) ? 1u : 0u);
  // Without the flag the number counts for nothing; a direction that never set it repeats itself all the same.
  const uint32_t ack = (s.tcp_flags & tcp_flag::ack) ? s.ack : 0;
  return {.s = s,
          .own = own,
          .peer = flow.half[opposite(from)],
          .now_us = microseconds_of(s.time_ns),
          .turning = (s.tcp_flags & tcp_flag::turning) != 0,
          .end = s.seq + s.payload_length + space,
          .expected = (own.notes & flow_note::positioned) && s.seq == own.next_seq,
          .same_ack = (own.notes & flow_note::spoken) && ack == own.last_ack};
}

// A flow that begins within a leg knows what the leg knows.
void position(TcpFlow& flow, const LegHot& hot, const LegCold& cold, Side from) {
  Half& half = flow.half[from];
  if ((half.notes & flow_note::positioned) || !(hot.seen & leg_seen::next_seq[from]) || hot.next_seq[from] == 0) return;
  half.next_seq = half.contiguous_end = hot.next_seq[from];
  half.advanced_us = microseconds_of(hot.last_ns);
  const bool numbered = hot.flags & (from == Side::client ? leg_flag::syn : leg_flag::syn_ack);
  flow.base_seq[from] = numbered ? cold.isn[from] : hot.next_seq[from] - 1;
  if (numbered && hot.next_seq[from] != cold.isn[from] + 1) flow.uncertain_before[from] = hot.next_seq[from];
  if (from == Side::client && numbered && (cold.options[Side::client] & tcp_option::fast_open) &&
      hot.next_seq[Side::client] != cold.isn[Side::client] + 1)
    half.notes |= flow_note::fast_open;
  half.notes |= flow_note::positioned | flow_note::tracked;
}

// By how much the windows of a direction are shifted; -1: its SYN was not seen.
int scale_of(const LegHot& hot, const LegCold& cold, Side from) {
  const bool syn = hot.flags & leg_flag::syn, syn_ack = hot.flags & leg_flag::syn_ack;
  if (syn && syn_ack && (cold.window_scale[Side::client] < 0 || cold.window_scale[Side::server] < 0))
    return 0;  // both must offer it (RFC 7323, 2.2)
  if (from == Side::client ? syn : syn_ack) return cold.window_scale[from];
  return -1;
}

// ---- the rules, in the order in which they are asked ----

bool is_zero_window_probe(const Moment& m) {
  return m.s.payload_length == 1 && m.expected && m.peer.window == 0 && (m.peer.notes & flow_note::spoken);
}

bool is_keep_alive(const Moment& m) {
  return m.s.payload_length <= 1 && (m.own.notes & flow_note::positioned) && m.s.seq + 1 == m.own.next_seq && !m.turning;
}

// A packet without payload that repeats sequence and acknowledgement of the direction's last one: what it means follows from its
// window.
uint32_t repeated_ack(const Moment& m) {
  if (m.s.payload_length != 0 || !m.expected || !m.same_ack || m.turning) return 0;
  if (m.s.window != m.own.window) return m.s.window != 0 ? bit(PacketLabel::window_update) : 0;
  if (m.s.window == 0) return (m.peer.notes & flow_note::zero_window_probe) ? bit(PacketLabel::zero_window_probe_ack) : 0;
  return (m.peer.notes & flow_note::keep_alive) ? bit(PacketLabel::keep_alive_ack) : bit(PacketLabel::duplicate_ack);
}

// How soon after newer data a segment may come and still count as overtaken on the way.
uint32_t out_of_order_us(const LegCold& cold) {
  if (cold.syn_stamp_ns == 0 || cold.ack_stamp_ns <= cold.syn_stamp_ns) return kOutOfOrderUs;
  return static_cast<uint32_t>(std::min<int64_t>((cold.ack_stamp_ns - cold.syn_stamp_ns) / 1000, 0xffffffff));
}

// What a segment is that begins before the highest sequence number, or was acknowledged before it came.
uint32_t not_advancing(const Moment& m, const LegCold& cold) {
  if (!m.occupies()) return 0;
  const uint32_t data_end = m.s.seq + m.s.payload_length;
  constexpr uint32_t again = bit(PacketLabel::retransmission);
  if (m.s.payload_length > 0 && acknowledged(m.peer, data_end)) return again | bit(PacketLabel::spurious_retransmission);
  if (!m.behind()) return 0;
  // One byte back and longer: new data behind what may have been a probe.
  if (m.s.payload_length > 1 && m.s.seq + 1 == m.own.next_seq) return 0;
  if (m.peer.duplicate_acks >= kDuplicateAcksForFast && m.peer.last_ack == m.s.seq &&
      m.now_us - m.peer.last_us < kFastRetransmissionUs)
    return again | bit(PacketLabel::fast_retransmission);
  if (m.end != m.own.next_seq && m.now_us - m.own.advanced_us < out_of_order_us(cold)) return bit(PacketLabel::out_of_order);
  return again;
}

// ---- holes ----

void add_hole(TcpFlow& flow, Side from, SequenceRange hole) {
  auto& holes = flow.own_trouble().hole[from];
  uint8_t& count = flow.half[from].holes;
  if (count == TcpTrouble::kHoles) {  // the oldest is given up
    flow.uncertain_before[from] = holes[0].end;
    std::move(holes.begin() + 1, holes.end(), holes.begin());
    --count;
  }
  holes[count++] = hole;
}

void fill_holes(TcpFlow& flow, Side from, const SequenceRange& seen, const Half& peer) {
  std::array<SequenceRange, TcpTrouble::kHoles> old = flow.trouble_so_far().hole[from];
  const uint8_t count = std::exchange(flow.half[from].holes, uint8_t{0});
  for (uint8_t i = 0; i < count; ++i) {
    const SequenceRange& hole = old[i];
    if (acknowledged(peer, hole.end)) {  // as a rule nothing comes any more, but its port may have been polled later
      flow.uncertain_before[from] = hole.end;
      continue;
    }
    const bool apart = sequence_at_or_before(seen.end, hole.begin) || sequence_at_or_before(hole.end, seen.begin);
    if (apart) {
      add_hole(flow, from, hole);
      continue;
    }
    if (sequence_before(hole.begin, seen.begin)) add_hole(flow, from, {hole.begin, seen.begin});
    if (sequence_before(seen.end, hole.end)) add_hole(flow, from, {seen.end, hole.end});
  }
}

// ---- the packet becomes part of what is known ----

void advance(TcpFlow& flow, Side from, const Moment& m, uint32_t labels) {
  Half& own = flow.half[from];
  const uint32_t next_before = own.next_seq;
  const bool probe = labels & bit(PacketLabel::zero_window_probe);
  const bool lost = labels & bit(PacketLabel::lost_segment);
  if (lost)
    add_hole(flow, from, {own.next_seq, m.s.seq});
  else if (own.holes > 0)
    fill_holes(flow, from, {m.s.seq, m.end}, m.peer);
  if (!(own.notes & flow_note::positioned)) {
    own.next_seq = own.contiguous_end = m.end;
    own.advanced_us = m.now_us;
    own.notes |= flow_note::tracked;
    if (m.end != 0) own.notes |= flow_note::positioned;  // Wireshark takes 0 for "not known", here and for the base
    if (flow.base_seq[from] == 0) flow.base_seq[from] = (m.s.tcp_flags & tcp_flag::syn) ? m.s.seq : m.s.seq - 1;
  } else if (!probe) {
    const bool contiguous = m.s.seq == own.contiguous_end;
    if (sequence_before(own.next_seq, m.end)) {
      own.next_seq = m.end;
      own.advanced_us = m.now_us;
    }
    if (contiguous) own.contiguous_end = own.next_seq;
    if (own.next_seq != next_before) own.notes |= flow_note::tracked;
  }
  if (m.s.payload_length > 0) {
    own.sent_us = m.now_us;
    own.notes |= flow_note::sent;
  }
}

// Told once; and again only after the direction has gone on.
void told_of_loss(Half& half) {
  if (half.contiguous_end == half.next_seq) half.notes &= static_cast<uint8_t>(~flow_note::tracked);
  half.contiguous_end = half.next_seq;
}

void remember(Half& own, const Sighting& s, uint32_t now_us, uint32_t labels) {
  if (labels & bit(PacketLabel::duplicate_ack)) {
    if (own.duplicate_acks < 255) ++own.duplicate_acks;
  } else if ((s.tcp_flags & tcp_flag::ack) && s.ack != own.last_ack) {
    own.duplicate_acks = 0;
  }
  if (s.tcp_flags & tcp_flag::ack) own.last_ack = s.ack;
  own.window = s.window;
  own.last_us = now_us;
  constexpr uint8_t last_packet = flow_note::keep_alive | flow_note::zero_window_probe;
  own.notes = static_cast<uint8_t>((own.notes & ~last_packet) | flow_note::spoken |
                                   ((labels & bit(PacketLabel::keep_alive)) ? flow_note::keep_alive : 0) |
                                   ((labels & bit(PacketLabel::zero_window_probe)) ? flow_note::zero_window_probe : 0) |
                                   ((s.tcp_flags & tcp_flag::syn) ? 0 : flow_note::scaled));
  if (labels & bit(PacketLabel::tfo_syn)) own.notes |= flow_note::fast_open;
}

// What an answer to a SYN says of data in that SYN (RFC 7413), and whether it is the answer to another one.
uint32_t opening(const TcpFlow& flow, const Moment& m, Side from) {
  uint32_t labels = 0;
  if (!(m.s.tcp_flags & tcp_flag::syn)) return labels;
  const bool fast_open = m.s.options & tcp_option::fast_open;
  if (!(m.s.tcp_flags & tcp_flag::ack)) return fast_open && m.s.payload_length > 0 ? bit(PacketLabel::tfo_syn) : 0;
  if (flow.base_seq[from] != 0 && m.s.seq != flow.base_seq[from]) labels |= bit(PacketLabel::reused_ports);
  if (flow.base_seq[opposite(from)] != 0 && m.s.ack != flow.base_seq[opposite(from)] + 1)
    labels |= bit(PacketLabel::tfo_ack);
  else if (m.peer.notes & flow_note::fast_open)
    labels |= bit(PacketLabel::tfo_ignored);
  return labels;
}

uint32_t rules(const LegCold& cold, const TcpFlow& flow, const Moment& m, Side from) {
  uint32_t labels = opening(flow, m, from);
  const auto label = [&labels](PacketLabel which, bool holds) {
    if (holds) labels |= bit(which);
  };
  if (is_zero_window_probe(m)) {
    labels |= bit(PacketLabel::zero_window_probe);
  } else {
    label(PacketLabel::zero_window, m.s.window == 0 && !m.turning);
    label(PacketLabel::lost_segment,
          (m.own.notes & flow_note::positioned) && sequence_before(m.own.next_seq, m.s.seq) && !(m.s.tcp_flags & tcp_flag::rst));
    label(PacketLabel::keep_alive, is_keep_alive(m));
    label(PacketLabel::window_full,
          m.s.payload_length > 0 && !m.turning && (m.peer.notes & flow_note::spoken) && fills_window(m.peer, m.end));
    labels |= repeated_ack(m);
  }
  label(PacketLabel::ack_lost_segment, (m.s.tcp_flags & tcp_flag::ack) && (m.peer.notes & flow_note::tracked) &&
                                           sequence_before(m.peer.contiguous_end, m.s.ack));
  if (!(labels & bit(PacketLabel::keep_alive))) {
    labels |= not_advancing(m, cold);
  }
  return labels;
}

}  // namespace

bool fills_hole(const TcpFlow& flow, Side from, const SequenceRange& range) {
  for (uint8_t i = 0; i < flow.half[from].holes; ++i) {
    const SequenceRange& hole = flow.trouble_so_far().hole[from][i];
    if (sequence_before(hole.begin, range.end) && sequence_before(range.begin, hole.end)) return true;
  }
  return false;
}

void take_unlabelled(const LegHot& hot, const LegCold& cold, TcpFlow& flow, const Sighting& s, Side from) {
  position(flow, hot, cold, from);
  const Moment m = moment_of(flow, s, from);
  const bool skips = (m.own.notes & flow_note::positioned) && sequence_before(m.own.next_seq, s.seq);
  advance(flow, from, m, skips ? bit(PacketLabel::lost_segment) : 0);
}

uint32_t label_packet(const LegHot& hot, const LegCold& cold, TcpFlow& flow, const Sighting& s, Side from) {
  position(flow, hot, cold, Side::client);
  position(flow, hot, cold, Side::server);
  const Moment m = moment_of(flow, s, from);
  // What a SYN offers settles how windows are scaled; after it the answer stays the same.
  uint8_t& shift = flow.half[opposite(from)].window_shift;
  if (m.turning)
    flow.half[Side::client].window_shift = flow.half[Side::server].window_shift = flow_shift::unasked;
  else if (shift == flow_shift::unasked && s.payload_length > 0)
    shift = flow_shift::of(scale_of(hot, cold, opposite(from)));
  constexpr uint8_t kScaleMost = 14;  // RFC 7323, 2.3
  if (s.payload_length > 0 && (m.peer.notes & flow_note::spoken)) {
    for (Half& peer = flow.half[opposite(from)]; peer.scale_at_least < kScaleMost && exceeds_scale(peer, m.end);)
      ++peer.scale_at_least;
  }
  const uint32_t labels = rules(cold, flow, m, from);
  if ((labels & bit(PacketLabel::reused_ports))) flow.base_seq[from] = s.seq;
  if (labels & bit(PacketLabel::ack_lost_segment)) told_of_loss(flow.half[opposite(from)]);
  advance(flow, from, m, labels);
  remember(flow.half[from], s, m.now_us, labels);
  return labels;
}

}  // namespace parallax
