#include "daemon/client/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "daemon/message/text_table.h"

namespace parallax {
namespace {

constexpr std::chrono::milliseconds kEvery{200};
constexpr const char* kClearLine = "\r\x1b[K";  // ECMA-48: erase in line

}  // namespace

Progress::Progress(FILE* err, std::chrono::milliseconds patience)
    : err_(err), patience_(patience), on_(isatty(fileno(err)) == 1) {}

void Progress::begin(std::string what, uint64_t bytes) {
  what_ = std::move(what);
  bytes_ = bytes;
  begin_ = Clock::now();
  next_ = begin_ + patience_;
}

void Progress::at(uint64_t bytes) {
  if (!on_ || bytes_ == 0) return;
  const Clock::time_point now = Clock::now();
  if (now < next_) return;
  next_ = now + kEvery;
  const double share = std::min(1.0, static_cast<double>(bytes) / static_cast<double>(bytes_));
  const double seconds = std::chrono::duration<double>(now - begin_).count();
  const std::string left =
      share == 0 ? "" : fmt::format(", about {} left", duration_text(std::max(1.0, seconds * (1 - share) / share)));
  fmt::print(err_, "{}parallax: {}: {:.0f} % of {}{}", kClearLine, what_, share * 100, bytes_text(bytes_), left);
  std::fflush(err_);
  drawn_ = true;
}

void Progress::end() {
  if (!drawn_) return;
  std::fputs(kClearLine, err_);
  std::fflush(err_);
  drawn_ = false;
}

}  // namespace parallax
