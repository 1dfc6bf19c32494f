#include "daemon/doctor/machine.h"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

namespace parallax {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  const int number_;
};

// `value` begins with the command.
template <typename Value>
bool ask(const Descriptor& socket, const std::string& interface, Value& value) {
  ifreq request{};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&value);
  return ::ioctl(socket.number(), SIOCETHTOOL, &request) == 0;
}

}  // namespace

bool Machine::exists(const std::string& path) const {
  std::error_code error;
  return std::filesystem::exists(root_ + path, error);
}

std::optional<std::string> Machine::text(const std::string& path) const {
  std::ifstream in(root_ + path);
  std::ostringstream all;
  if (!in || !(all << in.rdbuf())) return std::nullopt;
  std::string text = all.str();
  text.erase(text.find_last_not_of(" \n\t") + 1);
  return text;
}

std::optional<int64_t> Machine::number(const std::string& path) const {
  const std::optional<std::string> read = text(path);
  int64_t value = 0;
  if (!read || std::from_chars(read->data(), read->data() + read->size(), value).ec != std::errc()) return std::nullopt;
  return value;
}

std::vector<std::string> Machine::names_in(const std::string& directory) const {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(root_ + directory, error))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<FileOwner> Machine::owner_of(const std::string& path) const {
  struct stat status {};
  if (::stat((root_ + path).c_str(), &status) != 0) return std::nullopt;
  return FileOwner{status.st_uid, status.st_gid, status.st_mode};
}

CardFacts Machine::card(const std::string& interface) const {
  CardFacts facts;
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM, 0));
  ethtool_value gro{ETHTOOL_GGRO, 0}, flags{ETHTOOL_GFLAGS, 0};
  if (ask(socket, interface, gro)) facts.joins_by_gro = gro.data != 0;
  if (ask(socket, interface, flags)) facts.joins_by_lro = (flags.data & ETH_FLAG_LRO) != 0;
  ethtool_ringparam ring{};
  ring.cmd = ETHTOOL_GRINGPARAM;
  if (ask(socket, interface, ring) && ring.rx_max_pending > 0) facts.rx_ring = {ring.rx_pending, ring.rx_max_pending};
  return facts;
}

std::optional<ClockFacts> Machine::clock() const {
  timex state{};
  if (::adjtimex(&state) < 0) return std::nullopt;
  return ClockFacts{(state.status & STA_UNSYNC) == 0, state.maxerror};
}

uint32_t Machine::cores() const {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  return ::sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? static_cast<uint32_t>(CPU_COUNT(&allowed)) : 1;
}

std::optional<double> Machine::write_rate(const std::string& directory) const {
  constexpr size_t kBlock = 1 << 20;
  constexpr int64_t kBlocksMost = 256;
  constexpr std::chrono::seconds kMost{2};
  // Never seen by others, and gone with the descriptor.
  int file = ::open(directory.c_str(), O_TMPFILE | O_WRONLY | O_DIRECT | O_CLOEXEC, 0600);
  if (file < 0 && errno == EINVAL) file = ::open(directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  const Descriptor owned(file);
  if (file < 0) return std::nullopt;
  const std::unique_ptr<void, decltype(&std::free)> block(std::aligned_alloc(4096, kBlock), &std::free);
  if (!block) return std::nullopt;
  std::memset(block.get(), 0x5a, kBlock);
  const auto begin = std::chrono::steady_clock::now();
  int64_t blocks = 0;
  while (blocks < kBlocksMost && std::chrono::steady_clock::now() - begin < kMost) {
    if (::write(file, block.get(), kBlock) != static_cast<ssize_t>(kBlock)) return std::nullopt;
    ++blocks;
  }
  if (::fdatasync(file) != 0) return std::nullopt;
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  return static_cast<double>(blocks * static_cast<int64_t>(kBlock)) / taken.count();
}

}  // namespace parallax
