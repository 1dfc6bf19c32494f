// Which packets' payload is worth handing on to the analysis: the beginnings of messages that say who talks to whom.
//
// Decided from the payload's first bytes alone: a TLS handshake or alert record, an HTTP/1 request or status line, a PROXY
// header; by port DNS and DHCP; a QUIC packet with a long header. What a message's first segment leaves open is followed in a
// small table, keyed by flow and direction: the range of sequence numbers that is still wanted. The table also knows where
// directions begin that were just opened, so that their first segments are handed on in whatever order they come. It is made of
// buckets of four; where one is full, the table of a file grows (what is picked depends on the file alone, and not on a hash that
// is keyed anew in each process), as far as for some 50,000 directions at once; live, or beyond, the one opened first goes, which
// costs a payload prefix and is counted. Behind a short header only the connection ID shows whose a QUIC packet is: of what a
// client sends to a server that has been seen to speak QUIC, one now and then is handed on. One for each port, used by its rx
// worker's thread alone. A data packet on the fast path costs one hash, a look at a bitmap of 128 bytes, and one at the payload's
// first two bytes: 3 ns beside the 12 of decoding it.
#pragma once

#include <nmmintrin.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "capture/core/payload_prefix.h"
#include "capture/decode/decode.h"

namespace parallax {

class PayloadPrefixPicker {
 public:
  static constexpr size_t kBucketsLeast = 1024, kBucketsMost = 1 << 18;  // 64 KiB; 16 MiB

  explicit PayloadPrefixPicker(bool may_grow)
      : may_grow_(may_grow),
        mask_(kBucketsLeast - 1),
        open_(kBucketsLeast / 64),
        buckets_(kBucketsLeast),
        quic_servers_(kQuicServers / 64),
        quic_flows_(1 << kQuicFlowBits) {}

  // Directions that were given up before all that was wanted of them had come, for others.
  uint64_t given_up() const { return given_up_; }

  // How many of the payload's first bytes to hand on; 0: none. To be called for every frame of the port, in order.
  uint32_t pick(const Sighting& frame, const CapturedPayload& captured) {
    if (frame.protocol == ip_protocol::tcp) [[likely]] {
      if (captured.payload_captured == 0) {
        if (frame.tcp_flags & tcp_flag::syn) note_opening(frame);
        return 0;
      }
      const uint32_t hash = hash_of(frame);
      // One branch: the payload of most packets is as good as random.
      if (!(static_cast<int>(is_followed(hash)) | static_cast<int>(may_begin(captured)) |
            static_cast<int>(is_stream_port(frame)))) [[likely]]
        return 0;
      return pick_stream(frame, captured, hash);
    }
    return captured.payload_captured > 0 && frame.protocol == ip_protocol::udp ? pick_datagram(frame, captured) : 0;
  }

 private:
  enum class Kind : uint32_t { none, undecided, sized, head };
  // The range [begin, end) of sequence numbers of a direction is wanted.
  struct Entry {
    uint32_t tag = 0;  // of the hash; the low two bits are the Kind
    uint32_t begin = 0;
    uint32_t end = 0;
    uint32_t next = 0;  // everything before has been handed on
  };
  // What is wanted of a message that begins with the first of some bytes.
  struct Extent {
    uint32_t keep = 0;       // of these bytes
    uint32_t wanted = 0;     // in all; more than these bytes: it goes on in the next segment
    Kind kind = Kind::none;  // how its end will be known; none: nothing that is of interest
  };
  struct Part {  // of a segment's payload
    const uint8_t* data;
    uint32_t length;
    bool whole;  // captured to its end on the wire
  };

  static uint32_t hash_of(const Sighting& frame) {
    return _mm_crc32_u32(frame.flow_hash, static_cast<uint32_t>(frame.source_port) << 16 | frame.destination_port);
  }
  // The newest first; those in use before those that are not.
  struct alignas(64) Bucket {
    std::array<Entry, 4> entries;
  };
  uint32_t place_of(uint32_t hash) const { return hash >> 2 & mask_; }
  bool is_open(uint32_t hash) const { return open_[place_of(hash) >> 6] >> (place_of(hash) & 63) & 1; }
  // Null: nothing is wanted of it.
  Entry* find(uint32_t hash) {
    for (Entry& entry : buckets_[place_of(hash)].entries) {
      if (((entry.tag ^ hash) & ~3u) == 0 && (entry.tag & 3u) != 0) return &entry;
    }
    return nullptr;
  }
  bool is_followed(uint32_t hash) { return is_open(hash) && find(hash) != nullptr; }
  // The first two bytes: of TLS alerts and handshakes, of PROXY v2 (CR, LF), of FTP's 227 and DCE/RPC 5.0, and capitals, with
  // which methods, "HTTP" and "PROXY" begin. A look at tables, for a branch on a byte that is as good as random costs 4 ns a
  // packet.
  struct ByteSet {
    std::array<uint64_t, 4> bits{};
    constexpr explicit ByteSet(std::string_view bytes) {
      for (const char c : bytes) bits[static_cast<uint8_t>(c) >> 6] |= 1ull << (c & 63);
    }
    uint64_t has(uint8_t byte) const { return bits[byte >> 6] >> (byte & 63) & 1; }  // 0 or 1
  };
  static bool may_begin(const CapturedPayload& captured) {
    static constexpr ByteSet kFirst("\x05\x15\x16\r2CDGHLMOPRSTU"), kSecond({"\0\x03\n2ABCDEFGHIJKLMNOPQRSTUVWXYZ", 30});
    return (kFirst.has(captured.payload[0]) & kSecond.has(captured.payload[captured.payload_captured > 1 ? 1 : 0])) != 0;
  }
  static bool is_stream_port(const Sighting& frame) { return (frame.source_port == 53) | (frame.destination_port == 53); }

  void note_opening(const Sighting& frame);
  uint32_t pick_stream(const Sighting& frame, const CapturedPayload& captured, uint32_t hash);
  uint32_t pick_datagram(const Sighting& frame, const CapturedPayload& captured);
  bool is_quic_to_pick(const Sighting& frame, const CapturedPayload& captured);
  uint32_t begin_message(const Sighting& frame, uint32_t hash, uint32_t seq, const Part& payload, bool undecided);
  uint32_t go_on(const Sighting& frame, Entry& entry, uint32_t hash, uint32_t seq, const Part& payload);
  static Extent extent_of(const Part& part, bool stream_port);
  static Extent message_extent(const Part& part, bool stream_port);
  static Extent sized_extent(const Part& part, uint32_t size);
  static Extent rpc_extent(const Part& part);
  static Extent tls_extent(const Part& part);
  static Extent head_extent(const Part& part, bool response);
  static Extent proxy_extent(const Part& part);

  void open(uint32_t hash, Kind kind, uint32_t begin, uint32_t end, uint32_t next);
  void close(uint32_t hash);
  void put(const Entry& entry);
  void grow();

  const bool may_grow_;
  uint32_t mask_;               // of places
  std::vector<uint64_t> open_;  // which buckets hold something
  std::vector<Bucket> buckets_;
  uint64_t given_up_ = 0;
  // By hash: whom QUIC was sent to with a long header; and whose packets have been handed on of late, one flow in each place.
  // Chance makes a server of another, and a flow new again: that is a payload prefix more.
  static constexpr size_t kQuicServers = 1 << 16, kQuicFlowBits = 12;  // 8 KiB; 16 KiB
  std::vector<uint64_t> quic_servers_;
  std::vector<uint32_t> quic_flows_;
};

}  // namespace parallax
