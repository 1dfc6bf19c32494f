// api.limits as they are now: a reload may change them. Any thread.
#pragma once

#include <mutex>

#include "parallax/v1/config.pb.h"

namespace parallax {

class LimitsInForce {
 public:
  explicit LimitsInForce(const v1::ApiLimitsConfig& limits) : limits_(limits) {}
  void set(const v1::ApiLimitsConfig& limits) {
    const std::lock_guard guard(mutex_);
    limits_ = limits;
  }
  v1::ApiLimitsConfig get() const {
    const std::lock_guard guard(mutex_);
    return limits_;
  }

 private:
  mutable std::mutex mutex_;
  v1::ApiLimitsConfig limits_;
};

}  // namespace parallax
