#include "daemon/slice/slice_resume.h"

#include <zlib.h>

#include <algorithm>

namespace parallax {

bool ResumedSink::operator()(std::span<const uint8_t> data) {
  const size_t has = static_cast<size_t>(std::min<uint64_t>(data.size(), bytes_ - seen_));
  if (has > 0) {
    sum_ = static_cast<uint32_t>(crc32_z(sum_, data.data(), has));
    seen_ += has;
    data = data.subspan(has);
    if (data.empty()) return sink_({});
  }
  if (seen_ == bytes_ && sum_ != crc32_) return false;
  return sink_(data);
}

std::string SliceMemory::key(v1::PullSliceRequest request) {
  request.clear_resume();
  return request.SerializeAsString();
}

void SliceMemory::remember(const v1::PullSliceRequest& request, const SliceSelection& selection) {
  std::string name = key(request);
  const std::lock_guard guard(mutex_);
  std::erase_if(selections_, [&](const auto& known) { return known.first == name; });
  selections_.emplace_front(std::move(name), selection);
  if (selections_.size() > kSelectionsMax) selections_.pop_back();
}

std::optional<SliceSelection> SliceMemory::recall(const v1::PullSliceRequest& request) const {
  const std::string name = key(request);
  const std::lock_guard guard(mutex_);
  const auto known = std::find_if(selections_.begin(), selections_.end(), [&](const auto& one) { return one.first == name; });
  return known == selections_.end() ? std::nullopt : std::optional(known->second);
}

}  // namespace parallax
