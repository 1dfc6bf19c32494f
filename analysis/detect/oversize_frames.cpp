// Segments that are larger than their receiver had said it takes: the host at which they were captured puts them together, or has
// its network card cut them up. Nothing on the wire is that large.
#include <algorithm>

#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

constexpr auto kKind = FindingKind::oversize_frames;

// Of either side: the largest segment of a leg that was seen from its beginning; 0: none is too large.
uint32_t oversize(const LegState& leg) {
  const LegSummary& s = leg.summary;
  if (leg.midstream || !leg.has_summary || !s.times.valid) return 0;
  uint32_t largest = 0;
  for (const Side sender : kSides) {
    const uint32_t takes = s.mss[opposite(sender)];
    if (takes > 0 && s.times.payload_max[sender] > takes) largest = std::max<uint32_t>(largest, s.times.payload_max[sender]);
  }
  return largest;
}

int64_t due_ns(const Connection& c, const DetectorView& view) {
  if (view.options.offline || c.told.contains(kKind) || c.legs_over != c.legs.size()) return kTimeMax;
  return c.client_leg().summary.last_ns + 2 * view.options.device_timeout_ns;
}

void look(Connection& c, const DetectorView&, Verdicts& out) {
  if (!c.told.insert(kKind)) return;
  for (const LegState& leg : c.legs) {
    const uint32_t largest = oversize(leg);
    if (largest == 0) continue;
    Observation o;
    o.kind = kKind;
    o.where = beyond(leg.point);
    o.origin = Origin::sensor;
    o.connection_id = c.id;
    o.first_ns = leg.summary.first_ns;
    o.last_ns = leg.summary.last_ns;
    o.confidence = kSure;
    const std::string detail = std::to_string(largest) + " bytes or more where the MSS is " +
                               std::to_string(std::min(leg.summary.mss[Side::client], leg.summary.mss[Side::server]));
    o.evidence.push_back({.kind = "payload",
                          .point = leg.point,
                          .port = std::nullopt,
                          .frame = 0,
                          .time_ns = o.first_ns,
                          .detail = "segments of " + detail});
    o.remark = "there are " + detail + ".";
    out.tell(std::move(o));
  }
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  return "The capture at " + words.first + " shows segments of " + plural(group.connections, "connection") + " larger than " +
         std::string(by_number(group.connections, "its receiver accepts", "their receivers accept")) +
         ", as with offload (TSO, GRO): no device is to blame." + words.example;
}

}  // namespace

const Detector oversize_frames = {
    .kind = kKind,
    .severity = Severity::info,
    .protocol = Protocol::tcp,
    .needs = sign::over,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means =
            "The capture shows TCP segments with more data than the receiver's MSS. They were captured on a host that offloads "
            "the cutting up and putting together of segments to its network card or its driver.",
        .needs = "A connection seen from its beginning, and the MSS that its ends have offered.",
        .errs = "A device behind the point that makes the offered MSS smaller on its way to the sender only would look the same.",
        .next =
            "Nothing is wrong with the network. Capture at a TAP, or switch offload off (`ethtool -K`), if each packet is to be "
            "seen as it was on the wire: sizes, times and checksums are not those of the wire."}};

}  // namespace parallax::detect
