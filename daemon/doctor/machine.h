// The machine as the doctor sees it: files below /proc and /sys, and what only system calls tell.
//
// Reads, and changes nothing; measuring the disk writes a file and removes it. Tests have a folder for a root, and their own
// answers for the calls.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace parallax {

// Of a network interface, as its driver tells; each empty where it does not.
struct CardFacts {
  std::optional<bool> joins_by_gro, joins_by_lro;  // received packets
  struct Ring {
    uint32_t slots, slots_most;
  };
  std::optional<Ring> rx_ring;
};

struct ClockFacts {
  bool is_synchronised = false;  // as the kernel was told by NTP or PTP
  int64_t error_most_us = 0;     // as it was told, or has reckoned since
};

// The files that a running daemon would have to open.
struct FileOwner {
  uint32_t user, group, mode;
};

class Machine {
 public:
  explicit Machine(std::string root = "") : root_(std::move(root)) {}
  virtual ~Machine() = default;

  bool exists(const std::string& path) const;
  // Without the white space at its end; empty: there is none, or it cannot be read.
  std::optional<std::string> text(const std::string& path) const;
  std::optional<int64_t> number(const std::string& path) const;
  std::vector<std::string> names_in(const std::string& directory) const;  // in order
  std::optional<FileOwner> owner_of(const std::string& path) const;

  virtual CardFacts card(const std::string& interface) const;
  virtual std::optional<ClockFacts> clock() const;
  virtual uint32_t cores() const;  // that this process may use
  // How fast `directory` takes large writes past the page cache, in bytes a second; empty: it takes none.
  virtual std::optional<double> write_rate(const std::string& directory) const;

 private:
  const std::string root_;
};

}  // namespace parallax
