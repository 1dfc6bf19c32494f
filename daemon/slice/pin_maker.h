// Pins the packets of findings that meet a rule: copies them out of the ring into a file of their own, a while after the finding
// was told, so that what follows it is there, too.
//
// A thread of its own, which may block, of low priority: nothing waits for it. What it has to do is bounded; what is beyond is
// counted. Made, started and stopped by the control thread; its counts are with the pinned files.
#pragma once

#include <chrono>
#include <deque>
#include <set>
#include <string>
#include <vector>

#include "daemon/background/background_thread.h"
#include "daemon/run/pinned_files.h"
#include "daemon/run/sensor_state.h"
#include "daemon/slice/pin_rules.h"
#include "daemon/slice/slice.h"

namespace parallax {

class PinMaker {
 public:
  static constexpr size_t kWaitingMax = 256;  // with the legs of their connections, some 40 KiB each at the most
  static constexpr auto kStopBudget = std::chrono::seconds(2);

  // REQUIRES: the state has a spool. Both outlive it.
  PinMaker(const SensorState& state, PinnedFiles& files, std::vector<PinRule> rules);
  ~PinMaker();  // stops

  void start();
  // Pins what still waits with what there is of it, for kStopBudget. REQUIRES: nothing is written to the spool any more, or what
  // comes is not waited for.
  void stop();

 private:
  using Clock = std::chrono::steady_clock;
  struct Pin {
    size_t rule;
    FindingRecord finding;  // as told
    SliceRequest request;   // the same; without a window yet
    Clock::time_point due;
  };

  void go_round(bool last);
  void take_changes();
  void take(const FindingRecord& finding);
  void note_withdrawn(const FindingRecord& finding);
  void refresh(Pin& pin) const;
  void make(Pin pin);
  void look();
  void failed(const Pin& pin, PinFailure reason, const std::string& error);

  const SensorState& state_;
  PinnedFiles& files_;
  const std::vector<PinRule> rules_;
  FindingWatch watch_;
  std::set<uint64_t> met_;   // ids of findings that a rule covers: each is pinned once; bounded
  std::deque<Pin> waiting_;  // in the order of their telling
  Clock::time_point next_look_{}, stop_by_{};
  std::string error_told_;
  BackgroundThread thread_;
};

}  // namespace parallax
