// A TCP leg in a unit test, with its times: packets are given in one line each, sequence numbers relative, times in microseconds.
//
// The step of the leg is the real one; only table, pool and worker are missing.
#pragma once

#include <cstdint>

#include "analysis/tcp/tcp_flow.h"
#include "analysis/tcp/tcp_labels.h"
#include "analysis/tcp/tcp_leg.h"

namespace parallax::test {

struct PacketExtra {
  uint32_t labels = 0;  // besides those of the step
  uint32_t tsval = 0, tsecr = 0;
  uint8_t ttl = 64;
};

class TimedLeg {
 public:
  static constexpr int64_t kEpochNs = 1'700'000'000'000'000'000;
  static constexpr PerSide<uint32_t> kIsn{1000, 0xffffff00u};  // the server's goes round within 256 bytes

  // Payload [begin, end) of `from`, which acknowledges up to `ack`; 0 and 0 are the SYN.
  RoundTripSamples packet(int64_t us, Side from, uint8_t flags, uint32_t begin, uint32_t end, uint32_t ack,
                          const PacketExtra& extra = {}) {
    Sighting s{};
    s.time_ns = s.order_ns = kEpochNs + us * 1000;
    s.seq = kIsn[from] + begin;
    s.ack = (flags & tcp_flag::ack) ? kIsn[opposite(from)] + ack : 0;
    s.payload_length = end - begin;
    s.tcp_flags = flags;
    s.protocol = ip_protocol::tcp;
    s.ttl = extra.ttl;
    s.window = 1000;
    if (extra.tsval != 0) {
      s.flags = bit(SightingFlag::has_timestamps);
      s.options = tcp_option::timestamps;
      s.tsval = extra.tsval;
      s.tsecr = extra.tsecr;
    }
    hot_.flags |= leg_flag::is_tcp;
    uint8_t notes = hot_.last_ns != 0 && s.order_ns - hot_.last_ns > round_trip::kLongestNs ? times_note::paused : 0;
    if (fills_hole(flow_, from, {s.seq, s.seq + s.payload_length})) notes |= times_note::fills_hole;
    const LegStep step = tcp_step(hot_, cold_, flow_, s, from);
    if (step.what & leg_step::established) notes |= times_note::established;
    return take_times(flow_.times, hot_, cold_, s, from, step.labels | extra.labels, notes);
  }
  RoundTripSamples data(int64_t us, Side from, uint32_t begin, uint32_t end, uint32_t ack, const PacketExtra& extra = {}) {
    return packet(us, from, tcp_flag::ack | tcp_flag::psh, begin, end, ack, extra);
  }
  RoundTripSamples ack(int64_t us, Side from, uint32_t seq, uint32_t ack, const PacketExtra& extra = {}) {
    return packet(us, from, tcp_flag::ack, seq, seq, ack, extra);
  }
  // Three packets; the way to the server takes 1000 us and the way to the client 200 us, there and back.
  void handshake() {
    packet(0, Side::client, tcp_flag::syn, 0, 0, 0);
    packet(1000, Side::server, tcp_flag::syn | tcp_flag::ack, 0, 0, 1);
    packet(1200, Side::client, tcp_flag::ack, 1, 1, 1);
  }

  FlowTimesSummary summary() const { return summarize(flow_.times, hot_, cold_); }

 private:
  LegHot hot_{};
  LegCold cold_{};
  TcpFlow flow_{};
};

}  // namespace parallax::test
