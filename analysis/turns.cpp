#include "analysis/turns.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "analysis/sequence.h"
#include "analysis/vocabulary.h"

namespace parallax::turns {
namespace {

using namespace turn_state;

// No path is narrower for long (IPv6's least MTU of 1280 less 60 bytes of headers): what is shorter is not a full segment.
constexpr uint32_t kFullSizeLeast = 1220;
constexpr uint64_t kPauseTicks = to_ticks(round_trip::kLongestNs);

constexpr uint16_t begun(Side side) { return side == Side::client ? begun_client : begun_server; }
constexpr uint16_t open(Side side) { return side == Side::client ? open_client : open_server; }
constexpr uint16_t acked(Side side) { return side == Side::client ? acked_client : acked_server; }
constexpr uint16_t measured(Side side) { return side == Side::client ? measured_client : measured_server; }
constexpr uint16_t going_on(Side side) { return side == Side::client ? request : response; }

void set(TurnPace& pace, uint16_t bits, bool on) { pace.state = static_cast<uint16_t>(on ? pace.state | bits : pace.state & ~bits); }

bool acknowledges_all(const TurnPace& pace, const TurnPacket& p) {
  const Side peer = other(p.from);
  if (!(pace.state & begun(peer))) return true;
  return (p.tcp_flags & tcp_flag::ack) && sequence_at_or_before(pace.stream[index_of(peer)].data_end, p.ack);
}

// Whether the segment begins a request or a response.
bool begins_message(const TurnPace& pace, const TurnPacket& p) {
  if (!(pace.state & (request | response))) return true;
  const bool due = p.from == Side::client ? (pace.state & response) != 0 : (pace.state & unanswered) != 0;
  return due && acknowledges_all(pace, p);
}

// What the network explains of the time that `side` was waited for.
uint64_t network_share(const TurnPace& pace, Side side, uint64_t waited, const RoundTrips& trips) {
  if (side == Side::client && !(pace.state & response)) return 0;
  return std::min<uint64_t>(waited, uint64_t{pace.again_ticks} + trips[index_of(side)].min);
}

void end_message(TurnPace& pace, TurnSums& sums) {
  if (pace.state & (request | response)) {
    uint32_t& max = sums.message_max[pace.state & request ? 0 : 1];
    max = std::max(max, pace.message_bytes);
  }
  pace.message_bytes = 0;
}

void begin_message(TurnPace& pace, TurnSums& sums, const TurnPacket& p, uint64_t waited, const RoundTrips& trips) {
  const size_t d = index_of(p.from);
  sums.wait_ticks[d] += waited;
  sums.network_ticks[d] += network_share(pace, p.from, waited, trips);
  const uint64_t waited_us = static_cast<uint64_t>(to_ns(waited)) / 1000;
  sums.wait_max_us[d] = std::max(sums.wait_max_us[d], static_cast<uint32_t>(std::min<uint64_t>(waited_us, std::numeric_limits<uint32_t>::max())));
  end_message(pace, sums);
  if (p.from == Side::server) {
    pace.outstanding_ticks += pace.outstanding * waited;
    // Data that comes first where the handshake was not seen answers nobody knows what.
    if ((pace.state & request) || (pace.state & response) || pace.last_tick != 0) ++sums.turns;
  } else if (pace.outstanding == 1 && !(pace.state & open_server)) {
    pace.outstanding = 0;
  }
  set(pace, request | response, false);
  set(pace, going_on(p.from), true);
}

void go_on(TurnPace& pace, uint64_t passed) {
  pace.stream[pace.state & request ? 0 : 1].transfer_ticks += passed;
  pace.outstanding_ticks += pace.outstanding * passed;
}

void count_requests(TurnPace& pace, TurnSums& sums, const TurnPacket& p, bool ends) {
  if (p.from == Side::server) {
    pace.burst = 0;
    if (ends && pace.outstanding > 1) pace.outstanding = pace.outstanding - 1;
    return;
  }
  if (pace.state & open_client) return;
  if (pace.burst < std::numeric_limits<uint16_t>::max()) ++pace.burst;
  sums.outstanding_max = std::max(sums.outstanding_max, pace.burst);
  pace.outstanding = std::min<uint64_t>(pace.outstanding + 1, sums.outstanding_max);
}

void note_new_data(TurnPace& pace, TurnSums& sums, const TurnPacket& p, uint32_t unacked) {
  const size_t d = index_of(p.from);
  TurnStream& stream = pace.stream[d];
  stream.data_end = p.seq + p.length;
  if (const int32_t in_flight = sequence_distance(unacked, stream.data_end); in_flight > 0)
    stream.in_flight_max = std::max(stream.in_flight_max, static_cast<uint32_t>(in_flight));
  const bool ends = (p.tcp_flags & tcp_flag::psh) && p.length < std::max<uint64_t>(stream.full_size, kFullSizeLeast);
  stream.full_size = std::max<uint64_t>(stream.full_size, std::min(p.length, 0xffffu));
  count_requests(pace, sums, p, ends);
  set(pace, open(p.from), !ends);
  set(pace, begun(p.from), true);
  if (p.from == Side::client) {
    set(pace, unanswered, true);
  } else if (acknowledges_all(pace, p)) {
    set(pace, unanswered, false);
  }
  if (pace.ttl[d] != 0 && pace.ttl[d] != p.ttl && pace.ttl_changes[d] < 0xff) ++pace.ttl_changes[d];
  pace.ttl[d] = p.ttl;
}

}  // namespace

DataKind data_kind_of(const TurnPace& pace, const Sighting& s, Side from, uint32_t labels) {
  constexpr uint32_t probes = bit(PacketLabel::keep_alive) | bit(PacketLabel::zero_window_probe);
  if (s.payload_length == 0 || (s.tcp_flags & tcp_flag::rst) || (labels & probes)) return DataKind::none;
  if (!(pace.state & begun(from))) return DataKind::next;
  const uint32_t seq = s.seq + ((s.tcp_flags & tcp_flag::syn) ? 1 : 0), data_end = pace.stream[index_of(from)].data_end;
  if (sequence_before(data_end, seq + s.payload_length)) return sequence_before(data_end, seq) ? DataKind::after_gap : DataKind::next;
  return (labels & bit(PacketLabel::out_of_order)) ? DataKind::late : DataKind::again;
}

TurnPacket packet_of(const Sighting& s, Side from, DataKind data) {
  return {.tick = to_ticks(s.time_ns), .seq = s.seq + ((s.tcp_flags & tcp_flag::syn) ? 1 : 0), .ack = s.ack, .length = s.payload_length,
          .tcp_flags = s.tcp_flags, .ttl = s.ttl, .from = from, .data = data};
}

void begin(TurnPace& pace, int64_t now_ns) {
  if (!(pace.state & (request | response))) pace.last_tick = to_ticks(now_ns);
}

void take(TurnPace& pace, TurnSums& sums, const TurnPacket& p, const RoundTrips& trips, uint32_t unacked) {
  // Stamps of the two directions may be inverted by the polling gap: then no time has passed.
  const uint64_t passed = pace.last_tick == 0 || p.tick < pace.last_tick ? 0 : p.tick - pace.last_tick;
  if (p.data == DataKind::again) {
    const bool unacknowledged = sequence_before(unacked, p.seq + p.length);
    if ((pace.state & going_on(p.from)) && unacknowledged)
      pace.again_ticks = static_cast<uint32_t>(std::min<uint64_t>(passed, std::numeric_limits<uint32_t>::max()));
    return;
  }
  if (p.data == DataKind::late) {  // the message is whole only now
    if (pace.state & (request | response)) go_on(pace, passed);
  } else if (begins_message(pace, p)) {
    begin_message(pace, sums, p, passed, trips);
  } else {
    go_on(pace, passed);
  }
  if (pace.state & going_on(p.from)) pace.message_bytes += std::min(p.length, std::numeric_limits<uint32_t>::max() - pace.message_bytes);
  if (p.data != DataKind::late) note_new_data(pace, sums, p, unacked);
  pace.last_tick = std::max(pace.last_tick, p.tick);
  pace.again_ticks = 0;
}

void take_flight(TurnPace& pace, TurnSums& sums, const TurnPacket& p, const RoundTrips& trips, const std::array<uint32_t, 2>& isn) {
  const Side peer = other(p.from);
  const size_t d = index_of(p.from), e = index_of(peer);
  const bool acks = (p.tcp_flags & tcp_flag::ack) && (pace.state & begun(peer)) && sequence_before(isn[e] + 1, p.ack);
  if (acks && !(pace.state & (acked(peer) | measured(peer)))) {
    set(pace, acked(peer), true);
    sums.first_flight[e] = static_cast<uint32_t>(p.tick) + trips[e].min;
  }
  if (p.data != DataKind::next && p.data != DataKind::after_gap) return;
  if (!(pace.state & acked(p.from)) || (pace.state & measured(p.from))) return;
  const bool called_for = static_cast<int32_t>(static_cast<uint32_t>(p.tick) - sums.first_flight[d]) >= 0;
  if (!called_for && p.tick - pace.last_tick < kPauseTicks) return;
  set(pace, measured(p.from), true);
  sums.first_flight[d] = p.seq - (isn[d] + 1);
}

uint32_t first_flight(const TurnPace& pace, const TurnSums& sums, Side side, uint32_t isn) {
  if (pace.state & measured(side)) return sums.first_flight[index_of(side)];
  return (pace.state & begun(side)) ? pace.stream[index_of(side)].data_end - (isn + 1) : 0;
}

void flip(TurnPace& pace, TurnSums& sums) {
  std::swap(pace.stream[0], pace.stream[1]);
  std::swap(pace.ttl[0], pace.ttl[1]);
  std::swap(pace.ttl_changes[0], pace.ttl_changes[1]);
  // What was taken for turns had the sides mixed up; the stream goes on.
  const uint16_t state = pace.state;
  pace.state = 0;
  set(pace, begun_client, state & begun_server);
  set(pace, begun_server, state & begun_client);
  pace.last_tick = 0;
  pace.outstanding_ticks = pace.outstanding = 0;
  pace.message_bytes = pace.again_ticks = 0;
  pace.burst = 0;
  sums = {};
}

}  // namespace parallax::turns
