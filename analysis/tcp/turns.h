// Turns of a TCP leg: requests and responses, told apart by the direction of new data, and where the time between them went.
//
// A response begins with data from the server that acknowledges all the data that the client has sent, some of it not answered
// before: so it is at every point the same packet that begins it, and what merely crosses a request on the way does not. A
// request begins with data from the client that acknowledges all that the server has sent; data that acknowledges less belongs to
// requests sent ahead (pipelined), which wait in line and do not end the response. One response is one turn. A server that speaks
// first answers the handshake: its greeting is a response to a request without bytes. Only new data counts: not what is sent
// again, nor keep-alives, nor probes of a window, nor copies.
//
// Every moment from the handshake's end to the last byte of data is one of
//   wait[client]       after a response's last byte (or the handshake) until the next request's first: round trip to the client,
//   and its thinking wait[server]       after a request's last byte (or the handshake) until its response's first: round trip to
//   the server, and its thinking transfer[side]     first to last byte of that side's messages
// as the packets pass the point. network[side] is what of each wait the least round trip to that side explains, and the time
// until unacknowledged data was last sent again; the rest is the host's own. Before the first request no round trip is due: both
// packets are the client's. A message without a byte seen (lost before the point, and sent again) counts from when it is seen: an
// upper bound of the host's share.
//
// Outstanding requests: a client's message begins with the first data after one that ended; it ends with a PSH segment that is
// not full. A response's message ends likewise, and takes one request off, though not the last one while the response goes on. As
// many are outstanding at most as began without any data from the server between them, and 255. A request written with several
// pushes counts as several.
//
// Pure functions on two cache lines of a leg's TcpFlow: the pace is touched by every data segment, the sums where the direction
// changes.
#pragma once

#include <array>
#include <cstdint>

#include "analysis/leg/leg.h"
#include "analysis/model/sequence.h"
#include "analysis/model/vocabulary.h"
#include "analysis/tcp/round_trip.h"

