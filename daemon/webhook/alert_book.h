// What a receiver has been told of each finding, and what it is to be told next.
//
// An alert is held in its newest state alone, until the receiver has heard that it is over: however long that does not answer, no
// more than kAlertsMax wait. Alerts of one kind of finding are a group, and a message shows a group as Alertmanager does: what
// has changed, and then what fires all the same. New alerts and ends are told at once, with what comes within kGatherNs; what
// else changes once in update_ns at most. One thread; times are of a steady clock.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/webhook/alert.h"

namespace parallax {

class AlertBook {
 public:
  static constexpr size_t kAlertsMax = 8192;
  static constexpr size_t kAlertsAtOnce = 64;
  static constexpr int64_t kGatherNs = 1'000'000'000;

  explicit AlertBook(int64_t update_ns) : update_ns_(update_ns) {}
  void set_update_ns(int64_t update_ns) { update_ns_ = update_ns; }

  // A finding is new, or has changed. False: there is no room for it.
  bool take(Alert alert, bool is_withdrawn, int64_t now_ns);
  // Those that fire and of which `is_known` says no are over, as the note says.
  void end_unknown(const std::function<bool(uint64_t finding_id)>& is_known, const std::string& note, int64_t now_ns);

  // Those that `is_wanted` says no to: what the receiver has heard of is over, as the note says, the rest is forgotten.
  void end_unwanted(const std::function<bool(const Alert&)>& is_wanted, const std::string& note, int64_t now_ns);
  // Not what is held already, nor over before anybody heard of it.
  bool is_news(const Alert& alert) const;

  // For another receiver, which has heard of nothing: what fires, and what has changed, is told anew.
  void begin_anew(int64_t now_ns);
  // What the earlier one is to be told last: all that it has heard of is over, as the note says.
  AlertBook farewell(const std::string& note, int64_t now_ns) const;

  struct Batch {
    WebhookMessage message;                              // its alerts are valid until the book changes
    std::vector<std::pair<uint64_t, uint64_t>> changes;  // finding's id, and the version that it tells of
  };
  // What is due by now; nullopt: nothing. Receiver, URL and sensor are the caller's to add.
  std::optional<Batch> next(int64_t now_ns) const;
  // The receiver knows, or will not be told again.
  void settle(const Batch& batch, int64_t now_ns);

  size_t firing() const;
  size_t waiting() const;

 private:
  struct Entry {
    Alert alert;
    uint64_t version = 1, settled = 0;
    int64_t due_ns = 0;      // where it waits
    int64_t settled_ns = 0;  // when the receiver was told last
    bool waits() const { return version != settled; }
  };
  void note_change(Entry& entry, bool is_urgent, int64_t now_ns) const;
  bool make_room();

  int64_t update_ns_;
  std::map<uint64_t, Entry> entries_;  // by the finding's id
};

}  // namespace parallax
