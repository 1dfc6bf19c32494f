#include "analysis/tcp/turns.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace parallax::turns {
namespace {

using namespace turn_state;

constexpr size_t kClient = index_of(Side::client), kServer = index_of(Side::server);
constexpr uint32_t kMost = std::numeric_limits<uint32_t>::max();
constexpr uint64_t kPauseTicks = to_ticks(round_trip::kLongestNs);

// No path is narrower for long (IPv6's least MTU of 1280 less 60 bytes of headers): what is shorter is not a full segment.
constexpr uint32_t kFullSizeLeast = 1220 / 16;
constexpr uint32_t kWaitMaxShift = 6;  // 64 ticks are 1024 ns

// Of each side: its message goes on; what makes its next one due; its last message has not ended; see first_flight.
constexpr std::array<uint16_t, 2> kGoingOn{request, response}, kDue{response, unanswered}, kOpen{open_client, open_server};
constexpr std::array<uint16_t, 2> kAcked{acked_client, acked_server}, kMeasured{measured_client, measured_server};

template <size_t peer>
bool acknowledges_all(const TurnPace& pace, const Sighting& s, uint8_t flags) {
  if (!(pace.state & kBegun[peer])) return true;
  return (flags & tcp_flag::ack) && sequence_at_or_before(pace.data_end[peer], s.ack);
}

// A request or a response begins: what was waited for it.
template <size_t d>
void begin_message(TurnPace& pace, TurnSums& sums, uint64_t waited, const RoundTrips& trips) {
  const uint32_t state = pace.state;
  if (state & (request | response)) {
    uint32_t& largest = sums.message_max[state & request ? kClient : kServer];
    largest = std::max(largest, pace.message_bytes);
  }
  pace.message_bytes = 0;
  sums.wait_ticks[d] += waited;
  if (d == kServer || (state & response))
    sums.network_ticks[d] += std::min<uint64_t>(waited, uint64_t{pace.again_ticks} + trips[d].min);
  sums.wait_max[d] = std::max(sums.wait_max[d], static_cast<uint32_t>(std::min<uint64_t>(waited >> kWaitMaxShift, kMost)));
  if (d == kServer) {
    pace.outstanding_ticks += pace.outstanding * waited;
    // Data that comes first where the handshake was not seen answers nobody knows what.
    if ((state & (request | response)) || pace.last_tick != 0) ++sums.turns;
  } else if (pace.outstanding == 1 && !(state & open_server)) {
    pace.outstanding = 0;
  }
  pace.state = static_cast<uint16_t>((state & ~(request | response)) | kGoingOn[d]);
}

void go_on(TurnPace& pace, uint64_t passed) {
  pace.transfer_ticks[pace.state & request ? kClient : kServer] += passed;
  pace.outstanding_ticks += pace.outstanding * passed;
}

void count_request(TurnPace& pace, TurnSums& sums) {
  if (pace.burst < 0xff) ++pace.burst;
  if (sums.outstanding_max < pace.burst) sums.outstanding_max = pace.burst;
  if (pace.outstanding < sums.outstanding_max) ++pace.outstanding;
}

template <size_t d>
void note_new_data(TurnPace& pace, TurnSums& sums, const Sighting& s, uint32_t end, bool acks_all, uint32_t unacked) {
  const uint32_t size = std::min(s.payload_length / 16, 0xffu);
  pace.data_end[d] = end;
  if (const int32_t in_flight = sequence_distance(unacked, end); in_flight > static_cast<int64_t>(pace.in_flight_max[d]))
    pace.in_flight_max[d] = static_cast<uint32_t>(in_flight);
  const bool ends = (s.tcp_flags & tcp_flag::psh) && size < std::max<uint32_t>(pace.full_size[d], kFullSizeLeast);
  if (pace.full_size[d] < size) pace.full_size[d] = static_cast<uint8_t>(size);
  uint32_t state = pace.state | kBegun[d];
  if (d == kClient) {
    if (!(state & open_client)) count_request(pace, sums);
    state |= unanswered;
  } else {
    pace.burst = 0;
    if (ends && pace.outstanding > 1) --pace.outstanding;
    if (acks_all) state &= ~unanswered;
  }
  pace.state = static_cast<uint16_t>(ends ? state & ~kOpen[d] : state | kOpen[d]);
  if (pace.ttl[d] != s.ttl) {
    if (pace.ttl[d] != 0 && sums.ttl_changes[d] < 0xff) ++sums.ttl_changes[d];
    pace.ttl[d] = s.ttl;
  }
}

// Numbers that were passed before, of a message that goes on.
[[gnu::noinline]] void take_old(TurnPace& pace, const Sighting& s, size_t d, DataKind data, uint64_t passed, uint32_t unacked) {
  if (data == DataKind::late) {  // the message is whole only now
    go_on(pace, passed);
    pace.last_tick += passed;
    pace.again_ticks = 0;
    if (pace.state & kGoingOn[d]) pace.message_bytes += std::min(s.payload_length, kMost - pace.message_bytes);
  } else if ((pace.state & kGoingOn[d]) && sequence_before(unacked, data_seq(s) + s.payload_length)) {
    pace.again_ticks = static_cast<uint32_t>(std::min<uint64_t>(passed, kMost));
  }
}

// What lies between a segment and the newest data before it.
struct Passed {
  uint64_t ticks, until;
};
Passed since(const TurnPace& pace, const Sighting& s) {
  const uint64_t tick = to_ticks(s.time_ns);
  // Stamps of the two directions may be inverted by the polling gap: then no time has passed.
  const uint64_t last = pace.last_tick == 0 ? tick : pace.last_tick, until = std::max(tick, last);
  return {until - last, until};
}

// New data that ends before `end`; `flags`: its TCP flags.
template <Side from>
[[gnu::always_inline]] inline void take_new(TurnPace& pace, TurnSums& sums, const Sighting& s, uint8_t flags, uint32_t end,
                                            const RoundTrips& trips, uint32_t unacked) {
  constexpr size_t d = index_of(from), peer = index_of(other(from));
  const Passed passed = since(pace, s);
  const bool acks_all = acknowledges_all<peer>(pace, s, flags);
  if (!(pace.state & (request | response)) || ((pace.state & kDue[d]) && acks_all)) {
    begin_message<d>(pace, sums, passed.ticks, trips);
  } else {
    go_on(pace, passed.ticks);
  }
  if (pace.state & kGoingOn[d]) pace.message_bytes += std::min(s.payload_length, kMost - pace.message_bytes);
  note_new_data<d>(pace, sums, s, end, acks_all, unacked);
  pace.last_tick = passed.until;
  pace.again_ticks = 0;
}

}  // namespace

