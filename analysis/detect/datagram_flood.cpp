// Very many datagrams from one source to one address that does not answer. See DatagramFloods.
#include <algorithm>

#include "analysis/detect/datagram_question.h"
#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/service_port.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

bool is_answered(const Connection& c) {
  return std::any_of(c.legs.begin(), c.legs.end(), [](const LegState& leg) { return leg.established.has_value(); });
}

// Live once it is over: then its summary says all, and nothing is counted twice.
int64_t due_ns(const Connection& c, const DetectorView& view) {
  if (view.options.offline || c.told.contains(FindingKind::datagram_flood) || c.legs_over != c.legs.size()) return kTimeMax;
  return c.client_leg().summary.last_ns + view.options.device_timeout_ns;
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (!c.told.insert(FindingKind::datagram_flood)) return;
  const LegState& a = c.client_leg();
  const LegSummary& s = a.summary;
  if (c.evicted || is_answered(c) || !shows_answers(c, view) || !a.has_summary || a.first.from != Side::client ||
      is_addressed_to_many(a.server.address))
    return;
  Observation o;
  o.kind = FindingKind::datagram_flood;
  o.where = beyond(a.point);
  o.origin = Origin::client;
  o.direction = FindingDirection::client_to_server;
  o.service = a.server;
  o.source = a.client;
  o.is_of_source = true;
  o.connection_id = c.id;
  o.first_ns = s.first_ns;
  o.last_ns = s.last_ns;
  o.confidence = kInferred;
  o.evidence.push_back(
      present_at(a.first, "datagram of " + plural(a.first.payload_length, "byte") + " to " + to_string(a.server)));
  const uint64_t fragments = s.fragments[Side::client];
  out.sent.push_back(
      {std::move(o), {s.packets[Side::client] - std::min<uint64_t>(fragments, s.packets[Side::client]), fragments}});
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const FindingRecord& r = group.record;
  return to_string(*group.only_source) + " beyond " + words.first + " sent " + plural(r.count, "datagram") + " to " +
         (group.one_host && group.host ? to_string(*group.host) : plural(group.hosts.size(), "host")) + " within " +
         duration_of(r.last_seen_ns - r.first_seen_ns) + ", up to " +
         std::to_string(static_cast<uint64_t>(r.rate_per_second.value_or(0))) + " a second, and nothing came back.";
}

}  // namespace

const Detector datagram_flood = {
    .kind = FindingKind::datagram_flood,
    .severity = Severity::warning,
    .informs_others = true,
    .protocol = Protocol::udp,
    .needs = sign::over,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means = "One host sends very many datagrams to one address, from which nothing comes back: an attack, or a program that "
                 "has gone astray.",
        .needs = "{datagram_flood_datagrams} datagrams, {datagram_flood_per_second} a second or more on the average, from one "
                 "address to another (not a multicast group), and no answer to any of these conversations at any point, while "
                 "others who ask from there are answered. Live, once the conversation is over.",
        .errs = "Media, logs or a measurement of throughput that go one way at such a rate look the same.",
        .next = "Look at what runs on the source, and limit what it may send."}};

}  // namespace parallax::detect
