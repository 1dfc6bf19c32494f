#include "daemon/client/interrupt.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>

namespace parallax {
namespace {

std::atomic<int> write_end{-1};
std::atomic<bool> came{false};

extern "C" void on_interrupt(int) {
  const int errno_before = errno;
  came = true;
  const char byte = 0;
  [[maybe_unused]] const ssize_t written = ::write(write_end, &byte, 1);
  errno = errno_before;
}

}  // namespace

Interrupt::Interrupt() {
  came = false;
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return;  // without one it ends as any other program
  read_ = ends[0];
  write_end = ends[1];
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &int_before_);
  ::sigaction(SIGTERM, &action, &term_before_);
}

Interrupt::~Interrupt() {
  if (read_ < 0) return;
  ::sigaction(SIGINT, &int_before_, nullptr);
  ::sigaction(SIGTERM, &term_before_, nullptr);
  ::close(read_);
  ::close(write_end.exchange(-1));
}

bool Interrupt::has_come() const { return came; }

}  // namespace parallax
