// A packet source over frames in memory: what tests and benchmarks give the rx worker instead of a NIC.
//
// Behaves as a file does: in the order given, never dropped. Losses are told before the first packet that follows them.
#pragma once

#include <vector>

#include "capture/core/packet_source.h"
#include "tests/support/packet_builder.h"

namespace parallax::test {

struct TimedFrame {
  int64_t time_ns = 0;
  uint32_t stamp_uncertainty_ns = 0;
  Frame bytes;
  uint32_t wire_length = 0;  // 0: all of it was captured
};

class MemorySource : public PacketSource {
 public:
  // `losses` in order of their end.
  MemorySource(std::vector<TimedFrame> frames, std::vector<SourceLoss> losses)
      : frames_(std::move(frames)), losses_(std::move(losses)) {}

  size_t poll(std::span<RawPacket> burst) override {
    size_t count = 0;
    for (; count < burst.size() && next_ < frames_.size(); ++count, ++next_) {
      const TimedFrame& frame = frames_[next_];
      const auto length = static_cast<uint32_t>(frame.bytes.size());
      burst[count] = {frame.bytes.data(),
                      length,
                      frame.wire_length > 0 ? frame.wire_length : length,
                      frame.time_ns,
                      frame.stamp_uncertainty_ns,
                      static_cast<uint32_t>(next_ + 1),
                      LinkType::ethernet};
    }
    return count;
  }
  int64_t watermark_ns() const override { return finished() ? kTimeMax : frames_[next_].time_ns; }
  bool finished() const override { return next_ == frames_.size(); }
  bool is_file() const override { return true; }
  std::optional<SourceLoss> take_loss() override {
    if (next_loss_ == losses_.size() || losses_[next_loss_].from_ns > watermark_ns()) return std::nullopt;
    return losses_[next_loss_++];
  }
  LinkType link_type() const override { return LinkType::ethernet; }

 private:
  const std::vector<TimedFrame> frames_;
  const std::vector<SourceLoss> losses_;
  size_t next_ = 0, next_loss_ = 0;
};

}  // namespace parallax::test
