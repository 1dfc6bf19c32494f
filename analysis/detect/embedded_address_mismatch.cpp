// A server that names another address than the one that it was asked under: in FTP's passive mode, or an RPC endpoint mapper. The
// client connects there, or a device that looks into the protocol does not let the answer pass.
#include <algorithm>

#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/detect/named_answer.h"
#include "analysis/model/text.h"
#include "analysis/protocol/named_address.h"

namespace parallax::detect {
namespace {

constexpr auto kKind = FindingKind::embedded_address_mismatch;

bool has_names(const LegState& leg) { return leg.recognised && !leg.recognised->names.empty(); }

// The first name in the leg that is not the server's own as its point sees it; null: there is none.
const RecognisedName* mismatch_of(const LegState& leg) {
  if (!has_names(leg)) return nullptr;
  const auto& names = leg.recognised->names;
  const auto is_other = [&](const RecognisedName& name) {
    const auto ip = name.end.address.end() - 4;
    const bool is_any = std::all_of(ip, name.end.address.end(), [](uint8_t byte) { return byte == 0; });
    const bool is_mappers = name.code != kEndpointMapperPort || leg.server.port == kEndpointMapperPort;
    return is_mappers && !is_any && name.end.port != 0 && name.end.address != leg.server.address;
  };
  const auto found = std::find_if(names.begin(), names.end(), is_other);
  return found == names.end() ? nullptr : &*found;
}

const char* message_of(const RecognisedName& name) {
  return name.code == kEndpointMapperPort ? "an endpoint map" : "an FTP reply 227";
}

int64_t due_ns(const Connection& c, const DetectorView& view) {
  if (view.options.offline || c.evicted || c.told.contains(kKind) || c.legs_over != c.legs.size() ||
      std::none_of(c.legs.begin(), c.legs.end(), has_names))
    return kTimeMax;
  return c.server_leg().summary.last_ns + 2 * view.options.device_timeout_ns;
}

// That the answer did not come to the client's point, which shows the connection.
AbsenceProof not_passed_on(const Connection& c, const RecognisedName& name, const DetectorView& view) {
  const PointIndex point = c.client_leg().point;
  const Direction to_client = c.direction_of(Side::server);
  const int64_t to_ns = name.order_ns + view.options.device_timeout_ns;
  AbsenceProof proof(view.sensor, point, to_client);
  proof.unless(c.side_basis == SideBasis::guessed, Doubt::path_unknown)
      .unless(view.knowledge.misses(point, to_client, name.order_ns, to_ns), Doubt::not_covered)
      .expect(name.order_ns, to_ns);
  return proof;
}

Observation observation_of(const Connection& c, const LegState& leg, const RecognisedName& name) {
  Observation o;
  o.kind = kKind;
  o.direction = FindingDirection::server_to_client;
  o.service = c.client_leg().server;
  o.connection_id = c.id;
  o.first_ns = o.last_ns = name.order_ns;
  o.confidence = kInferred;
  const std::string named = std::string(message_of(name)) + " names " + to_string(name.end);
  o.evidence.push_back({.kind = "payload",
                        .point = leg.point,
                        .port = std::nullopt,
                        .frame = 0,
                        .time_ns = name.order_ns,
                        .detail = named + ", while the server that was asked is " + to_string(leg.server.address)});
  o.remark = named + '.';
  return o;
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (c.evicted || !c.told.insert(kKind)) return;
  const LegState &a = c.client_leg(), &b = c.server_leg();
  const bool is_two_sided = a.point != b.point && c.side_basis != SideBasis::guessed;
  if (const RecognisedName* name = mismatch_of(b)) {
    Observation o = observation_of(c, b, *name);
    o.where = beyond(b.point);
    o.origin = Origin::server;
    o.severity = Severity::notice;  // it may well be reached there, too
    if (is_two_sided && !has_names(a)) {
      if (const AbsenceProof proof = not_passed_on(c, *name, view); proof.holds()) {
        o.severity = Severity::warning;
        o.absences = proof.absences();
        o.evidence.push_back(proof.evidence(
            name->order_ns, "the answer did not come there within " + duration_of(view.options.device_timeout_ns)));
        o.remark +=
            " The device between " + view.options.path[a.point] + " and " + view.options.path[b.point] + " did not forward it.";
      }
    }
    out.tell(std::move(o));
    return;
  }
  const RecognisedName* name = is_two_sided && has_names(b) ? mismatch_of(a) : nullptr;
  if (name == nullptr) return;
  Observation o = observation_of(c, a, *name);
  o.where = between(a.point, b.point);
  o.origin = Origin::device;
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  if (group.record.where.kind == Where::Kind::between)
    return words.device + " rewrote the server's address on " + words.connections + ", but not within its " +
           std::string(by_number(group.connections, "answer", "answers")) + "." + words.example;
  return "The server beyond " + words.first + " named another address in its " +
         std::string(by_number(group.connections, "answer", "answers")) + " on " + words.connections + "." + words.example;
}

}  // namespace

bool is_of_named_answer(const Connection& c, const PacketFacts& packet) {
  const LegState& b = c.server_leg();
  const RecognisedName* name = packet.from == Side::server && packet.point == b.point ? mismatch_of(b) : nullptr;
  return name != nullptr && name->seq - packet.seq < packet.payload_length;
}

bool is_named_answer_kept(const Connection& c) {
  const LegState &a = c.client_leg(), &b = c.server_leg();
  return a.point != b.point && !has_names(a) && mismatch_of(b) != nullptr;
}

const Detector embedded_address_mismatch = {
    .kind = kKind,
    .severity = Severity::warning,
    .other_severities = {{Severity::notice, "where the device has passed the answer on, or that is not known"}},
    .protocol = Protocol::tcp,
    .needs = sign::over,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means = "In its answer a server told the client to connect to an address that is not the one that it was asked under: a "
                 "load balancer or a NAT has rewritten the packets' addresses and not the one within, or the server has "
                 "several. Clients fail to connect there, and devices that inspect the protocol drop such answers.",
        .needs =
            "FTP's reply 227, or the answer of an RPC endpoint mapper (port 135), in clear text. A notice if no more is known, "
            "as servers may well be reached under the other address; a warning where the device did not pass the answer on, "
            "or where it rewrites the server's address itself.",
        .errs = "A server that names another one on purpose, which the client can reach, is no fault.",
        .next = "Switch on the device's helper for that protocol, have the server name its public address, or allow such answers "
                "in the device that inspects them."}};

}  // namespace parallax::detect
