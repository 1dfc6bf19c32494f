// Times for which a port's word proves nothing, and why: its link was down, it fell silent, its thread was held up, its clock was
// set or is not that of the others.
//
// An OutageLog has one writer and any number of readers. Bounded: the newest outages are kept, and a question about a time before
// the oldest kept one is answered "out", as in LossLog. Packets may well be seen within an outage (after a pause they come with
// uncertain stamps); what is not seen within it has not been absent.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

namespace parallax {

enum class OutageCause : uint8_t {
  link_down,        // the interface was down, had no carrier, or was gone
  silent,           // nothing came while the port's neighbours went on
  paused,           // the sensor did not poll it: what waited meanwhile bears the time after
  clock_step,       // the system's clock, which the kernel's stamps are of, was set
  filter_set,       // what the analysis is to see was changed, and not at all ports in the same moment
  clock_jumped,     // files: packets of one direction alone tell that its clock or that of the point before it was set
  clocks_apart,     // files: by the stamps packets left before they came, and the offset could not be told
  clocks_unknown,   // files: packets of one direction alone were matched, and they seem to have taken long, all of them
  no_common_clock,  // files: no packets tell how far the clocks are apart, and so not when by the others it was silent
};
constexpr std::string_view text_of(OutageCause cause) {
  constexpr std::string_view kTexts[] = {"link down",
                                         "silent",
                                         "sensor paused",
                                         "system clock set",
                                         "filter changed",
                                         "one of the two clocks jumped",
                                         "packets left before they came",
                                         "no packet crossed as fast as devices are",
                                         "no common clock"};
  return kTexts[static_cast<size_t>(cause)];
}

struct PortOutage {
  static constexpr int64_t kGoesOn = std::numeric_limits<int64_t>::max();  // as to_ns: it has not ended

  OutageCause cause;
  int64_t from_ns;
  int64_t to_ns;
  int64_t by_ns = 0;  // files: how far the stamps are out, or seem to be; 0: not known

  bool goes_on() const { return to_ns == kGoesOn; }
  bool operator==(const PortOutage&) const = default;
};

class OutageLog {
 public:
  static constexpr size_t kOutages = 64;

  // Writer. Continues the newest outage where it is of the same cause and meets this one; its end may be moved back from kGoesOn.
  // MUST be called before any packet after the outage is released.
  void add(const PortOutage& outage) {
    const uint64_t head = head_.load(std::memory_order_relaxed);
    if (head > 0) {
      Entry& last = entries_[(head - 1) % kOutages];
      if (last.cause.load(std::memory_order_relaxed) == outage.cause &&
          outage.from_ns <= last.to_ns.load(std::memory_order_relaxed)) {
        last.from_ns.store(std::min(outage.from_ns, last.from_ns.load(std::memory_order_relaxed)), std::memory_order_release);
        last.to_ns.store(outage.to_ns, std::memory_order_release);
        last.by_ns.store(std::max(outage.by_ns, last.by_ns.load(std::memory_order_relaxed)), std::memory_order_release);
        return;
      }
    }
    Entry& next = entries_[head % kOutages];
    next.cause.store(outage.cause, std::memory_order_release);
    next.from_ns.store(outage.from_ns, std::memory_order_release);
    next.to_ns.store(outage.to_ns, std::memory_order_release);
    next.by_ns.store(outage.by_ns, std::memory_order_release);
    head_.store(head + 1, std::memory_order_release);
  }

  // Any thread. Whether some of [from_ns, to_ns] lies within an outage.
  bool out(int64_t from_ns, int64_t to_ns) const {
    const uint64_t head = head_.load(std::memory_order_acquire);
    if (head == 0) return false;
    int64_t oldest = std::numeric_limits<int64_t>::max();
    for (uint64_t i = head - std::min<uint64_t>(head, kOutages); i < head; ++i) {
      const PortOutage outage = load(i);
      if (outage.from_ns <= to_ns && outage.to_ns >= from_ns) return true;
      oldest = std::min(oldest, outage.from_ns);
    }
    return head > kOutages && from_ns < oldest;
  }

  // Any thread. How many there were ever, and those kept, oldest first: a reader that remembers total() sees what is new.
  uint64_t total() const { return head_.load(std::memory_order_acquire); }
  PortOutage newest() const { return load(total() - 1); }  // REQUIRES: total() > 0
  std::vector<PortOutage> kept() const {
    std::vector<PortOutage> outages;
    const uint64_t head = head_.load(std::memory_order_acquire);
    for (uint64_t i = head - std::min<uint64_t>(head, kOutages); i < head; ++i) outages.push_back(load(i));
    return outages;
  }

 private:
  struct Entry {
    std::atomic<OutageCause> cause{};
    std::atomic<int64_t> from_ns{0}, to_ns{0}, by_ns{0};
  };
  PortOutage load(uint64_t number) const {
    const Entry& entry = entries_[number % kOutages];
    return {entry.cause.load(std::memory_order_acquire), entry.from_ns.load(std::memory_order_acquire),
            entry.to_ns.load(std::memory_order_acquire), entry.by_ns.load(std::memory_order_acquire)};
  }

  std::array<Entry, kOutages> entries_;
  std::atomic<uint64_t> head_{0};
};

}  // namespace parallax
