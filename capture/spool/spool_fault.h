// What keeps the spool from working: raised when it fails, over when it works again.
//
// Raised and cleared by the writer's thread; text() is for any thread. A fault that is over is shown for a while, so that
// one between two scrapes is not missed, and one that comes and goes is one.
#pragma once

#include <chrono>
#include <mutex>
#include <string>

namespace parallax {

class SpoolFault {
 public:
  static constexpr auto kShownMin = std::chrono::seconds(10);

  void raise(std::string text);
  void clear();
  std::string text() const;  // empty: none

 private:
  mutable std::mutex mutex_;
  bool over_ = true;
  std::string text_;
  std::chrono::steady_clock::time_point raised_{};
};

}  // namespace parallax