namespace parallax {

struct alignas(64) TurnPace {
  uint64_t last_tick;                // of the newest data, or of the handshake's end; 0: neither
  PerSide<uint64_t> transfer_ticks;  // of the messages that the side sends
  uint64_t outstanding_ticks;        // sum of time times requests outstanding
  PerSide<uint32_t> data_end;        // sequence number after the newest data
  PerSide<uint32_t> in_flight_max;   // bytes sent and not acknowledged, as the point sees it
  uint32_t message_bytes;            // of the request or response that goes on
  uint32_t again_ticks;              // how long after last_tick some of it was last sent again, unacknowledged
  uint16_t state;                    // turn_state
  uint8_t burst;                     // requests begun since the server's last data
  uint8_t outstanding;
  PerSide<uint8_t> full_size;  // of the largest payload seen, in units of 16 bytes
  PerSide<uint8_t> ttl;        // of the newest data; 0: none
};
static_assert(sizeof(TurnPace) == 64);

namespace turn_state {
inline constexpr uint16_t request = 1, response = 2;            // what goes on; neither: nothing yet
inline constexpr uint16_t unanswered = 4;                       // the client has sent data since the last response began
inline constexpr uint16_t begun_client = 8, begun_server = 16;  // has sent data
inline constexpr uint16_t open_client = 32, open_server = 64;   // its last message has not ended
// first_flight holds a tick, until what the first acknowledgement called for may come; or the bytes
inline constexpr uint16_t acked_client = 128, acked_server = 256;
inline constexpr uint16_t measured_client = 512, measured_server = 1024;
inline constexpr uint16_t begins = 2048;  // the newest data begins a message of its side: the one before had ended
}  // namespace turn_state

struct alignas(64) TurnSums {
  PerSide<uint64_t> wait_ticks;     // by the side that was waited for
  PerSide<uint64_t> network_ticks;  // of which the network
  PerSide<uint32_t> wait_max;       // the longest single one, in units of 1024 ns
  PerSide<uint32_t> message_max;    // bytes of the largest request, of the largest response
  PerSide<uint32_t> first_flight;   // see turn_state
  uint32_t turns;
  PerSide<uint8_t> ttl_changes;  // how often data came with another TTL than the data before; at most 255
  uint8_t outstanding_max;
  uint8_t unused;
};
static_assert(sizeof(TurnSums) == 64);

namespace turns {

inline constexpr PerSide<uint16_t> kBegun{turn_state::begun_client, turn_state::begun_server};

// The first sequence number of the payload.
inline uint32_t data_seq(const Sighting& s) { return s.seq + ((s.tcp_flags & tcp_flag::syn) ? 1 : 0); }

// Whether a segment begins where the newest data ended.
template <Side from>
bool is_next(const TurnPace& pace, const Sighting& s) {
  return s.seq == pace.data_end[from] && (pace.state & kBegun[from]);
}

// What the payload of `s` is, by the labels that it got.
template <Side from>
DataKind data_kind_of(const TurnPace& pace, const Sighting& s, uint32_t labels) {
  constexpr uint32_t probes = bit(PacketLabel::keep_alive) | bit(PacketLabel::zero_window_probe);
  if (s.payload_length == 0 || (s.tcp_flags & tcp_flag::rst) || (labels & probes)) return DataKind::none;
  if (!(pace.state & kBegun[from])) return DataKind::next;
  const uint32_t seq = data_seq(s), data_end = pace.data_end[from];
  if (sequence_before(data_end, seq + s.payload_length))
    return sequence_before(data_end, seq) ? DataKind::after_gap : DataKind::next;
  return (labels & bit(PacketLabel::out_of_order)) ? DataKind::late : DataKind::again;
}

// The handshake is complete: from now on somebody is waited for.
void begin(TurnPace& pace, int64_t now_ns);

// REQUIRES: `data`, as told by data_kind_of(), is not none. `unacked`: the first sequence number of `from` that the other end has
// not acknowledged. The direction is known when compiling: that halves the instructions.
template <Side from>
void take(TurnPace& pace, TurnSums& sums, const Sighting& s, DataKind data, const RoundTrips& trips, uint32_t unacked);
extern template void take<Side::client>(TurnPace&, TurnSums&, const Sighting&, DataKind, const RoundTrips&, uint32_t);
extern template void take<Side::server>(TurnPace&, TurnSums&, const Sighting&, DataKind, const RoundTrips&, uint32_t);
// The same for data that is next, in a segment that acknowledges and neither opens nor closes.
template <Side from>
void take_fast_path(TurnPace& pace, TurnSums& sums, const Sighting& s, const RoundTrips& trips, uint32_t unacked);
extern template void take_fast_path<Side::client>(TurnPace&, TurnSums&, const Sighting&, const RoundTrips&, uint32_t);
extern template void take_fast_path<Side::server>(TurnPace&, TurnSums&, const Sighting&, const RoundTrips&, uint32_t);

// The first flight: what a side sends before an acknowledgement can tell it to go on; its initial congestion window where it had
// as much to send. Bytes of new data up to the first acknowledgement of any of it and for one round trip to that side more. To be
// called for every packet, before take(), until flight_measured(). REQUIRES: `isn`, of client and server, are those of the
// handshake.
inline bool flight_measured(const TurnPace& pace) {
  constexpr uint16_t both = turn_state::measured_client | turn_state::measured_server;
  return (pace.state & both) == both;
}
void take_flight(TurnPace& pace, TurnSums& sums, const Sighting& s, Side from, DataKind data, const RoundTrips& trips,
                 const PerSide<uint32_t>& isn);
// Bytes, as far as known by now.
uint32_t first_flight(const TurnPace& pace, const TurnSums& sums, Side side, uint32_t isn);

// The two sides were mistaken for each other.
void flip(TurnPace& pace, TurnSums& sums);

}  // namespace turns
}  // namespace parallax
