// A packet source over packets in memory, of any link type and cut as one likes: what tests and benchmarks give an rx worker.
//
// Owned and called by one thread. Behaves as a file does: in the order given, nothing dropped; watermark as FileSource's.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "capture/packet_source.h"

namespace parallax {

struct OwnedPacket {
  int64_t time_ns = 0;
  std::vector<uint8_t> bytes;
  uint32_t wire_length = 0;  // 0: as many as `bytes`
  LinkType link_type = LinkType::ethernet;
  uint32_t stamp_uncertainty_ns = 0;
};

class MemorySource : public PacketSource {
 public:
  explicit MemorySource(std::vector<OwnedPacket> packets) : packets_(std::move(packets)) {}

  size_t poll(std::span<RawPacket> burst) override {
    const size_t count = std::min(burst.size(), packets_.size() - next_);
    for (size_t i = 0; i < count; ++i) {
      const OwnedPacket& packet = packets_[next_++];
      const auto length = static_cast<uint32_t>(packet.bytes.size());
      burst[i] = {packet.bytes.data(),
                  length,
                  std::max(length, packet.wire_length),
                  packet.time_ns,
                  packet.stamp_uncertainty_ns,
                  static_cast<uint32_t>(next_),
                  packet.link_type};
      newest_ns_ = std::max(newest_ns_, packet.time_ns);
    }
    return count;
  }
  int64_t watermark_ns() const override { return finished() ? kAfterAllNs : std::max(newest_ns_, packets_[next_].time_ns); }
  bool finished() const override { return next_ == packets_.size(); }
  bool is_file() const override { return true; }
  LinkType link_type() const override { return packets_.empty() ? LinkType::ethernet : packets_.front().link_type; }

 private:
  const std::vector<OwnedPacket> packets_;
  size_t next_ = 0;
  int64_t newest_ns_ = kBeforeAllNs;
};

}  // namespace parallax
