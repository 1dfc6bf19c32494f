// One source tries many hosts or ports, and gets nowhere: a scan, or a program that looks for peers. Told of the source, and not
// of each try. Or many sources do, each a little: what every address of the Internet gets, told once.
#include <algorithm>
#include <optional>

#include "analysis/detect/closed_ports.h"
#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/service_port.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// For the answer to a datagram: round trips within the Internet are shorter; and where a capture ends early, as most of them are.
constexpr int64_t kAnswerWaitNs = 1'000'000'000, kLeastWaitNs = 300'000'000;
constexpr uint32_t kSmallBytes = 512;  // media that is sent to many listeners, who answer nothing, is larger

using End = SourceTries::End;

bool is_datagrams(const LegState& leg) { return leg.protocol == ip_protocol::udp; }
bool is_asked(const Connection& c) { return c.told.contains(FindingKind::fan_out); }

bool is_answered(const Connection& c) {
  return std::any_of(c.legs.begin(), c.legs.end(), [](const LegState& leg) { return leg.established || leg.syn_ack; });
}

// Of an opening the detectors before this one have found out what became of it.
int64_t due_ns(const Connection& c, const DetectorView& view) {
  if (c.evicted || is_asked(c)) return kTimeMax;
  const LegState& a = c.client_leg();
  if (is_datagrams(a)) return a.first.order_ns + (view.input_ended ? kLeastWaitNs : kAnswerWaitNs);
  if (!a.has_syn()) return kTimeMax;
  if (c.told.contains(FindingKind::syn_refused) || c.told.contains(FindingKind::syn_unanswered))
    return a.attempts.front().order_ns;
  return is_answered(c) ? answered_due_ns(a, view) : kTimeMax;
}

// Further on it may bear the name of a device that many clients share.
bool is_under_its_own_name(const Connection& c, const DetectorView& view) {
  const LegState& a = c.client_leg();
  if (c.side_basis == SideBasis::guessed) return !view.knowledge.is_renamed(a.client.address);
  return a.point == (c.client_outer ? 0 : view.options.path.size() - 1);
}

bool may_be_search(const LegState& leg) {
  return leg.first.from == Side::client && leg.first.payload_length <= kSmallBytes && !is_addressed_to_many(leg.server.address);
}

bool is_silence(const Connection& c, const DetectorView& view) {
  const LegState& a = c.client_leg();
  if (!is_datagrams(a)) return Handshake(c, view).answers_absent(a).holds();
  const Direction to_client = c.direction_of(Side::server);
  const int64_t from_ns = a.first.order_ns, to_ns = std::min(from_ns + kAnswerWaitNs, view.now_ns);
  return AbsenceProof(view.sensor, a.point, to_client)
      .unless(view.knowledge.misses(a.point, to_client, from_ns, to_ns), Doubt::not_covered)
      .expect(from_ns, to_ns)
      .holds();
}

// Empty: it is not known.
std::optional<End> end_of(const Connection& c, const DetectorView& view) {
  const LegState& a = c.client_leg();
  if (is_answered(c)) return End::answered;
  if (is_datagrams(a) && !may_be_search(a)) return std::nullopt;
  if (!c.told.contains(FindingKind::syn_refused) && !is_silence(c, view)) return std::nullopt;
  return a.has_syn() && view.knowledge.answers_of(a.point, a.server) == 0 ? End::syn_in_vain : End::in_vain;
}

// Of a point within the path it is not known on which side of it the source is, unless its connections have shown that.
Where place_of(const Connection& c, const DetectorView& view) {
  const PointIndex point = c.client_leg().point;
  const bool is_at_end = point == (c.client_outer ? 0 : view.options.path.size() - 1);
  return is_at_end || c.side_basis != SideBasis::guessed ? beyond(point) : Where{};
}

