#include "analysis/detect/held_segments.h"

#include <algorithm>
#include <string>
#include <utility>

#include "analysis/model/text.h"

namespace parallax {
namespace {

double seconds(int64_t ns) { return static_cast<double>(ns) * 1e-9; }

// All within a quarter of the largest.
bool are_alike(const std::vector<int64_t>& values) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return *least > 0 && *most - *least <= *most / 4;
}

int64_t middle_of(std::vector<int64_t> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

}  // namespace

// A device that shapes holds back for about the same time, at about the same intervals of time, or after about as many bytes.
void HeldSegments::decide(Series& series) {
  std::vector<int64_t> delays, intervals, bytes;
  for (size_t i = 0; i < series.kept.size(); ++i) {
    const Segment& segment = series.kept[i].segment;
    delays.push_back(segment.left_ns - segment.entered_ns);
    if (i == 0) continue;
    const Segment& before = series.kept[i - 1].segment;
    intervals.push_back(segment.entered_ns - before.entered_ns);
    bytes.push_back(static_cast<int32_t>(segment.seq - before.seq));
  }
  const bool of_bytes = are_alike(bytes);
  series.is_told = true;
  series.is_regular = are_alike(delays) && (of_bytes || are_alike(intervals));
  if (!series.is_regular) return;
  series.period_seconds = seconds(middle_of(intervals));
  if (of_bytes) series.kept.front().observation.remark = "one piece in " + std::to_string(middle_of(bytes)) + " bytes waited.";
}

Observation HeldSegments::observation_of(Hold hold, const Series& series) {
  Observation o = std::move(hold.observation);
  const Segment& segment = hold.segment;
  if (series.is_regular) {
    o.kind = FindingKind::device_shaping;
    o.period_seconds = series.period_seconds;
  }
  o.time_lost_seconds = seconds(segment.left_ns - segment.entered_ns - segment.usual_ns);
  return o;
}

void HeldSegments::take(uint64_t direction, const Segment& segment, Observation held, const Thresholds& thresholds,
                        std::vector<Observation>& out) {
  Series& series = directions_.use(direction);
  const bool is_same_hold = segment.entered_ns <= series.left_ns;
  series.left_ns = std::max(series.left_ns, segment.left_ns);
  if (is_same_hold) return;
  if (series.is_told) {
    out.push_back(observation_of({segment, std::move(held)}, series));
    return;
  }
  std::erase_if(series.kept, [&](const Hold& hold) {
    return hold.segment.entered_ns + thresholds.device_delay_within_ns < segment.entered_ns;
  });
  series.kept.push_back({segment, std::move(held)});
  if (series.kept.size() < thresholds.device_delay_holds) return;
  decide(series);
  for (Hold& hold : series.kept) out.push_back(observation_of(std::move(hold), series));
  series.kept.clear();
}

}  // namespace parallax
