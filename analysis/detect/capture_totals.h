// What the captures themselves did: data that they missed, packets that they show twice, ports that went out.
//
// Sums up what the legs' traces report. The correlator's: one thread. Bounded: what waits to be told is kept for kWaitingMax
// connections, the rest only as a number.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "analysis/connection/connection.h"
#include "analysis/detect/stamp_order.h"
#include "analysis/event/events.h"
#include "analysis/finding/observation.h"
#include "analysis/model/sensor_view.h"
#include "capture/core/port_outage.h"

namespace parallax {

class CaptureTotals {
 public:
  // Packets that were shown twice, and all that were, copies included.
  struct Copies {
    PerDirection<uint64_t> copies{}, packets{};
    uint64_t routed = 0;  // of the copies: with another TTL
    void operator+=(const Copies& more);
  };
  // Observations to come, one for each connection.
  template <typename Amount>
  class Waiting {
   public:
    void add(uint64_t connection_id, const Amount& amount, int64_t first_ns, int64_t last_ns) {
      const auto same =
          std::find_if(entries_.rbegin(), entries_.rend(), [&](const Entry& e) { return e.connection_id == connection_id; });
      if (same == entries_.rend() && entries_.size() < kWaitingMax) {
        entries_.push_back({connection_id, amount, first_ns, last_ns});
        return;
      }
      Entry& into = same == entries_.rend() ? entries_.back() : *same;
      into.amount += amount;
      into.first_ns = std::min(into.first_ns, first_ns);
      into.last_ns = std::max(into.last_ns, last_ns);
    }
    bool empty() const { return entries_.empty(); }
    // One observation like `form` for each, to which `set(observation, amount)` gives its numbers; then nothing waits any more.
    template <typename Set>
    void tell(const Observation& form, std::vector<Observation>& out, Set&& set) {
      for (const Entry& entry : entries_) {
        Observation o = form;
        o.connection_id = entry.connection_id;
        o.first_ns = entry.first_ns;
        o.last_ns = entry.last_ns;
        set(o, entry.amount);
        if (o.count > 0) out.push_back(std::move(o));
      }
      entries_.clear();
    }

   private:
    static constexpr size_t kWaitingMax = 1000;
    struct Entry {
      uint64_t connection_id;
      Amount amount;
      int64_t first_ns, last_ns;
    };
    std::vector<Entry> entries_;
  };
  struct Point {
    uint64_t missed_segments = 0, missed_bytes = 0, seen_bytes = 0;
    uint64_t own_segments = 0;                   // of those missed, on legs while which the sensor itself lost packets there
    PerDirection<uint64_t> passed{};             // packets of all legs
    PerDirection<uint64_t> copies{}, packets{};  // of the legs that are traced
    Waiting<uint64_t> missed;
    Waiting<Copies> copied;

    // A pattern, and not a copy here and there.
    static constexpr uint64_t kCopiesLeast = 20;
    static constexpr uint64_t kCopiesShare = 10;  // one packet in so many, of the legs that show any
    bool is_doubled(Direction direction) const {
      const uint64_t of = copies[direction], all = of + copies[opposite(direction)];
      return of > 0 && all >= kCopiesLeast && of * kCopiesShare >= packets[direction];
    }
  };

  explicit CaptureTotals(const SensorView& sensor) : sensor_(sensor) {}

  // Outages of the ports that have begun since the last call for that kind of finding, oldest first.
  struct Outage {
    PortIndex port;
    PortOutage outage;
  };
  std::vector<Outage> new_outages(FindingKind kind);
  // Live, asked once a second or so: those that have grown longer since they were last given out, up to now where they go on. Not
  // each time: when they have ended, or have become twice as long, or half a minute longer.
  std::vector<Outage> grown_outages(int64_t now_ns);

  // REQUIRES: `leg` has not taken the event's summary yet.
  void take(const LegState& leg, const Connection& connection, const LegEvent& event);

  StampOrder& stamp_order() { return stamp_order_; }
  Point& at(PointIndex point) { return points_[point]; }
  const Point& at(PointIndex point) const { return points_[point]; }

 private:
  static constexpr int64_t kGrownNs = 30'000'000'000;
  struct Grown {
    uint64_t number = 0;  // of the outage in its log, from 1
    int64_t given_to_ns = 0, seen_to_ns = 0;
  };

  const SensorView& sensor_;
  std::array<Point, kPointsMax> points_;
  StampOrder stamp_order_;
  std::map<FindingKind, std::vector<uint64_t>> outages_seen_;  // by port, of both logs
  std::vector<Grown> grown_;                                   // the same
};

}  // namespace parallax
