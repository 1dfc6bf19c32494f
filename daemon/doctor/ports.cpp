// Of the ports on interfaces of the kernel: the link, and what is done to packets before they are captured.
#include <fmt/format.h>

#include "capture/source/open_source.h"
#include "daemon/doctor/doctor.h"
#include "daemon/run/configured_ports.h"

namespace parallax {
namespace {

// Counters of the driver for packets that never reached a program, with what they say. All since the interface came up.
struct LossCounter {
  const char* file;
  const char* meaning;
  const char* mend;
};
constexpr LossCounter kLossCounters[] = {
    {"rx_length_errors", "were longer than its MTU allows", "ip link set {0} mtu 9216"},
    {"rx_missed_errors", "found no room in the card", "ethtool -G {0} rx MOST, or more cores for the workers"},
    {"rx_fifo_errors", "found no room in the card", "ethtool -G {0} rx MOST, or more cores for the workers"},
    {"rx_crc_errors", "were damaged on the wire", "clean or replace the cable, the optics, or the TAP's port"}};

constexpr int64_t kLoopbackType = 772;  // ARPHRD_LOOPBACK

class Interface {
 public:
  Interface(const ConfiguredPort& port, const Machine& machine, Chapter& chapter)
      : name_(port.interface),
        subject_(fmt::format("{} ({})", port.name, port.interface)),
        machine_(machine),
        chapter_(chapter) {}

  void examine() {
    if (name_ == "any")
      return chapter_.look(subject_, "all interfaces at once, each packet perhaps several times", "name one interface");
    if (!machine_.exists(folder())) return;  // said of the configuration
    if (machine_.number(folder() + "/type") == kLoopbackType)
      return chapter_.good(subject_, "is the loopback, which will do for a first try");
    link();
    joining();
    ring();
    losses();
    addresses();
  }

 private:
  std::string folder() const { return "/sys/class/net/" + name_; }
  std::string of_this(const char* mend) const { return fmt::format(fmt::runtime(mend), name_); }

  void link() {
    const std::string state = machine_.text(folder() + "/operstate").value_or("unknown");
    if (state == "down" && machine_.number(folder() + "/carrier").value_or(-1) == -1)
      return chapter_.wrong(subject_, "is switched off", of_this("ip link set {0} up"));
    if (state == "down" || state == "lowerlayerdown")
      return chapter_.wrong(subject_, "has no link", "look at the cable, the optics and the TAP's power");
    const int64_t speed = machine_.number(folder() + "/speed").value_or(-1);
    chapter_.good(subject_, speed > 0 ? fmt::format("has a link of {} Mbit/s", speed) : "has a link");
  }

  void joining() {
    const CardFacts card = machine_.card(name_);
    std::string features, names;
    for (const auto& [joins, name] : {std::pair(card.joins_by_gro, "gro"), std::pair(card.joins_by_lro, "lro")}) {
      if (!joins.value_or(false)) continue;
      features += fmt::format(" {} off", name);
      names += (names.empty() ? "" : " and ") + std::string(name);
    }
    if (features.empty()) return;
    chapter_.wrong(
        subject_,
        fmt::format("packets are joined before they are captured ({}): their sizes, times and numbers are not the wire's", names),
        fmt::format("ethtool -K {}{}", name_, features));
  }

  void ring() {
    const std::optional<CardFacts::Ring> ring = machine_.card(name_).rx_ring;
    if (!ring || ring->slots >= ring->slots_most) return;
    chapter_.look(subject_,
                  fmt::format("its ring has {} slots of at most {}: bursts may find no room", ring->slots, ring->slots_most),
                  fmt::format("ethtool -G {} rx {}", name_, ring->slots_most));
  }

  void losses() {
    for (const LossCounter& counter : kLossCounters) {
      const int64_t packets = machine_.number(folder() + "/statistics/" + counter.file).value_or(0);
      if (packets <= 0) continue;
      chapter_.look(subject_, fmt::format("{} packets {} since it came up ({})", packets, counter.meaning, counter.file),
                    of_this(counter.mend));
    }
  }

  // A port on a TAP is to be silent: what the host says there is not on the wire that is watched.
  void addresses() {
    const std::string all = machine_.text("/proc/net/if_inet6").value_or("");
    for (size_t begin = 0; begin < all.size(); begin = all.find('\n', begin) + 1) {
      const std::string line = all.substr(begin, all.find('\n', begin) - begin);
      if (line.ends_with(' ' + name_)) {
        chapter_.look(subject_, "has an IPv6 address, so that this machine speaks there itself",
                      fmt::format("sysctl -w net.ipv6.conf.{}.disable_ipv6=1", name_));
        return;
      }
      if (all.find('\n', begin) == std::string::npos) return;
    }
  }

  const std::string name_, subject_;
  const Machine& machine_;
  Chapter& chapter_;
};

}  // namespace

void examine_ports(const v1::Config& config, const Machine& machine, Chapter& chapter) {
  for (const ConfiguredPort& port : configured_ports(config)) {
    if (!port.interface.empty()) Interface(port, machine, chapter).examine();
  }
  if (chapter.diagnoses.empty() || machine.number("/proc/sys/net/core/bpf_jit_enable").value_or(1) != 0) return;
  chapter.look("filters", "are interpreted for every packet, and not compiled", "sysctl -w net.core.bpf_jit_enable=1");
}

}  // namespace parallax
