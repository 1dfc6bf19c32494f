// One direction of a connection passes a point, and the other does not.
#include <algorithm>

#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

constexpr uint32_t kPacketsLeast = 3;  // of a direction, at either place: a handshake and something more

struct OneSided {
  const LegState *leg = nullptr, *whole = nullptr;  // where a direction is missing; where both were seen, null: nowhere
  Side missing = Side::client;
};

// The leg's packets of one side, though they go on as only the other side's answers let them.
std::optional<Side> missing_at(const LegState& leg) {
  if (!leg.has_summary || leg.evicted || leg.protocol != ip_protocol::tcp) return std::nullopt;
  for (const Side side : kSides) {
    const bool goes_on = side == Side::server ? leg.has_syn() && leg.established && !leg.syn_ack : leg.syn_ack && !leg.has_syn();
    if (goes_on && leg.summary.packets[side] == 0 && leg.summary.packets[opposite(side)] >= kPacketsLeast) return side;
  }
  return std::nullopt;
}

OneSided one_sided(const Connection& c) {
  OneSided found;
  for (const LegState& leg : c.legs) {
    if (const auto missing = missing_at(leg); missing && found.leg == nullptr) found = {&leg, nullptr, *missing};
  }
  if (found.leg == nullptr) return {};
  for (const LegState& leg : c.legs) {
    const bool is_whole = leg.has_summary && leg.summary.packets[Side::client] >= kPacketsLeast - 1 &&
                          leg.summary.packets[Side::server] >= kPacketsLeast - 1;
    if (is_whole && found.whole == nullptr) found.whole = &leg;
  }
  return found;
}

int64_t due_ns(const Connection& c, const DetectorView& view) {
  const bool is_over = std::all_of(c.legs.begin(), c.legs.end(), [](const LegState& leg) { return leg.over; });
  if (!is_over || c.evicted || view.options.filtered || c.told.contains(FindingKind::asymmetric_path)) return kTimeMax;
  const OneSided found = one_sided(c);
  return found.leg == nullptr ? kTimeMax : found.leg->summary.last_ns + view.options.device_timeout_ns;
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (c.evicted || c.told.contains(FindingKind::asymmetric_path) || view.options.filtered) return;
  const OneSided found = one_sided(c);
  if (found.leg == nullptr) return;
  c.told.insert(FindingKind::asymmetric_path);
  const LegState& leg = *found.leg;
  // A point that shows that direction of no connection at all is a mirror of the other one. Another point must tell that it is
  // not.
  const Direction missing = c.direction_of(found.missing);
  if (found.whole == nullptr && view.knowledge.misses(leg.point, missing, leg.summary.first_ns, leg.summary.last_ns)) return;
  AbsenceProof proof(view.sensor, leg.point, missing);
  if (!proof.expect(leg.summary.first_ns, leg.summary.last_ns).holds()) return;
  Observation o;
  o.kind = FindingKind::asymmetric_path;
  o.where = beyond(leg.point);
  o.direction = found.missing == Side::client ? FindingDirection::client_to_server : FindingDirection::server_to_client;
  o.connection_id = c.id;
  o.first_ns = leg.summary.first_ns;
  o.last_ns = leg.summary.last_ns;
  o.attempts = o.proved = leg.summary.packets[opposite(found.missing)];
  o.confidence = found.whole != nullptr ? kSure : kInferred;
  o.evidence.push_back(proof.evidence(
      leg.summary.first_ns, "no packet of the " +
                                std::string(name_of(found.missing == Side::client ? Origin::client : Origin::server)) + ", and " +
                                plural(o.attempts, "packet") + " of the other end"));
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const bool is_between = group.record.where.kind == Where::Kind::between, is_one = group.connections == 1;
  return "Only the " + words.receiver + (is_one ? "'s" : "s'") + " packets of " + plural(group.connections, "connection") +
         " were seen " + (is_between ? "between " + words.first + " and " + words.second : "at " + words.first) + ": the " +
         words.sender + (is_one ? "'s" : "s'") +
         ", which arrive, take another path, or the mirror there shows one direction only. No loss is claimed.";
}

}  // namespace

const Detector asymmetric_path = {
    .kind = FindingKind::asymmetric_path,
    .severity = Severity::notice,
    .protocol = Protocol::tcp,
    .needs = sign::over,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means = "A point showed one direction of connections and never the other, which goes on all the same: routes differ by "
                 "direction, a failover has moved one of them, or the mirror shows one direction only. Losses, resets and "
                 "silence in the direction that is not seen are claimed by no finding.",
        .needs =
            "A connection's opening at the point, three packets or more of one side that go on after it, none of the other, and "
            "the point covered meanwhile. With a filter nothing is said.",
        .errs = "A single point that shows one direction of everything is taken for a mirror of that direction, and not told.",
        .next = "Compare the routes of both directions, the state of a cluster's members, and what the mirror is set to copy."}};

}  // namespace parallax::detect
