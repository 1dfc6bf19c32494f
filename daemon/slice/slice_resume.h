// The rest of a slice that was cut: made from its beginning again, as it was asked for, and held against what the receiver has.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "daemon/slice/slice.h"
#include "daemon/slice/slice_selection.h"
#include "parallax/v1/sensor.pb.h"

namespace parallax {

// Keeps back the bytes that the receiver has, and hands on what follows them. Belongs to one call.
class ResumedSink {
 public:
  ResumedSink(const v1::SliceResume& has, SliceSink sink) : bytes_(has.bytes()), crc32_(has.crc32()), sink_(std::move(sink)) {}

  bool operator()(std::span<const uint8_t> data);
  // Once the slice has ended: what the receiver has is its beginning.
  bool is_continued() const { return seen_ == bytes_ && sum_ == crc32_; }

 private:
  const uint64_t bytes_;
  const uint32_t crc32_;
  const SliceSink sink_;
  uint64_t seen_ = 0;
  uint32_t sum_ = 0;  // the CRC-32 of nothing
};

// What the latest slices were made of, so that one can be resumed although the ring, the finding and its connections have gone
// on. Any thread.
class SliceMemory {
 public:
  static constexpr size_t kSelectionsMax = 32;  // some 40 KiB each at the most

  void remember(const v1::PullSliceRequest& request, const SliceSelection& selection);
  std::optional<SliceSelection> recall(const v1::PullSliceRequest& request) const;

 private:
  static std::string key(v1::PullSliceRequest request);

  mutable std::mutex mutex_;
  std::deque<std::pair<std::string, SliceSelection>> selections_;  // the latest first
};

}  // namespace parallax
