// A station that asks for very many addresses at once: a scan of its own network, or a program that looks for all its neighbours.
#include "analysis/detect/detectors.h"
#include "analysis/model/model.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const FindingRecord& r = group.record;
  const int64_t lasted_ns = r.last_seen_ns - r.first_seen_ns;
  const int64_t within_ns = view.thresholds.arp_burst_within_ns;
  return "Station " + (group.only_source ? to_string(*group.only_source) : "?") + " at " + words.first + " sent " +
         plural(r.count, "ARP request") + " within " + duration_of(lasted_ns) +
         (lasted_ns > within_ns ? ", in bursts of at least " + std::to_string(view.thresholds.arp_burst_requests) + " within " +
                                      duration_of(within_ns) + "."
                                : ".");
}

}  // namespace

const Detector arp_burst = {
    .kind = FindingKind::arp_burst,
    .severity = Severity::notice,
    .is_of_memory = true,
    .sentence = sentence,
    .page = {
        .means = "A station asked for very many addresses of its network at once.",
        .needs = "ARP at a point: {arp_burst_requests} requests of one station, each for another address than the one before, "
                 "within {arp_burst_within}.",
        .errs = "A router behind which a whole network wakes up, and a monitoring system, do so of right.",
        .next = "Look at what runs on that station: a worm, a scanner, or a program that discovers its neighbours. Switches that "
                "limit ARP may disconnect it."}};

}  // namespace parallax::detect