Observation tried(const Connection& c, End end, const DetectorView& view) {
  const LegState& a = c.client_leg();
  const PacketFacts& first = a.has_syn() ? a.attempts.front() : a.first;
  Observation o;
  o.kind = FindingKind::fan_out;
  o.where = place_of(c, view);
  o.origin = Origin::client;
  o.direction = FindingDirection::client_to_server;
  o.service = a.server;
  o.source = a.client;
  o.is_of_source = true;
  o.connection_id = c.id;
  o.leg_id = c.legs.front().id.value();
  o.first_ns = o.last_ns = first.time_ns;
  o.attempts = o.proved = 1;
  o.confidence = c.side_basis == SideBasis::seen ? kSure : kInferred;
  if (end == End::answered) return o;  // never told
  const std::string what = a.has_syn() ? "SYN" : "datagram of " + plural(first.payload_length, "byte");
  o.evidence.push_back(present_at(first, what + " to " + to_string(a.server)));
  return o;
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (due_ns(c, view) > view.now_ns) return;
  c.told.insert(FindingKind::fan_out);
  const std::optional<End> end = end_of(c, view);
  if (!end) return;
  const bool is_own_name = is_under_its_own_name(c, view);
  if (is_own_name || !view.knowledge.is_renamed(c.client_leg().client.address))
    out.tried.push_back({tried(c, *end, view), *end, is_own_name});
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const FindingRecord& r = group.record;
  const std::string beyond_it = r.where.kind == Where::Kind::beyond ? " beyond " + words.first : "";
  const std::string at_least = group.proved < group.attempts || group.is_full() ? "at least " : "";
  if (group.is_of_place)
    return plural(group.sources.size(), "source") + beyond_it + " tried " + at_least + plural(group.ports.size(), "closed port") +
           " of " + plural(group.hosts.size(), "host") + ": " + plural(group.attempts, "attempt") +
           std::string(by_number(group.attempts, ", ", ", all ")) + "refused or unanswered. " +
           std::string(by_number(group.ports.size(), "This port", "These ports")) +
           " accepted nobody, and no source tried one more than " + std::to_string(ClosedPorts::kTriesMost) + " times.";
  return to_string(*group.only_source) + beyond_it + " tried " + at_least + plural(group.hosts.size(), "host") + " and " +
         plural(group.ports.size(), "port") + " within " + duration_of(r.last_seen_ns - r.first_seen_ns) + ": " +
         plural(group.attempts, "attempt") + ", all of them refused or unanswered.";
}

}  // namespace

const Detector fan_out = {
    .kind = FindingKind::fan_out,
    .severity = Severity::info,
    .informs_others = true,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means =
            "One host opened connections or sent small datagrams to many hosts and many ports, and got no conversation out of "
            "them: a scan, or a peer-to-peer program that looks for its peers. One finding for each source. Or many sources of "
            "the Internet tried closed ports, each a little, as they do with every public address: one finding for them all. "
            "Told in place of syn_refused and syn_unanswered for ports that accepted nobody.",
        .needs =
            "{fan_out_tries} tries in vain within {fan_out_within}, each at another host and another port, and at least "
            "{fan_out_percent} % of all its tries in vain: refused, or not answered while the point nearest to the source "
            "covered the time (1 s after a datagram, 0.3 s at the end of a capture). Of TCP ports that accepted nobody as many "
            "ports are enough, four of them below 1024. Many hosts on one port, as a resolver, a proxy or a browser asks them, "
            "are none. Many sources are four and more within an hour, each at another TCP port that accepted nobody, none of "
            "them private addresses, or with more than three connections to one port, or clients of that host: served by it six "
            "times as often as not, or by its FTP, RTSP, H.323 or portmapper service, which tell of further ports. Who goes on "
            "trying "
            "wants the service, and its refusal stays a warning, as does a client's, that of a port to which sources come back, "
            "three times in all or more, and that of a port that has accepted somebody.",
        .errs = "A NAT or proxy whose own clients are not watched is told in their place. A server whose clients never answer, "
                "met in its midst, looks like a source. Answers may take a path that is not watched. A service that is down "
                "during the whole capture, and that hardly any of its clients asks for again while others scan, looks like a "
                "closed port.",
        .next = "Look at what runs on that host. An inventory or monitoring system does the same on purpose. Of many sources: "
                "nothing, unless one of the ports should be open."}};

}  // namespace parallax::detect
