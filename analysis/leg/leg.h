// A leg's state: 256 bytes in two arrays of the leg table, so that a packet of an established leg touches the hot line,
// the identity beside it to be sure of the match, and little else.
//
// Written by the one analysis worker that owns the table.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>

#include "analysis/leg/leg_key.h"
#include "analysis/model/sides.h"
#include "analysis/model/vocabulary.h"

namespace parallax {

inline constexpr uint32_t kNone = 0xffffffffu;

// What is known of an end of a TCP leg; Zeek's endpoint states, so that conn_state comes out as Zeek's.
enum class TcpEndState : uint8_t { inactive, syn_sent, syn_ack_sent, partial, established, closed, reset };

namespace leg_flag {
inline constexpr uint16_t client_is_low = 1;  // which end of the key is the client
inline constexpr uint16_t syn = 2;            // the attempt's SYN was seen
inline constexpr uint16_t syn_ack = 4;
inline constexpr uint16_t established = 8;
inline constexpr uint16_t ever_established = 16;  // in this or an earlier attempt
inline constexpr uint16_t refused = 32;           // this attempt
inline constexpr uint16_t reset = 64;             // a RST after the handshake
inline constexpr uint16_t fin_client = 128, fin_server = 256;
inline constexpr uint16_t is_tcp = 512;
inline constexpr uint16_t reported_stale = 1024;  // live: counts have changed since the last progress report
inline constexpr uint16_t traced = 2048;          // has a CaptureTrace
inline constexpr uint16_t rst_by_server = 4096;   // who sent the first RST of the attempt
inline constexpr uint16_t standing = 16384;       // something stands still: standstill.h
inline constexpr uint16_t told = 32768;           // the correlator knows of it, and is to be told of its end
inline constexpr uint16_t log_over = 8192;        // early sightings are no longer kept: overflowed, or none can be of use
}  // namespace leg_flag

// Bits of LegHot::seen; of the side that sends.
namespace leg_seen {
inline constexpr PerSide<uint8_t> next_seq{1, 2}, max_ack{4, 8};         // a packet has set them
inline constexpr uint8_t known = 15;                                     // these four
inline constexpr PerSide<uint8_t> fast_data{16, 32}, fast_ack{64, 128};  // the next may take the fast path: fast_path.h
// The sides were mistaken for each other. What the fast path may take is settled anew.
constexpr uint8_t flip(uint8_t seen) {
  constexpr uint8_t of_client = next_seq[Side::client] | max_ack[Side::client];
  constexpr uint8_t of_server = next_seq[Side::server] | max_ack[Side::server];
  return static_cast<uint8_t>((seen & of_client) << 1 | (seen & of_server) >> 1);
}
}  // namespace leg_seen

// A pair at its home: index and generation in one word.
namespace pair_ref {
inline constexpr uint32_t kIndexBits = 24;
constexpr uint32_t make(uint32_t index, uint8_t generation) { return index | static_cast<uint32_t>(generation) << kIndexBits; }
constexpr uint32_t index(uint32_t ref) { return ref & ((1u << kIndexBits) - 1); }
constexpr uint8_t generation(uint32_t ref) { return static_cast<uint8_t>(ref >> kIndexBits); }
}  // namespace pair_ref

// On which side of a point another one is.
constexpr PathSide path_side(PointIndex own, PointIndex neighbour) { return neighbour < own ? PathSide::outer : PathSide::inner; }

struct alignas(64) LegHot {
  int64_t last_ns;          // order time of the last packet
  PerSide<uint64_t> bytes;  // payload
  PerSide<uint32_t> packets;
  PerSide<uint32_t> next_seq;  // highest sequence number seen, plus its length
  PerSide<uint32_t> max_ack;
  PerPathSide<uint32_t> pair;      // with the next point on that side: a pair_ref; kNone
  PerPathSide<uint8_t> pair_home;  // analysis worker
  uint16_t flags;                  // leg_flag
  uint16_t history_seen;           // which letters of the history stand already: two bits a letter, client and server
  uint8_t end_states;              // TcpEndState of the client in the low nibble, of the server in the high one
  uint8_t seen;                    // leg_seen; of UDP see capture_trace.cpp

