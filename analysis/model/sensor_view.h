// What the sensor covers: the time in which each point was watched, and where packets may be missing from what was analysed.
//
// Read by all stages; written by the owners of the loss logs. An absence may be held against the device only where
// covers() says yes for the whole interval in which the packet should have been seen.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "analysis/model/sides.h"
#include "capture/core/loss_log.h"
#include "capture/core/port.h"

namespace parallax {

// What a port carries that carries only that direction.
constexpr PortDirection port_direction(Direction direction) {
  return direction == Direction::toward_inside ? PortDirection::toward_inside : PortDirection::toward_outside;
}

class SensorView {
 public:
  SensorView(std::vector<PortChannel*> channels, size_t workers)
      : channels_(std::move(channels)), worker_loss_(workers), not_waited_for_(workers) {
    for (PortChannel* channel : channels_) line_of(*channel).push_back(channel);
    for (Line& line : lines_) {
      if (line.size() < 2) continue;
      std::sort(line.begin(), line.end(),
                [](const PortChannel* a, const PortChannel* b) { return a->info.part->index < b->info.part->index; });
    }
  }

  const std::vector<PortChannel*>& channels() const { return channels_; }

  // A worker's own losses at a point (ring to the correlator or to another worker full). Written by that worker alone.
  LossLog& worker_loss(size_t worker, PointIndex point) { return worker_loss_[worker][point]; }

  // Live: the time that a worker's merge went past while a port of the point lagged behind. Written by that worker's merge alone.
  LossLog& not_waited_for(size_t worker, PointIndex point) { return not_waited_for_[worker][point]; }

  // Whether everything that passed `point` in `direction` between the two times was seen and analysed: every port that could
  // have carried it was listening throughout, and had no packet in that time that was lost, hidden by a filter, or not decoded.
  // REQUIRES: everything before `to_ns` has been released, or the input has ended.
  bool covers(PointIndex point, PortDirection direction, int64_t from_ns, int64_t to_ns) const {
    bool watched = false;
    for (const Line& line : lines_) {
      const PortInfo& info = line.front()->info;
      if (info.point != point) continue;
      if (direction != PortDirection::both && info.direction != PortDirection::both && info.direction != direction) continue;
      if (!covers(line, from_ns, to_ns)) return false;
      watched = true;
    }
    const auto losing = [&](const auto& points) { return points[point].losing(from_ns, to_ns); };
    return watched && std::none_of(worker_loss_.begin(), worker_loss_.end(), losing) &&
           std::none_of(not_waited_for_.begin(), not_waited_for_.end(), losing);
  }

  // Whether the stamps of that time hold: the clock was not set, nor the port held up or its packets displaced.
  bool in_time(PointIndex point, PortDirection direction, int64_t from_ns, int64_t to_ns) const {
    return std::none_of(channels_.begin(), channels_.end(), [&](const PortChannel* channel) {
      const PortInfo& info = channel->info;
      const bool carries =
          direction == PortDirection::both || info.direction == PortDirection::both || info.direction == direction;
      return info.point == point && carries && channel->may_misdate(from_ns, to_ns);
    });
  }

  // Whether the point shows fragments besides first ones, or ICMP errors, as far as is known by then. A file may have been
  // captured with a filter that leaves them out.
  bool shows_later_fragments(PointIndex point, int64_t until_ns) const {
    return shows(point, &PortChannel::first_later_fragment_ns, until_ns);
  }
  bool shows_icmp_errors(PointIndex point, int64_t until_ns) const {
    return shows(point, &PortChannel::first_icmp_error_ns, until_ns);
  }

  // Whether nothing of either direction was missed at the point meanwhile. No claim of an absence: those are AbsenceProof's.
  bool saw_everything(PointIndex point, int64_t from_ns, int64_t to_ns) const {
    return covers(point, PortDirection::both, from_ns, to_ns);
  }

  uint64_t lost() const {
    uint64_t sum = 0;
    for (const PortChannel* channel : channels_) sum += channel->loss.lost();
    for (const auto& points : worker_loss_)
      for (const LossLog& log : points) sum += log.lost();
    return sum;
  }

 private:
  bool shows(PointIndex point, std::atomic<int64_t> PortChannel::*first_ns, int64_t until_ns) const {
    return std::any_of(channels_.begin(), channels_.end(), [&](const PortChannel* channel) {
      const bool is_shown = !channel->is_file || (channel->*first_ns).load(std::memory_order_acquire) <= until_ns;
      return channel->info.point == point && is_shown;
    });
  }

  // One after the other: the files of a recording; live a single port.
  using Line = std::vector<PortChannel*>;
  Line& line_of(const PortChannel& channel) {
    const auto same = [&part = channel.info.part](const Line& line) {
      const auto& other = line.front()->info.part;
      return part && other && other->recording == part->recording;
    };
    const auto found = std::find_if(lines_.begin(), lines_.end(), same);
    return found != lines_.end() ? *found : lines_.emplace_back();
  }

  // Nothing is said to have been missed between two files of a recording that are so close.
  static constexpr int64_t kGapNsMax = 10'000'000;

  static int64_t begin_of(const PortChannel& channel) { return channel.covered_from_ns.load(std::memory_order_acquire); }
  static int64_t end_of(const PortChannel& channel) {
    const int64_t watermark = channel.watermark_ns.load(std::memory_order_acquire);
    return watermark == kTimeMax ? channel.covered_to_ns.load(std::memory_order_acquire) : watermark;
  }

  static bool covers(const Line& line, int64_t from_ns, int64_t to_ns) {
    // The last one that had begun by then.
    auto part = std::partition_point(line.begin(), line.end(),
                                     [from_ns](const PortChannel* channel) { return begin_of(*channel) <= from_ns; });
    if (part == line.begin()) return false;
    const auto complete = [from_ns, to_ns](const PortChannel& channel) { return !channel.may_lack(from_ns, to_ns); };
    int64_t covered_ns = end_of(**--part);
    if (!complete(**part)) return false;
    while (covered_ns < to_ns) {
      if (++part == line.end() || begin_of(**part) > covered_ns + kGapNsMax || !complete(**part)) return false;
      covered_ns = std::max(covered_ns, end_of(**part));
    }
    return true;
  }

  std::vector<PortChannel*> channels_;
  std::vector<Line> lines_;
  std::vector<std::array<LossLog, kPointsMax>> worker_loss_, not_waited_for_;
};

}  // namespace parallax
