#include "capture/spool/spool_fault.h"

namespace parallax {

void SpoolFault::raise(std::string text) {
  const std::lock_guard guard(mutex_);
  over_ = false;
  text_ = std::move(text);
  raised_ = std::chrono::steady_clock::now();
}

void SpoolFault::clear() {
  const std::lock_guard guard(mutex_);
  over_ = true;
}

std::string SpoolFault::text() const {
  const std::lock_guard guard(mutex_);
  return over_ && std::chrono::steady_clock::now() - raised_ >= kShownMin ? std::string() : text_;
}

}  // namespace parallax