  bool has_no_pair() const { return std::bit_cast<uint64_t>(pair) == ~uint64_t{0}; }  // kNone on both sides, in one compare

  TcpEndState end_state(Side side) const { return static_cast<TcpEndState>(end_states >> nibble(side) & 15); }
  void set_end_state(Side side, TcpEndState state) {
    end_states = static_cast<uint8_t>((end_states & ~(15 << nibble(side))) | static_cast<int>(state) << nibble(side));
  }
  static constexpr int nibble(Side side) { return side == Side::client ? 0 : 4; }
};
static_assert(sizeof(LegHot) == 64);

struct ListLink {
  uint32_t previous, next;
};
struct alignas(64) LegIdentity {
  LegKey key;
  uint32_t flow_hash;        // with the point, the leg's hash: to find its bucket again
  uint32_t flow;             // TCP: its record in the TcpFlowPool; kNone: none
  uint32_t generation : 24;  // of the slot
  uint32_t list : 8;         // LegList: which of the table's lists holds it; 0 = slot is free
  ListLink link;             // in its list
};
static_assert(sizeof(LegIdentity) == 64);

// Of the leg's early sightings: a ring of slots.
struct LogList {
  uint32_t last;  // whose next is the first; valid where size > 0
  uint16_t size;
};
struct alignas(64) LegCold {
  int64_t first_ns;                                      // stamp of the first packet
  int64_t rst_ns;                                        // order time of the last RST; 0: none
  int64_t syn_stamp_ns, syn_ack_stamp_ns, ack_stamp_ns;  // of the handshake; 0: not seen
  PerSide<uint32_t> isn;                                 // UDP: how many later fragments the side has sent
  PerSide<uint32_t> retransmissions;
  LogList log;
  uint16_t attempts;
  PerSide<uint16_t> mss;
  PerSide<int8_t> window_scale;  // -1: not offered
  PerSide<uint8_t> options;      // tcp_option bits; bit 6: ECN
  PerSide<uint8_t> ttl;          // of the first packet of each direction; 0: none
  std::array<char, 18> history;  // Zeek's, cut
  uint8_t history_length;
  PerSide<uint16_t> last_fin, last_rst;         // low bits of the sequence number: another one is another letter of the history
  PerSide<uint16_t> again, zero_windows, gaps;  // what the history tells of at the 1st, the 10th, the 100th
  uint32_t trace;                               // of the capture's own doings; valid by leg_flag::traced
  PerSide<uint16_t> offer_ip_id;                // of the last SYN, and of the SYN-ACK
  uint32_t stamp_uncertainty_ns;                // of the handshake's stamps: the largest

  // How long the handshake waited for `answered`: by its stamps, which may be wrong by more than they are apart. Nullopt: a
  // packet of it was not seen, or the stamps cannot tell.
  bool saw_handshake(Side answered) const {
    return syn_ack_stamp_ns != 0 && (answered == Side::server ? syn_stamp_ns : ack_stamp_ns) != 0;
  }
  std::optional<int64_t> handshake_trip_ns(Side answered) const {
    if (!saw_handshake(answered)) return std::nullopt;
    const int64_t ns = answered == Side::server ? syn_ack_stamp_ns - syn_stamp_ns : ack_stamp_ns - syn_ack_stamp_ns;
    return ns >= int64_t{stamp_uncertainty_ns} ? std::optional(ns) : std::nullopt;
  }
};
static_assert(sizeof(LegCold) == 128);
inline constexpr uint8_t kOptionEcn = tcp_option::cut;  // in LegCold::options, which do not say what the capture cut off

}  // namespace parallax
