// Data that was sent again although it had arrived.
#include <algorithm>

#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/detect/standstills.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

struct Needless {
  const LegState* leg = nullptr;  // null: none worth telling
  Side sender = Side::client;
  uint32_t count = 0, packets = 0;
};

// As the leg nearest to the sender shows it: there an acknowledgement that has passed is nearly back.
Needless needless_of(const Connection& c, const Thresholds& t) {
  Needless most;
  for (const Side sender : kSides) {
    const LegState* nearest = nullptr;
    for (const LegState& leg : c.legs) {
      if (leg.has_summary && (nearest == nullptr || comes_before(c, leg, *nearest, sender))) nearest = &leg;
    }
    if (nearest == nullptr) continue;
    const uint32_t count = nearest->summary.needless[sender], packets = nearest->summary.packets[sender];
    const bool are_many =
        count >= t.spurious_retransmission_segments && is_share(count, packets, t.spurious_retransmission_percent);
    if (are_many && count > most.count) most = {nearest, sender, count, packets};
  }
  return most;
}

int64_t due_ns(const Connection& c, const DetectorView& view) {
  const bool is_over = std::all_of(c.legs.begin(), c.legs.end(), [](const LegState& leg) { return leg.over; });
  if (!is_over || c.told.contains(FindingKind::spurious_retransmission)) return kTimeMax;
  const Needless needless = needless_of(c, view.thresholds);
  return needless.leg == nullptr ? kTimeMax : needless.leg->summary.last_ns;
}

// The sender's timer ran out before its acknowledgement was back: round trips from the point to the receiver differ so much that
// a timer made for the short ones (no sender has one below 200 ms) cannot wait for the long ones.
bool is_by_timer(const FlowTimesSummary::Trip& trip) {
  constexpr int64_t kTimerLeastNs = 200'000'000, kMuchLonger = 4;
  return trip.samples > 0 && trip.max_ns >= kTimerLeastNs && trip.max_ns >= kMuchLonger * trip.min_ns;
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (!view.input_ended && due_ns(c, view) == kTimeMax) return;
  const Needless needless = needless_of(c, view.thresholds);
  if (needless.leg == nullptr || c.told.contains(FindingKind::spurious_retransmission)) return;
  c.told.insert(FindingKind::spurious_retransmission);
  const LegState& leg = *needless.leg;
  Observation o;
  o.kind = FindingKind::spurious_retransmission;
  o.where = beyond(leg.point);
  o.direction = needless.sender == Side::client ? FindingDirection::client_to_server : FindingDirection::server_to_client;
  o.service = c.client_leg().server;
  o.source = c.client_leg().client;
  o.connection_id = c.id;
  o.first_ns = leg.summary.first_ns;
  o.last_ns = leg.summary.last_ns;
  o.count = o.proved = needless.count;
  o.attempts = needless.packets;
  o.confidence = kInferred;
  if (!is_share(needless.count, needless.packets, view.thresholds.spurious_retransmission_notice_percent))
    o.severity = Severity::info;
  o.evidence.push_back(
      {.kind = "sequence",
       .point = leg.point,
       .port = std::nullopt,
       .frame = 0,
       .time_ns = leg.summary.first_ns,
       .detail = std::to_string(needless.count) + " of " + plural(needless.packets, "packet") +
                 " repeat what had been acknowledged before, or what the receiver reports to have had already (D-SACK)"});
  const auto& trip = leg.summary.times.trips[opposite(needless.sender)];
  if (is_by_timer(trip)) {
    o.origin = needless.sender == Side::client ? Origin::client : Origin::server;
    o.remark = "Round trips from " + view.options.path[leg.point] + " took " + duration_of(trip.min_ns) + " to " +
               duration_of(trip.max_ns) + ": its timer ran out before the ACK was back.";
  }
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);

  return "The " + words.sender + " of " + words.connections + " repeated " + plural(group.record.count, "segment") +
         " that had arrived (" + percent(group.record.count, group.attempts) + " of its packets)." + words.remark;
}

}  // namespace

const Detector spurious_retransmission = {
    .kind = FindingKind::spurious_retransmission,
    .severity = Severity::notice,
    .other_severities = {{Severity::info, "below {spurious_retransmission_notice_percent} % of the packets"}},
    .protocol = Protocol::tcp,
    .needs = sign::over,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means =
            "A sender repeated data that had arrived. Nothing was lost, but it costs bandwidth, and the sender slows down as if "
            "there had been a loss.",
        .needs = "{spurious_retransmission_segments} such segments of one side of a connection, and "
                 "{spurious_retransmission_percent} % of its packets: repeated after their acknowledgement had passed the point "
                 "nearest to the sender, or reported by the receiver as come twice (D-SACK).",
        .errs = "An acknowledgement that is lost between the point and the sender has the same effect. So nobody is named unless "
                "round trips tell that the sender's timer was too short for them.",
        .next =
            "Compare the sender's retransmission timer with the round trips: they are named. Very uneven ones come from queues "
            "(bufferbloat), Wi-Fi or a VPN."}};

}  // namespace parallax::detect
