#include "analysis/tcp/zeek_state.h"

#include <utility>

namespace parallax::zeek {
namespace {

ConnState tcp_conn_state(const LegHot& hot) {
  using enum TcpEndState;
  const TcpEndState o = hot.end_state(Side::client), r = hot.end_state(Side::server);
  const bool o_inactive = o == inactive || o == partial, r_inactive = r == inactive || r == partial;
  if (r == reset) {
    const bool nothing_sent = hot.bytes[Side::client] == 0 && hot.bytes[Side::server] == 0;
    if (o == syn_sent || o == syn_ack_sent || (o == reset && nothing_sent)) return ConnState::REJ;
    return o_inactive ? ConnState::RSTRH : ConnState::RSTR;
  }
  if (o == reset) return r_inactive ? ConnState::RSTOS0 : ConnState::RSTO;
  if (o == closed && r == closed) return ConnState::SF;
  if (o == closed) return r_inactive ? ConnState::SH : ConnState::S2;
  if (r == closed) return o_inactive ? ConnState::SHR : ConnState::S3;
  if (o == syn_sent && r == inactive) return ConnState::S0;
  if (o == established && r == established) return ConnState::S1;
  return ConnState::OTH;
}

// A letter of one side; ^ belongs to neither.
void write(LegCold& cold, char letter, Side from) {
  if (cold.history_length >= cold.history.size()) return;
  cold.history[cold.history_length++] = from == Side::client && letter >= 'a' ? static_cast<char>(letter - 'a' + 'A') : letter;
}

void write_once(LegHot& hot, LegCold& cold, Letter letter, Side from) {
  const uint16_t mark = history_bit(letter, from);
  if (hot.history_seen & mark) return;
  hot.history_seen |= mark;
  write(cold, "shadfriq"[static_cast<size_t>(letter)], from);
}

// Again where the sequence number is not that of the last one. `last` may be its low 16 bits: two in a row do not differ by
// 65,536.
template <typename Seq>
void write_each(LegHot& hot, LegCold& cold, Letter letter, Side from, Seq& last, uint32_t seq) {
  if ((hot.history_seen & history_bit(letter, from)) && last != static_cast<Seq>(seq))
    hot.history_seen ^= history_bit(letter, from);
  write_once(hot, cold, letter, from);
  last = static_cast<Seq>(seq);
}

// The 1st, the 10th, the 100th ... of its kind.
void write_rarely(LegCold& cold, char letter, Side from, uint16_t& count) {
  if (count == UINT16_MAX) return;
  ++count;
  if (count == 1 || count == 10 || count == 100 || count == 1000 || count == 10000) write(cold, letter, from);
}

// Each flag that opens, ends or contradicts.
void note_flags(LegHot& hot, LegCold& cold, const Sighting& s, Side from) {
  const bool syn = s.tcp_flags & tcp_flag::syn, fin = s.tcp_flags & tcp_flag::fin, rst = s.tcp_flags & tcp_flag::rst;
  if (syn && (fin || rst)) write_once(hot, cold, Letter::q, from);
  if (fin && rst) write_once(hot, cold, Letter::i, from);
  if (syn) {
    uint32_t last = cold.isn[from];  // the leg's own step keeps it
    write_each(hot, cold, (s.tcp_flags & tcp_flag::ack) ? Letter::h : Letter::s, from, last, s.seq);
  }
  if (fin) write_each(hot, cold, Letter::f, from, cold.last_fin[from], s.seq + s.payload_length);
  if (rst) write_each(hot, cold, Letter::r, from, cold.last_rst[from], s.seq);
}

// Zeek calls each payload sent again that ends where something has ended before, keep-alives among it.
bool sent_again(const LegHot& hot, const Sighting& s, Side from) {
  if (s.payload_length == 0 || (s.tcp_flags & tcp_flag::rst) || !(hot.seen & leg_seen::next_seq[from]) ||
      hot.end_state(from) == TcpEndState::reset)
    return false;
  const uint32_t space = s.payload_length + ((s.tcp_flags & tcp_flag::syn) ? 1 : 0) + ((s.tcp_flags & tcp_flag::fin) ? 1 : 0);
  return sequence_at_or_before(s.seq + space, hot.next_seq[from]);
}

// Acknowledges bytes of the other side that were not seen. A single one may be its FIN or a probe, and is no content.
bool acknowledges_a_gap(const LegHot& hot, const Sighting& s, Side from) {
  const Side peer = opposite(from);
  if (!(s.tcp_flags & tcp_flag::ack) || (s.tcp_flags & (tcp_flag::syn | tcp_flag::rst)) || !(hot.seen & leg_seen::next_seq[peer]))
    return false;
  return sequence_before(hot.next_seq[peer] + 1, s.ack);
}

}  // namespace

void note_packet(LegHot& hot, LegCold& cold, const Sighting& s, Side from) {
  const bool first = hot.packets[Side::client] + hot.packets[Side::server] == 1;
  if (first && from == Side::server)
    write(cold, '^', Side::server);  // ports or a SYN-ACK tell that the one who was seen first answers
  if (s.window == 0 && !(s.tcp_flags & tcp_flag::rst)) write_rarely(cold, 'w', from, cold.zero_windows[from]);
  if (s.tcp_flags & tcp_flag::turning)
    note_flags(hot, cold, s, from);
  else if (s.payload_length > 0)
    write_once(hot, cold, Letter::d, from);
  else if (s.tcp_flags & tcp_flag::ack)
    write_once(hot, cold, Letter::a, from);
  if (sent_again(hot, s, from)) write_rarely(cold, 't', from, cold.again[from]);
  if (acknowledges_a_gap(hot, s, from)) write_rarely(cold, 'g', opposite(from), cold.gaps[opposite(from)]);
}

void note_gap(LegCold& cold, Side missing) { write_rarely(cold, 'g', missing, cold.gaps[missing]); }

void note_datagram(LegHot& hot, LegCold& cold, Side from) {
  if (hot.packets[Side::client] + hot.packets[Side::server] == 1 && from == Side::server) write(cold, '^', Side::server);
  write_once(hot, cold, Letter::d, from);
}

void step_end_states(LegHot& hot, Side from, uint8_t flags) {
  using enum TcpEndState;
  TcpEndState self = hot.end_state(from), peer = hot.end_state(opposite(from));
  const bool syn = flags & tcp_flag::syn, ack = flags & tcp_flag::ack;
  if (flags & tcp_flag::rst) {
    self = reset;
  } else if (self == reset) {
    return;  // nothing undoes a reset
  } else if (syn && ack) {
    const bool answered = peer == syn_sent || peer == established || peer == syn_ack_sent;
    self = answered ? established : syn_ack_sent;
    if (peer == syn_sent) peer = established;
  } else if (syn) {
    if (self == inactive || self == partial) self = peer == syn_ack_sent ? established : syn_sent;
    if (peer == syn_ack_sent) peer = established;
  } else if (flags & tcp_flag::fin) {
    self = closed;
  } else if (self == inactive) {
    self = partial;
  }
  hot.set_end_state(from, self);
  hot.set_end_state(opposite(from), peer);
}

void flip(LegHot& hot, LegCold& cold) {
  hot.end_states = static_cast<uint8_t>(hot.end_states << 4 | hot.end_states >> 4);
  hot.history_seen = static_cast<uint16_t>((hot.history_seen & 0x5555) << 1 | (hot.history_seen & 0xaaaa) >> 1);
  cold.last_fin.flip();
  cold.last_rst.flip();
  cold.again.flip();
  cold.zero_windows.flip();
  cold.gaps.flip();
  for (uint8_t i = 0; i < cold.history_length; ++i) {
    if (cold.history[i] != '^') cold.history[i] ^= 0x20;
  }
  write(cold, '^', Side::server);
}

ConnState conn_state(const LegHot& hot) {
  if (hot.flags & leg_flag::is_tcp) return tcp_conn_state(hot);
  const bool answered = hot.packets[Side::server] > 0;
  return hot.packets[Side::client] > 0 ? (answered ? ConnState::SF : ConnState::S0)
                                       : (answered ? ConnState::SHR : ConnState::OTH);
}

}  // namespace parallax::zeek
