#include "analysis/tcp/tcp_leg.h"

#include <algorithm>
#include <utility>

#include "analysis/model/sequence.h"
#include "analysis/model/service_port.h"
#include "analysis/tcp/fast_path.h"
#include "analysis/tcp/tcp_labels.h"
#include "analysis/tcp/tcp_verdicts.h"
#include "analysis/tcp/zeek_state.h"
#include "capture/core/port.h"

namespace parallax {
namespace {

using namespace leg_flag;

// How far one half of a connection may be stamped ahead of the other.
constexpr int64_t kHalfFirstNs = 1'000'000'000;
constexpr int32_t kHalfFirstBytes = 1 << 24;

// A copy is a packet that was seen, and its bytes have been counted.
void note_packet(LegHot& hot, LegCold& cold, const Sighting& s, Side from, DuplicateState same) {
  hot.last_ns = s.order_ns;
  ++hot.packets[from];
  if (same == DuplicateState::fresh) hot.bytes[from] += s.payload_length;
  if (hot.packets[from] == 1) {  // the cold lines are not touched by what follows
    cold.ttl[from] = s.ttl;
    cold.first_ns = hot.packets[opposite(from)] == 0 ? s.time_ns : std::min(cold.first_ns, s.time_ns);
  }
}

void note_offer(LegCold& cold, const Sighting& s, Side from) {
  cold.isn[from] = s.seq;
  cold.offer_ip_id[from] = s.ip_id;
  cold.mss[from] = (s.options & tcp_option::mss) ? s.mss : 0;
  cold.window_scale[from] = (s.options & tcp_option::window_scale) ? static_cast<int8_t>(std::min<int>(s.window_scale, 14)) : -1;
  constexpr uint8_t ecn_setup = tcp_flag::ece | tcp_flag::cwr;
  const bool ecn = from == Side::client ? (s.tcp_flags & ecn_setup) == ecn_setup : (s.tcp_flags & ecn_setup) == tcp_flag::ece;
  cold.options[from] = static_cast<uint8_t>((s.options & ~kOptionEcn) | (ecn ? kOptionEcn : 0));
}

// Times of files may be anything.
int64_t later(int64_t time_ns, int64_t by_ns) { return time_ns < kTimeMax - by_ns ? time_ns + by_ns : kTimeMax; }

// A SYN came from the side that was taken for the server, and nothing contradicts it: the guess at the opening was wrong.
void flip(LegHot& hot, LegCold& cold) {
  hot.flags ^= client_is_low;
  const auto swap_bits = [&hot](uint16_t a, uint16_t b) {
    const uint16_t both = static_cast<uint16_t>(((hot.flags & a) ? b : 0) | ((hot.flags & b) ? a : 0));
    hot.flags = static_cast<uint16_t>((hot.flags & ~(a | b)) | both);
  };
  swap_bits(fin_client, fin_server);
  hot.flags &= static_cast<uint16_t>(~rst_by_server);
  hot.bytes.flip();
  hot.packets.flip();
  hot.next_seq.flip();
  hot.max_ack.flip();
  hot.seen = leg_seen::flip(hot.seen);
  cold.ttl.flip();
  cold.retransmissions.flip();
  zeek::flip(hot, cold);
}

void note_uncertainty(LegCold& cold, const Sighting& s) {
  cold.stamp_uncertainty_ns = std::max(cold.stamp_uncertainty_ns, s.stamp_uncertainty_ns);
}

// True: with another number than the last attempt, so that nothing of its sequence space holds.
bool begin_attempt(LegHot& hot, LegCold& cold, const Sighting& s) {
  // The same SYN again (or late: its answer may be stamped first) leaves standing what was answered.
  const bool further = (hot.flags & syn) != 0 && (s.seq != cold.isn[Side::client] || (hot.flags & (refused | reset)));
  const bool renumbered = (hot.flags & syn) != 0 && s.seq != cold.isn[Side::client];
  hot.flags = static_cast<uint16_t>((hot.flags & ~(refused | reset | rst_by_server)) | syn);
  if (further) {
    // A new attempt: the last one's ends and closes do not count. conn_state is that of the last attempt.
    hot.end_states = 0;  // inactive, both
    hot.flags &= static_cast<uint16_t>(~(syn_ack | fin_client | fin_server));
    cold.syn_ack_stamp_ns = cold.ack_stamp_ns = 0;
    cold.stamp_uncertainty_ns = 0;
    hot.seen = 0;
  }
  cold.syn_stamp_ns = s.time_ns;
  note_uncertainty(cold, s);
  ++cold.attempts;
  note_offer(cold, s, Side::client);
  return renumbered;
}

// Whether both sides have spoken as in a handshake, in whatever order the stamps show it. A client that goes on after its SYN
// has been answered, whether the answer was seen or not.
bool handshake_complete(const LegHot& hot, const LegCold& cold) {
  if (!(hot.seen & leg_seen::max_ack[Side::client])) return false;
  if (hot.flags & syn_ack) return sequence_at_or_before(cold.isn[Side::server] + 1, hot.max_ack[Side::client]);
  return (hot.flags & syn) && hot.end_state(Side::client) != TcpEndState::reset &&
         sequence_at_or_before(cold.isn[Side::client] + 1, hot.next_seq[Side::client]);
}

// Sequence space: how far each direction has come, by its own packets and by what the other side acknowledges.
void step_sequence(LegHot& hot, const Sighting& s, Side from) {
  const uint32_t space = s.payload_length + ((s.tcp_flags & tcp_flag::syn) ? 1 : 0) + ((s.tcp_flags & tcp_flag::fin) ? 1 : 0);
  const uint32_t end = s.seq + space;
  if (!(hot.seen & leg_seen::next_seq[from])) {
    hot.seen |= leg_seen::next_seq[from];
    hot.next_seq[from] = end;
  } else if (space > 0 && !(s.tcp_flags & tcp_flag::rst)) {
    if (sequence_before(hot.next_seq[from], end)) hot.next_seq[from] = end;
  }
  if (s.tcp_flags & tcp_flag::ack) {
    if (!(hot.seen & leg_seen::max_ack[from]) || sequence_before(hot.max_ack[from], s.ack)) hot.max_ack[from] = s.ack;
    hot.seen |= leg_seen::max_ack[from];
    if ((hot.seen & leg_seen::next_seq[opposite(from)]) && sequence_before(hot.next_seq[opposite(from)], s.ack) &&
        !(s.tcp_flags & tcp_flag::rst)) {
      hot.next_seq[opposite(from)] = s.ack;
    }
  }
}

// Whether a SYN belongs to the leg that was opened in vain: it is the same one again, at whatever distance, or its sender tries
// again because it was reset.
bool repeats_attempt(const LegCold& cold, const Sighting& s) {
  return s.seq == cold.isn[Side::client] || (cold.rst_ns != 0 && s.order_ns - cold.rst_ns <= kRetryAfterRstNs);
}

// Labels of the packet, Wireshark's and our own; what was sent again is counted.
void label(const LegHot& hot, LegCold& cold, TcpFlow& flow, const Sighting& s, Side from, DuplicateState same, LegStep& step) {
  const TcpFlow::Half& own = flow.half[from];
  const bool behind = (own.notes & flow_note::positioned) && sequence_before(s.seq, own.next_seq);
  const bool again = sent_again(flow, s, from);
  const uint32_t why = again ? why_sent_again(cold, flow, s, from) : 0;
  if (same == DuplicateState::fresh) step.needless = needless_by(flow, s, from);
  // Of a packet in a fragmented outer packet only the beginning is here: Wireshark's labels come with the rest
  // (carried_packets.h).
  const bool whole = !s.has(SightingFlag::outer_fragment);
  const uint32_t labels = whole ? label_packet(hot, cold, flow, s, from) : 0;
  constexpr uint32_t not_again = bit(PacketLabel::keep_alive) | bit(PacketLabel::zero_window_probe);
  constexpr uint32_t explained = bit(PacketLabel::fast_retransmission) | bit(PacketLabel::spurious_retransmission);
  step.labels |= labels;
  if ((labels & not_again) || !behind || !again) return;
  if (!(labels & explained)) step.labels |= why;
  if (same != DuplicateState::fresh) return;
  ++cold.retransmissions[from];
  step.what |= leg_step::sent_again;
  remember_again(flow, s, from);
}

}  // namespace

Side sender_side(const Sighting& s) {
  const uint8_t handshake = s.tcp_flags & (tcp_flag::syn | tcp_flag::ack);
  if (s.protocol == ip_protocol::tcp && handshake == tcp_flag::syn) return Side::client;
  if (s.protocol == ip_protocol::tcp && handshake == (tcp_flag::syn | tcp_flag::ack)) return Side::server;
  // What refuses a SYN has no number of its own to go by, and acknowledges the SYN's (RFC 9293, 3.5.2).
  const bool is_refusal = (s.tcp_flags & (tcp_flag::rst | tcp_flag::ack)) == (tcp_flag::rst | tcp_flag::ack) && s.seq == 0;
  if (s.protocol == ip_protocol::tcp && is_refusal) return Side::server;
  const bool from_service = is_service_port(s.source_port), to_service = is_service_port(s.destination_port);
  if (s.protocol != ip_protocol::tcp)
    return from_service && !to_service && !is_addressed_to_many(s.destination) ? Side::server : Side::client;
  if (from_service != to_service) return from_service ? Side::server : Side::client;
  return s.source_port < s.destination_port ? Side::server : Side::client;
}

bool idle_over(const LegHot& hot, int64_t now_ns, int64_t idle_timeout_ns) {
  const int64_t idle_ns = now_ns - hot.last_ns;
  if (!(hot.flags & is_tcp)) return idle_ns > kUdpIdleNs;
  const bool over = (hot.flags & reset) || (hot.flags & (fin_client | fin_server)) == (fin_client | fin_server);
  if (over && (hot.flags & ever_established)) return idle_ns > kClosedLingerNs;
  if (idle_timeout_ns == kNeverIdle) return false;
  if (hot.flags & ever_established || !(hot.flags & syn)) return idle_ns > idle_timeout_ns;
  return idle_ns > kAttemptWindowNs;
}

int64_t forgotten_at(const LegHot& hot, int64_t port_memory_ns) {
  const bool tcp = hot.flags & is_tcp;
  const bool over = (hot.flags & reset) || (hot.flags & (fin_client | fin_server)) == (fin_client | fin_server);
  const bool in_vain = (hot.flags & (syn | ever_established)) == syn;
  if (!tcp) return later(hot.last_ns, kUdpIdleNs + 1);
  return over || in_vain ? forgotten_if_over(hot.last_ns, port_memory_ns) : kTimeMax;
}

int64_t forgotten_if_over(int64_t last_ns, int64_t port_memory_ns) { return later(last_ns, port_memory_ns + 1); }

// A SYN-ACK of which neither number is the leg's.
static bool answers_another_syn(const LegCold& cold, const Sighting& s, Side from) {
  const bool is_syn_ack = (s.tcp_flags & (tcp_flag::syn | tcp_flag::ack | tcp_flag::rst)) == (tcp_flag::syn | tcp_flag::ack);
  return is_syn_ack && s.seq != cold.isn[from] && s.ack != cold.isn[opposite(from)] + 1;
}

// The names are used again, and the SYN of it was not captured: what answers it shows, or what is said long after the only SYN
// until now was refused. (A client that is refused by one and answered by another knows soon.)
static bool follows_unseen_syn(const LegHot& hot, const LegCold& cold, const Sighting& s, Side from) {
  constexpr int64_t kRefusedNs = 5'000'000'000;
  if (answers_another_syn(cold, s, from)) return true;
  const bool is_said = (s.tcp_flags & (tcp_flag::syn | tcp_flag::ack | tcp_flag::rst)) == tcp_flag::ack;
  return is_said && !(hot.flags & ever_established) && s.order_ns - hot.last_ns > kRefusedNs;
}

bool starts_new_leg(const LegHot& hot, const LegCold& cold, const Sighting& s, Side from, int64_t idle_timeout_ns) {
  if (!(hot.flags & is_tcp)) return idle_over(hot, s.order_ns, idle_timeout_ns);
  const bool is_syn = (s.tcp_flags & (tcp_flag::syn | tcp_flag::ack | tcp_flag::rst)) == tcp_flag::syn;
  const bool in_vain = (hot.flags & (syn | ever_established)) == syn;
  if (is_syn && in_vain && from == Side::client) return !repeats_attempt(cold, s);
  if (idle_over(hot, s.order_ns, idle_timeout_ns)) return true;
  const bool over = (hot.flags & reset) || (hot.flags & (fin_client | fin_server)) == (fin_client | fin_server);
  if (!is_syn) return (over || (hot.flags & refused)) && follows_unseen_syn(hot, cold, s, from);
  if (hot.flags & ever_established) return s.seq != cold.isn[from] || over;
  if (!(hot.flags & syn)) {
    // No SYN until now. The server's half may have been stamped first, as far as one poll of its port goes: then this SYN belongs
    // here. Any other starts a leg.
    if (hot.flags & syn_ack) return s.seq != cold.isn[Side::client];
    const Side peer = opposite(from);
    const int32_t acknowledged = sequence_distance(s.seq + 1, hot.max_ack[peer]);
    const bool young = s.time_ns - cold.first_ns < kHalfFirstNs && hot.packets[from] == 0;
    return !(young && (hot.seen & leg_seen::max_ack[peer]) && acknowledged >= 0 && acknowledged < kHalfFirstBytes);
  }
  return false;
}

static LegStep step_leg(LegHot& hot, LegCold& cold, TcpFlow& flow, const Sighting& s, Side from, DuplicateState same) {
  LegStep step;
  if ((hot.flags & established) && !(s.tcp_flags & tcp_flag::turning) && hot.end_state(from) != TcpEndState::inactive) {
    // Data and acknowledgements of an established leg, nearly all packets: the hot line is enough.
    note_packet(hot, cold, s, from, same);
    zeek::note_established(hot, cold, s, from);
    label(hot, cold, flow, s, from, same, step);
    step_sequence(hot, s, from);
    return step;
  }
  const bool is_syn = s.tcp_flags & tcp_flag::syn, is_ack = s.tcp_flags & tcp_flag::ack, is_rst = s.tcp_flags & tcp_flag::rst;
  if (is_syn && !is_ack && !is_rst && from == Side::server && !(hot.flags & syn)) {
    flip(hot, cold);
    flow.swap_sides();
    from = Side::client;
    step.what |= leg_step::flipped;
  }
  note_packet(hot, cold, s, from, same);
  zeek::note_packet(hot, cold, s, from);

  if (is_syn && !is_ack && !is_rst && from == Side::client && !(hot.flags & ever_established)) {
    if (same != DuplicateState::copy) {
      if (begin_attempt(hot, cold, s)) {
        flow = {};  // Wireshark sees another conversation
        step.labels |= bit(PacketLabel::reused_ports);
      }
      step.what |= leg_step::attempt;
    }
  } else if (is_syn && is_ack && from == Side::server && !(hot.flags & syn_ack)) {
    hot.flags |= syn_ack;
    cold.syn_ack_stamp_ns = s.time_ns;
    note_uncertainty(cold, s);
    note_offer(cold, s, Side::server);
    if (!(hot.flags & syn)) cold.isn[Side::client] = s.ack - 1;
    step.what |= leg_step::syn_ack;
  }
  label(hot, cold, flow, s, from, same, step);
  step_sequence(hot, s, from);
  zeek::step_end_states(hot, from, s.tcp_flags);

  if (!(hot.flags & established) && handshake_complete(hot, cold)) {
    hot.flags |= established | ever_established;
    if (from == Side::client && !is_rst) {
      cold.ack_stamp_ns = s.time_ns;
      note_uncertainty(cold, s);
    }
    step.what |= leg_step::established;
  }
  if (is_rst) cold.rst_ns = s.order_ns;
  if (is_rst && !(hot.flags & (refused | reset))) {
    const bool answers_syn = from == Side::server && (hot.flags & syn) && !(hot.flags & (syn_ack | established));
    if (from == Side::server) hot.flags |= rst_by_server;
    hot.flags |= answers_syn ? refused : reset;
    step.what |= answers_syn ? leg_step::refused : (leg_step::reset | leg_step::closed);
  } else if ((step.what & leg_step::attempt) && hot.end_state(Side::server) == TcpEndState::reset && !(hot.flags & syn_ack) &&
             hot.max_ack[Side::server] == s.seq + 1) {
    hot.flags |= refused | rst_by_server;  // the RST was stamped before the SYN that it answers
    step.what |= leg_step::refused;
  }
  if (s.tcp_flags & tcp_flag::fin) {
    hot.flags |= from == Side::client ? fin_client : fin_server;
    if ((hot.flags & (fin_client | fin_server)) == (fin_client | fin_server)) step.what |= leg_step::closed;
  }

  return step;
}

LegStep tcp_step(LegHot& hot, LegCold& cold, TcpFlow& flow, const Sighting& s, Side from, DuplicateState same) {
  const TcpFlow::Half& own = flow.half[from];
  const uint32_t sent_us = (own.notes & flow_note::sent) ? own.sent_us : microseconds_of(s.time_ns);
  LegStep step = step_leg(hot, cold, flow, s, from, same);
  if (step.what & leg_step::flipped) from = opposite(from);
  if (same == DuplicateState::fresh)
    step.stood_still = standstill::take(flow, hot, s, from, step.labels, step.what & leg_step::sent_again, sent_us);
  if (step.needless) standstill::note_needless(flow, opposite(from));
  settle_fast_path(hot, flow);
  return step;
}

void take_fragment(LegHot& hot, LegCold& cold, TcpFlow& flow, const Sighting& s, Side from, DuplicateState same) {
  note_packet(hot, cold, s, from, same);
  take_unlabelled(hot, cold, flow, s, from);
  step_sequence(hot, s, from);
  settle_fast_path(hot, flow);
}

LegStep udp_step(LegHot& hot, LegCold& cold, const Sighting& s, Side from, DuplicateState same) {
  LegStep step;
  // Stamps of two ports, and the first may have been the answer: then the lower port is taken for the server's.
  const bool order_open = s.time_ns - s.stamp_uncertainty_ns <= cold.first_ns;
  if (from == Side::server && hot.packets[Side::server] == 0 && order_open && s.source_port > s.destination_port) {
    flip(hot, cold);
    cold.isn.flip();
    from = Side::client;
    step.what |= leg_step::flipped;
  }
  note_packet(hot, cold, s, from, same);
  if (s.has(SightingFlag::later_fragment)) ++cold.isn[from];
  zeek::note_datagram(hot, cold, from);
  return step;
}

namespace {

// As far as it goes; what the other side has acknowledged was sent.
bool is_whole(const LegHot& hot, const TcpFlow& flow, Side side) {
  const TcpFlow::Half& half = flow.half[side];
  return half.holes == 0 && half.contiguous_end == half.next_seq &&
         (!(hot.seen & leg_seen::next_seq[side]) || hot.next_seq[side] == half.next_seq);
}

}  // namespace

TurnMark turn_mark(const LegHot& hot, const LegCold& cold, const TcpFlow& flow, Side from) {
  return {.waited_ns = to_ns(flow.times.sums.wait_ticks[from]),
          .turns = flow.times.sums.turns,
          .retransmissions = cold.retransmissions[Side::client] + cold.retransmissions[Side::server],
          .is_whole = is_whole(hot, flow, Side::client) && is_whole(hot, flow, Side::server)};
}

namespace {

// The payload that the side's sequence numbers span. They have 32 bits: of what they may mean it is that which is nearest to the
// bytes that were counted.
uint64_t stream_bytes(const LegHot& hot, const LegCold& cold, Side side) {
  const uint64_t counted = hot.bytes[side];
  const bool has_start = hot.flags & (side == Side::client ? syn | syn_ack : syn_ack);
  if (!(hot.flags & is_tcp) || !has_start || !(hot.seen & leg_seen::next_seq[side])) return counted;
  const uint32_t fin = (hot.flags & (side == Side::client ? fin_client : fin_server)) ? 1 : 0;
  const uint32_t span = hot.next_seq[side] - (cold.isn[side] + 1) - fin;
  const int64_t bytes = static_cast<int64_t>(counted) + static_cast<int32_t>(span - static_cast<uint32_t>(counted));
  return static_cast<uint64_t>(std::max<int64_t>(bytes, 0));
}

}  // namespace

LegSummary summarize(const LegHot& hot, const LegCold& cold, const TcpFlow* flow, bool idle) {
  LegSummary r{};
  if (flow) {
    r.times = summarize(flow->times, hot, cold);
    for (const Side side : kSides) r.is_whole[side] = is_whole(hot, *flow, side);
    for (const Side side : kSides) {
      if (flow->has_fin[side]) r.fin_ns[side] = hot.last_ns - int64_t{microseconds_of(hot.last_ns) - flow->fin_us[side]} * 1000;
      r.needless[side] = flow->trouble_so_far().standstill.half[side].needless;
    }
    r.window_scale_at_least = {flow->half[Side::client].scale_at_least, flow->half[Side::server].scale_at_least};
  }
  r.first_ns = cold.first_ns;
  r.last_ns = std::max(cold.first_ns, hot.last_ns);
  r.syn_stamp_ns = cold.syn_stamp_ns;
  r.syn_ack_stamp_ns = cold.syn_ack_stamp_ns;
  r.ack_stamp_ns = cold.ack_stamp_ns;
  r.bytes = hot.bytes;
  r.stream_bytes = {stream_bytes(hot, cold, Side::client), stream_bytes(hot, cold, Side::server)};
  r.packets = hot.packets;
  r.retransmissions = cold.retransmissions;
  ((hot.flags & leg_flag::is_tcp) ? r.isn : r.fragments) = cold.isn;
  r.flags = hot.flags;
  r.attempts = cold.attempts;
  r.mss = cold.mss;
  r.window_scale = cold.window_scale;
  r.options = cold.options;
  r.ttl = cold.ttl;
  r.history = cold.history;
  r.history_length = cold.history_length;
  r.close = idle ? Close::idle : Close::open;
  r.conn_state = zeek::conn_state(hot);
  if (!(hot.flags & is_tcp)) return r;
  if (hot.flags & (reset | refused)) {
    r.close = Close::rst;
    r.closed_by = (hot.flags & rst_by_server) ? ClosedBy::server : ClosedBy::client;
  } else if ((hot.flags & (fin_client | fin_server)) == (fin_client | fin_server)) {
    r.close = Close::fin;
    // History holds the order: whose F came first.
    const auto text = history_of(r);
    const auto client = text.find('F'), server = text.find('f');
    r.closed_by = client == text.npos && server == text.npos ? ClosedBy::unknown
                  : client < server                          ? ClosedBy::client
                                                             : ClosedBy::server;
  }
  return r;
}

std::string_view history_of(const LegSummary& summary) { return {summary.history.data(), summary.history_length}; }

}  // namespace parallax
