#include "analysis/zeek_state.h"

namespace parallax::zeek {
namespace {

ConnState tcp_conn_state(const LegHot& hot) {
  using enum TcpEndState;
  const TcpEndState o = hot.end_state(Side::client), r = hot.end_state(Side::server);
  const bool o_inactive = o == inactive || o == partial, r_inactive = r == inactive || r == partial;
  if (r == reset) {
    const bool nothing_sent = hot.bytes[0] == 0 && hot.bytes[1] == 0;
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

}  // namespace

void note_history(LegHot& hot, LegCold& cold, Letter letter, Side from) {
  const uint16_t mark = static_cast<uint16_t>(1 << (2 * static_cast<unsigned>(letter) + index_of(from)));
  if (hot.history_seen & mark) return;
  hot.history_seen |= mark;
  const char text = "shadfrt"[static_cast<size_t>(letter)];
  if (cold.history_length < cold.history.size()) cold.history[cold.history_length++] = from == Side::client ? static_cast<char>(text - 'a' + 'A') : text;
}

void note_turning(LegHot& hot, LegCold& cold, const Sighting& s, Side from, bool again) {
  const bool syn = s.tcp_flags & tcp_flag::syn, ack = s.tcp_flags & tcp_flag::ack, rst = s.tcp_flags & tcp_flag::rst;
  const bool fin = s.tcp_flags & tcp_flag::fin;
  if (syn) note_history(hot, cold, ack ? Letter::h : Letter::s, from);
  if (rst) note_history(hot, cold, Letter::r, from);
  if (!syn && !rst && ack && s.payload_length == 0 && !fin) note_history(hot, cold, Letter::a, from);
  if (s.payload_length > 0) note_history(hot, cold, Letter::d, from);
  if (fin) note_history(hot, cold, Letter::f, from);
  if (again && s.payload_length > 0) note_history(hot, cold, Letter::t, from);
}

void step_end_states(LegHot& hot, Side from, uint8_t flags) {
  using enum TcpEndState;
  TcpEndState self = hot.end_state(from), peer = hot.end_state(other(from));
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
  hot.set_end_state(other(from), peer);
}

void flip(LegHot& hot, LegCold& cold) {
  hot.end_states = static_cast<uint8_t>(hot.end_states << 4 | hot.end_states >> 4);
  hot.history_seen = static_cast<uint16_t>((hot.history_seen & 0x5555) << 1 | (hot.history_seen & 0xaaaa) >> 1);
  for (uint8_t i = 0; i < cold.history_length; ++i) cold.history[i] ^= 0x20;
}

ConnState conn_state(const LegHot& hot) {
  if (hot.flags & leg_flag::is_tcp) return tcp_conn_state(hot);
  const bool answered = hot.packets[1] > 0;
  return hot.packets[0] > 0 ? (answered ? ConnState::SF : ConnState::S0) : (answered ? ConnState::SHR : ConnState::OTH);
}

}  // namespace parallax::zeek