void begin(TurnPace& pace, int64_t now_ns) {
  if (!(pace.state & (request | response))) pace.last_tick = to_ticks(now_ns);
}

template <Side from>
void take(TurnPace& pace, TurnSums& sums, const Sighting& s, DataKind data, const RoundTrips& trips, uint32_t unacked) {
  if (data == DataKind::again || data == DataKind::late) {
    if (pace.state & (request | response)) take_old(pace, s, index_of(from), data, since(pace, s).ticks, unacked);
    return;
  }
  take_new<from>(pace, sums, s, s.tcp_flags, data_seq(s) + s.payload_length, trips, unacked);
}

template <Side from>
void take_fast_path(TurnPace& pace, TurnSums& sums, const Sighting& s, const RoundTrips& trips, uint32_t unacked) {
  take_new<from>(pace, sums, s, tcp_flag::ack, s.seq + s.payload_length, trips, unacked);
}

template void take<Side::client>(TurnPace&, TurnSums&, const Sighting&, DataKind, const RoundTrips&, uint32_t);
template void take<Side::server>(TurnPace&, TurnSums&, const Sighting&, DataKind, const RoundTrips&, uint32_t);
template void take_fast_path<Side::client>(TurnPace&, TurnSums&, const Sighting&, const RoundTrips&, uint32_t);
template void take_fast_path<Side::server>(TurnPace&, TurnSums&, const Sighting&, const RoundTrips&, uint32_t);

void take_flight(TurnPace& pace, TurnSums& sums, const Sighting& s, Side from, DataKind data, const RoundTrips& trips,
                 const std::array<uint32_t, 2>& isn) {
  const size_t d = index_of(from), peer = index_of(other(from));
  const uint64_t tick = to_ticks(s.time_ns);
  // The sequence numbers last: they stand in the leg's cold lines.
  const bool awaits_ack = (pace.state & (kBegun[peer] | kAcked[peer] | kMeasured[peer])) == kBegun[peer];
  if (awaits_ack && (s.tcp_flags & tcp_flag::ack) && sequence_before(isn[peer] + 1, s.ack)) {
    pace.state |= kAcked[peer];
    sums.first_flight[peer] = static_cast<uint32_t>(tick) + trips[peer].min;
  }
  if (data != DataKind::next && data != DataKind::after_gap) return;
  if (!(pace.state & kAcked[d]) || (pace.state & kMeasured[d])) return;
  const bool called_for = static_cast<int32_t>(static_cast<uint32_t>(tick) - sums.first_flight[d]) >= 0;
  if (!called_for && tick - pace.last_tick < kPauseTicks) return;
  pace.state |= kMeasured[d];
  sums.first_flight[d] = s.seq - (isn[d] + 1);
}

uint32_t first_flight(const TurnPace& pace, const TurnSums& sums, Side side, uint32_t isn) {
  const size_t d = index_of(side);
  if (pace.state & kMeasured[d]) return sums.first_flight[d];
  return (pace.state & kBegun[d]) ? pace.data_end[d] - (isn + 1) : 0;
}

void flip(TurnPace& pace, TurnSums& sums) {
  // What was taken for turns had the sides mixed up; the streams go on.
  const TurnPace mistaken = pace;
  pace = {};
  sums = {};
  for (size_t d = 0; d < 2; ++d) {
    pace.data_end[d] = mistaken.data_end[1 - d];
    pace.in_flight_max[d] = mistaken.in_flight_max[1 - d];
    pace.full_size[d] = mistaken.full_size[1 - d];
    pace.ttl[d] = mistaken.ttl[1 - d];
    if (mistaken.state & kBegun[1 - d]) pace.state |= kBegun[d];
  }
}

}  // namespace parallax::turns
