// A device that holds segments back at regular intervals: it shapes the traffic. Found among what device_delay sees (see
// HeldSegments).
#include <algorithm>

#include "analysis/detect/detectors.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const FindingRecord& r = group.record;
  const double lost = r.time_lost_seconds.value_or(0);
  return words.device + " delayed data from the " + words.sender + " of " + words.connections + " " + plural(r.count, "time") +
         ", as a shaper does: every " + seconds_of(r.period_seconds.value_or(0)) + " by " +
         seconds_of(lost / static_cast<double>(std::max<uint64_t>(1, r.count))) + ", " + seconds_of(lost) + " in all." +
         words.example;
}

}  // namespace

const Detector device_shaping = {
    .kind = FindingKind::device_shaping,
    .severity = Severity::warning,
    .is_of_memory = true,
    .sentence = sentence,
    .page = {
        .means =
            "The device held segments back again and again, each time for about as long, after about as much time or as many "
            "bytes: so does one that shapes the traffic or limits its rate.",
        .needs = "What device_delay needs; of the first {device_delay_holds} holds the delays within a quarter of each other, "
                 "and so the times between them or the bytes between them.",
        .errs = "A device that waits for something else at such intervals (more data to inspect, a timer) looks the same.",
        .next = "Look at the device's QoS policies for that traffic, and at what it waits for after so many bytes."}};

}  // namespace parallax::detect
