// Judges the capture itself, point by point: data that it missed, and packets that it shows twice.
//
// Sums up what the legs' traces report. The correlator's: one thread. Bounded: what waits to become a pattern is kept for
// kWaitingMax connections, the rest only as a number.
//   capture_loss       data that its receiver acknowledged was delivered: who captured did not see it, and no device dropped it.
//                      Where the sensor itself was losing packets meanwhile, it says so.
//   duplicate_capture  only as a pattern, and only where a device that duplicates is no better explanation: packets of both
//   directions
//                      are doubled, or of one that has not passed a device before this point and is not doubled behind it.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "analysis/connection/connection.h"
#include "analysis/event/events.h"
#include "analysis/finding/finding_store.h"
#include "analysis/model/sensor_view.h"
#include "capture/core/port.h"

namespace parallax {

class CaptureJudge {
 public:
  static constexpr uint64_t kCopiesLeast = 20;
  static constexpr uint64_t kCopiesShare = 10;       // one packet in so many, of the legs that show any
  static constexpr uint64_t kMissedManyShare = 100;  // one byte in so many is a warning,
  static constexpr uint64_t kMissedMany = 10;        // if it is so many segments

  CaptureJudge(std::vector<std::string> path, const SensorView& sensor) : path_(std::move(path)), sensor_(sensor) {}

  // REQUIRES: `leg` has not taken the event's summary yet.
  void take(const LegState& leg, const Connection& connection, const LegEvent& event);

  // What is to be said since the last call.
  std::vector<Observation> observations();

 private:
  static constexpr size_t kWaitingMax = 1000;
  struct Waiting {
    uint64_t connection_id, count;
    int64_t first_ns, last_ns;
  };
  struct Point {
    uint64_t missed_segments = 0, missed_bytes = 0, seen_bytes = 0;
    uint64_t own_segments = 0;                    // of those missed, on legs while which the sensor itself lost packets there
    std::array<uint64_t, 2> copies{}, packets{};  // by direction of travel: toward inside, toward outside
    uint64_t routed_copies = 0;
    std::vector<Waiting> missed_waiting, copies_waiting;
  };
  static void wait(std::vector<Waiting>& waiting, const Waiting& more);
  bool doubled(PointIndex point, size_t travel) const;
  // 0: no pattern that only the capture explains.
  double confidence_of_copies(PointIndex point) const;
  std::string missed_text(PointIndex point) const;
  std::string copies_text(PointIndex point) const;
  void say(std::vector<Observation>& all, std::vector<Waiting>& waiting, const Observation& form) const;

  const std::vector<std::string> path_;
  const SensorView& sensor_;
  std::array<Point, kPointsMax> points_;
};

}  // namespace parallax
