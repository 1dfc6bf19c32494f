// What a leg comes to, as its worker tells it: counts, handshake, close, and the sums of its turns and round trips.
#pragma once

#include <array>
#include <cstdint>

#include "analysis/model/vocabulary.h"
#include "analysis/tcp/flow_times.h"

namespace parallax {

// What a leg has come to when a request or a response begins: from the sums of two of them follows when the message between them
// ended.
struct TurnMark {
  int64_t waited_ns;         // in all, for messages of the side whose message begins
  uint32_t turns;            // responses begun, this one included
  uint32_t retransmissions;  // of both sides
  bool is_whole;             // nothing of the streams is known to be missing
};

struct LegSummary {
  int64_t first_ns, last_ns;
  int64_t syn_stamp_ns, syn_ack_stamp_ns, ack_stamp_ns;
  PerSide<uint64_t> bytes;
  PerSide<uint64_t> stream_bytes;  // each byte of the stream once, by sequence numbers; where those do not tell, `bytes`
  PerSide<uint32_t> packets, retransmissions, isn;
  PerSide<uint32_t> fragments;  // of datagrams: those of the packets that are not the first of theirs
  uint16_t flags;               // leg_flag
  uint16_t attempts;
  ConnState conn_state;
  Close close;
  ClosedBy closed_by;
  uint8_t history_length;
  PerSide<uint16_t> mss;
  PerSide<int8_t> window_scale;
  PerSide<uint8_t> options, ttl, window_scale_at_least;
  std::array<char, 18> history;
  PerSide<bool> is_whole;  // nothing of what the side has sent is known to be missing
  FlowTimesSummary times;
  PerSide<int64_t> fin_ns;     // when the side's first FIN came; 0: none
  PerSide<uint16_t> needless;  // segments that it sent though their bytes had arrived
};

}  // namespace parallax
