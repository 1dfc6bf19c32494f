// Traffic for benchmarks: N established TCP connections at one or two points, frames preloaded in memory.
//
// Handshakes are made on the way and are not what is measured; the packets that follow are built beforehand, cut to 128 bytes,
// and at that stride. Each round sends one packet of every connection, in an order that has nothing to do with the order of
// opening. Eight rounds are a request, five segments of response, and two acknowledgements, with running timestamps. What happens
// once for each connection is not measured: between handshakes and rounds nothing is sent for so long that every handshake has
// been judged, and the first rounds, in which the legs write letters into their histories and measure first flights, are for
// warming up. Unless that is what is asked for: with `closes` each connection ends with two FINs, and all of it counts.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "capture/core/packet_source.h"
#include "tests/support/packet_builder.h"

namespace parallax::bench {

// Beyond a proxy is another TCP connection: other names, numbers and timestamps; what the ends say first is the same.
enum class Sides : uint8_t { one, two_same_tuple, two_nat, two_proxied };

struct TrafficOptions {
  Sides sides = Sides::one;
  uint32_t connections = 1000;
  uint32_t rounds = 1;
  bool closes = false;
};

class Traffic {
 public:
  static constexpr size_t kStride = 128;
  static constexpr uint32_t kWarmUpRounds = 4, kCycle = 8;  // after which a connection does the same again
  static constexpr uint32_t kClosingRounds = 3;

  explicit Traffic(const TrafficOptions& options);

  const TrafficOptions& options() const { return options_; }
  size_t points() const { return options_.sides == Sides::one ? 1 : 2; }
  // Packets at one point.
  uint64_t handshake_packets() const { return 3ull * options_.connections; }
  uint64_t data_packets() const {
    return (static_cast<uint64_t>(options_.rounds) + (options_.closes ? kClosingRounds : 0)) * options_.connections;
  }
  uint64_t packets() const { return handshake_packets() + data_packets(); }
  // Those before what is measured.
  uint64_t warm_up_packets() const {
    return handshake_packets() + std::min<uint64_t>(kWarmUpRounds, options_.rounds) * options_.connections;
  }
  uint64_t measured_packets() const { return packets() - warm_up_packets(); }

  // The packet of that number at a point, counting handshakes and data; `scratch` holds the frame of a handshake.
  RawPacket packet(size_t point, uint64_t number, uint8_t* scratch) const;
  int64_t time_ns(size_t point, uint64_t number) const;  // also of the packet that would come after the last

 private:
  struct Move {
    bool from_client;
    uint32_t payload;
  };
  struct Place;  // which packet of which connection a number stands for

  // Steps 0 to 2 are SYN, SYN-ACK and ACK; step 3 + r is the packet of round r, and those after the last round close.
  bool closes_at(uint32_t step) const { return step >= 3 + options_.rounds; }
  static Move round_move(uint32_t round);
  Move move_of(uint32_t step) const;
  struct Past;
  Past past_of(uint32_t step, bool from_client) const;
  Place place_of(uint64_t number) const;
  void write(size_t point, uint32_t connection, uint32_t step, uint8_t* out) const;

  TrafficOptions options_;
  std::vector<uint32_t> order_;                     // of the connections in a round
  std::vector<std::unique_ptr<uint8_t[]>> frames_;  // data packets, for each point
  std::vector<std::vector<int64_t>> times_ns_;      // theirs
  std::vector<uint32_t> payloads_;                  // by round
  test::Frame opening_, data_;                      // patterns: with and without the options of a SYN
};

// A source that hands out a point's packets up to a limit, which the benchmark raises; then it waits. It never ends: at the end
// of the input every leg is closed and judged, which is work for each connection and not for each packet.
class TrafficSource : public PacketSource {
 public:
  TrafficSource(const Traffic& traffic, size_t point) : traffic_(traffic), point_(point) {}
  void raise_limit(uint64_t packets) { limit_ = packets; }
  uint64_t handed_out() const { return next_; }

  size_t poll(std::span<RawPacket> burst) override;
  int64_t watermark_ns() const override { return traffic_.time_ns(point_, next_); }
  bool is_file() const override { return true; }
  LinkType link_type() const override { return LinkType::ethernet; }

 private:
  const Traffic& traffic_;
  const size_t point_;
  uint64_t next_ = 0, limit_ = 0;
  uint8_t scratch_[64][Traffic::kStride];
};

}  // namespace parallax::bench
