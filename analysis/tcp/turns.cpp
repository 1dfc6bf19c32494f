#include "analysis/tcp/turns.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace parallax::turns {
namespace {

using namespace turn_state;

constexpr uint32_t kMost = std::numeric_limits<uint32_t>::max();
constexpr uint64_t kPauseTicks = to_ticks(round_trip::kLongestNs);

// No path is narrower for long (IPv6's least MTU of 1280 less 60 bytes of headers): what is shorter is not a full segment.
constexpr uint32_t kFullSizeLeast = 1220 / 16;
constexpr uint32_t kWaitMaxShift = 6;  // 64 ticks are 1024 ns

// Of each side: its message goes on; what makes its next one due; its last message has not ended; see first_flight.
constexpr PerSide<uint16_t> kGoingOn{request, response}, kDue{response, unanswered}, kOpen{open_client, open_server};
constexpr PerSide<uint16_t> kAcked{acked_client, acked_server}, kMeasured{measured_client, measured_server};

template <Side peer>
bool acknowledges_all(const TurnPace& pace, const Sighting& s, uint8_t flags) {
  if (!(pace.state & kBegun[peer])) return true;
  return (flags & tcp_flag::ack) && sequence_at_or_before(pace.data_end[peer], s.ack);
}

// A request or a response begins: what was waited for it.
template <Side from>
[[gnu::always_inline]] inline void begin_message(TurnPace& pace, TurnSums& sums, uint64_t waited, const RoundTrips& trips) {
  const uint32_t state = pace.state;
  if (state & (request | response)) {
    uint32_t& largest = sums.message_max[state & request ? Side::client : Side::server];
    largest = std::max(largest, pace.message_bytes);
  }
  pace.message_bytes = 0;
  sums.wait_ticks[from] += waited;
  if (from == Side::server || (state & response))
    sums.network_ticks[from] += std::min<uint64_t>(waited, uint64_t{pace.again_ticks} + trips[from].min);
  sums.wait_max[from] = std::max(sums.wait_max[from], static_cast<uint32_t>(std::min<uint64_t>(waited >> kWaitMaxShift, kMost)));
  if (from == Side::server) {
    pace.outstanding_ticks += pace.outstanding * waited;
    // Data that comes first where the handshake was not seen answers nobody knows what.
    if ((state & (request | response)) || pace.last_tick != 0) ++sums.turns;
  } else if (pace.outstanding == 1 && !(state & open_server)) {
    pace.outstanding = 0;
  }
  pace.state = static_cast<uint16_t>((state & ~(request | response)) | kGoingOn[from]);
}

void go_on(TurnPace& pace, uint64_t passed) {
  pace.transfer_ticks[pace.state & request ? Side::client : Side::server] += passed;
  pace.outstanding_ticks += pace.outstanding * passed;
}

void count_request(TurnPace& pace, TurnSums& sums) {
  if (pace.burst < 0xff) ++pace.burst;
  if (sums.outstanding_max < pace.burst) sums.outstanding_max = pace.burst;
  if (pace.outstanding < sums.outstanding_max) ++pace.outstanding;
}

template <Side from>
[[gnu::always_inline]] inline void note_new_data(TurnPace& pace, TurnSums& sums, const Sighting& s, uint32_t end, bool acks_all,
                                                 uint32_t unacked) {
  const uint32_t size = std::min(s.payload_length / 16, 0xffu);
  pace.data_end[from] = end;
  if (const int32_t in_flight = sequence_distance(unacked, end); in_flight > static_cast<int64_t>(pace.in_flight_max[from]))
    pace.in_flight_max[from] = static_cast<uint32_t>(in_flight);
  const bool ends = (s.tcp_flags & tcp_flag::psh) && size < std::max<uint32_t>(pace.full_size[from], kFullSizeLeast);
  if (pace.full_size[from] < size) pace.full_size[from] = static_cast<uint8_t>(size);
  uint32_t state = pace.state | kBegun[from];
  state = state & kOpen[from] ? state & ~uint32_t{turn_state::begins} : state | turn_state::begins;
  if (from == Side::client) {
    if (!(state & open_client)) count_request(pace, sums);
    state |= unanswered;
  } else {
    pace.burst = 0;
    if (ends && pace.outstanding > 1) --pace.outstanding;
    if (acks_all) state &= ~unanswered;
  }
  pace.state = static_cast<uint16_t>(ends ? state & ~kOpen[from] : state | kOpen[from]);
  if (pace.ttl[from] != s.ttl) {
    if (pace.ttl[from] != 0 && sums.ttl_changes[from] < 0xff) ++sums.ttl_changes[from];
    pace.ttl[from] = s.ttl;
  }
}

// Numbers that were passed before, of a message that goes on.
[[gnu::noinline]] void take_old(TurnPace& pace, const Sighting& s, Side from, DataKind data, uint64_t passed, uint32_t unacked) {
  if (data == DataKind::late) {  // the message is whole only now
    go_on(pace, passed);
    pace.last_tick += passed;
    pace.again_ticks = 0;
    if (pace.state & kGoingOn[from]) pace.message_bytes += std::min(s.payload_length, kMost - pace.message_bytes);
  } else if ((pace.state & kGoingOn[from]) && sequence_before(unacked, data_seq(s) + s.payload_length)) {
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
  constexpr Side peer = opposite(from);
  const Passed passed = since(pace, s);
  const bool acks_all = acknowledges_all<peer>(pace, s, flags);
  if (!(pace.state & (request | response)) || ((pace.state & kDue[from]) && acks_all)) {
    begin_message<from>(pace, sums, passed.ticks, trips);
  } else {
    go_on(pace, passed.ticks);
  }
  if (pace.state & kGoingOn[from]) pace.message_bytes += std::min(s.payload_length, kMost - pace.message_bytes);
  note_new_data<from>(pace, sums, s, end, acks_all, unacked);
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
    if (pace.state & (request | response)) take_old(pace, s, from, data, since(pace, s).ticks, unacked);
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
                 const PerSide<uint32_t>& isn) {
  const Side peer = opposite(from);
  const uint64_t tick = to_ticks(s.time_ns);
  // The sequence numbers last: they stand in the leg's cold lines.
  const bool awaits_ack = (pace.state & (kBegun[peer] | kAcked[peer] | kMeasured[peer])) == kBegun[peer];
  if (awaits_ack && (s.tcp_flags & tcp_flag::ack) && sequence_before(isn[peer] + 1, s.ack)) {
    pace.state |= kAcked[peer];
    sums.first_flight[peer] = static_cast<uint32_t>(tick) + trips[peer].min;
  }
  if (data != DataKind::next && data != DataKind::after_gap) return;
  if (!(pace.state & kAcked[from]) || (pace.state & kMeasured[from])) return;
  const bool called_for = static_cast<int32_t>(static_cast<uint32_t>(tick) - sums.first_flight[from]) >= 0;
  if (!called_for && tick - pace.last_tick < kPauseTicks) return;
  pace.state |= kMeasured[from];
  sums.first_flight[from] = s.seq - (isn[from] + 1);
}

uint32_t first_flight(const TurnPace& pace, const TurnSums& sums, Side side, uint32_t isn) {
  if (pace.state & kMeasured[side]) return sums.first_flight[side];
  return (pace.state & kBegun[side]) ? pace.data_end[side] - (isn + 1) : 0;
}

void flip(TurnPace& pace, TurnSums& sums) {
  // What was taken for turns had the sides mixed up; the streams go on.
  const TurnPace mistaken = pace;
  pace = {};
  sums = {};
  for (const Side side : kSides) {
    pace.data_end[side] = mistaken.data_end[opposite(side)];
    pace.in_flight_max[side] = mistaken.in_flight_max[opposite(side)];
    pace.full_size[side] = mistaken.full_size[opposite(side)];
    pace.ttl[side] = mistaken.ttl[opposite(side)];
    if (mistaken.state & kBegun[opposite(side)]) pace.state |= kBegun[side];
  }
}

}  // namespace parallax::turns
