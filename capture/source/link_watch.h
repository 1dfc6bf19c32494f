// Whether an interface of the kernel has its link, asked every few milliseconds without a lock that others may hold for long.
//
// Two witnesses, since neither tells all: the interface's flags (down, gone; the running flag follows the carrier up to a second
// late), and its counters of carrier changes, which the kernel keeps up at once, so that a link that was down between two looks
// is noticed as well. (The counters are in /sys, which a process in a network namespace may see of another: then the flags must
// do.) One thread.
#pragma once

#include <cstdint>
#include <string>

namespace parallax {

class LinkWatch {
 public:
  enum class Link : uint8_t { up, was_down, down };  // was_down: up again, but not all the time since the last look

  // Empty: of no interface, always up.
  explicit LinkWatch(const std::string& interface);
  ~LinkWatch();
  LinkWatch(const LinkWatch&) = delete;
  LinkWatch& operator=(const LinkWatch&) = delete;

  Link look(int64_t now_ns);
  // Of the interface that has the name now; 0: there is none.
  unsigned interface_index() const;

 private:
  void open_counters();
  void close_counters();

  const std::string interface_;
  int socket_ = -1;
  int ups_file_ = -1, downs_file_ = -1;
  uint64_t ups_ = 0, downs_ = 0;
  int64_t changed_ns_ = 0;
  bool carrier_ = true;
};

}  // namespace parallax
