// Ctrl-C and SIGTERM as something to wait for, while it lives: for commands that go on until then and end in order.
//
// At most one at a time; made and asked by the command's thread.
#pragma once

#include <csignal>

namespace parallax {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();  // the signals mean what they did before
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  int handle() const { return read_; }  // readable once it has come; not to be read
  bool has_come() const;

 private:
  int read_ = -1;
  struct sigaction int_before_ {
  }, term_before_{};
};

}  // namespace parallax
