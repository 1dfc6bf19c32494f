// A response that a proxy took in whole and passed on in part, before it closed the client's connection of its own accord.
#include <algorithm>

#include "analysis/connection/relayed_stream.h"
#include "analysis/detect/detectors.h"
#include "analysis/detect/endings.h"
#include "analysis/detect/handshake.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/text.h"
#include "analysis/tcp/tcp_leg.h"

namespace parallax::detect {
namespace {

constexpr double kNotTheProxys = 0.95;  // TLS, which it cannot have changed
constexpr double kSameBeginning = 0.8;  // the first bytes were the same on both sides, and the protocol is not known

// The server has said all of its own accord, and the proxy has acknowledged it. What a server says when the proxy has closed (the
// end of TLS, a farewell) need not be passed on.
bool is_delivered(const LegState& leg) {
  const LegSummary& s = leg.summary;
  const bool is_reset_by_server = (s.flags & leg_flag::reset) && (s.flags & leg_flag::rst_by_server);
  return first_end(s) == 'f' && !is_reset_by_server && s.times.acknowledged[Side::server];
}

// The proxy closed it before the client did, and the client had acknowledged all that it got: it was not too slow to take more.
bool is_cut_by_proxy(const LegState& leg) {
  const char first = first_end(leg.summary);
  return (first == 'f' || first == 'r') && leg.summary.times.acknowledged[Side::server];
}

// What may have been cut; null: nothing, or it is not over.
const Crossing* cut_crossing(const Connection& c) {
  if (c.evicted || c.side_basis == SideBasis::guessed) return nullptr;
  const auto is_cut = [&](const Crossing& crossing) {
    const LegState &client_side = c.legs[crossing.client_leg], &server_side = c.legs[crossing.server_leg];
    return relays_bytes(client_side, server_side, crossing, Side::server) && client_side.over && server_side.over &&
           is_delivered(server_side) && is_cut_by_proxy(client_side);
  };
  const auto found = std::find_if(c.crossings.begin(), c.crossings.end(), is_cut);
  return found == c.crossings.end() ? nullptr : &*found;
}

int64_t last_ns(const Connection& c, const Crossing& crossing) {
  return std::max(c.legs[crossing.client_leg].summary.last_ns, c.legs[crossing.server_leg].summary.last_ns);
}

int64_t due_ns(const Connection& c, const DetectorView& view) {
  if (c.told.contains(FindingKind::message_not_forwarded)) return kTimeMax;
  if (const auto close = device_close(c, view)) return close->closed_ns + view.options.device_timeout_ns;
  const Crossing* crossing = cut_crossing(c);
  return crossing == nullptr ? kTimeMax : last_ns(c, *crossing) + view.options.device_timeout_ns;
}

// "its TLS ServerHello", as far as it was recognised.
std::string name_of_answer(const LegState& server_side, uint64_t left) {
  const bool is_hello =
      left == 0 && server_side.recognised && server_side.recognised->tls && server_side.recognised->tls->server_hello;
  return is_hello ? "its TLS ServerHello" : left == 0 ? "its answer" : "the end of its answer";
}

// What the device had in hand when it closed.
void not_forwarded_at_close(Connection& c, const DeviceClose& close, const DetectorView& view, Verdicts& out) {
  const LegState& client_side = c.legs[close.crossing->client_leg];
  const LegState& server_side = c.legs[close.crossing->server_leg];
  AbsenceProof proof(view.sensor, client_side.point, c.direction_of(Side::server));
  proof.expect(close.closed_ns - close.reaction_ns, std::max(close.closed_ns, client_side.summary.last_ns));
  if (!proof.holds()) return;
  const std::string name = name_of_answer(server_side, close.left);
  const std::string entered = std::to_string(close.entered), left = std::to_string(close.left);
  Observation o;
  o.kind = FindingKind::message_not_forwarded;
  o.where = between(client_side.point, server_side.point);
  o.origin = Origin::device;
  o.direction = FindingDirection::server_to_client;
  o.service = c.client_leg().server;
  o.source = c.client_leg().client;
  o.connection_id = c.id;
  o.first_ns = o.last_ns = close.closed_ns - close.reaction_ns;
  o.confidence = kSure;
  o.severity = Severity::info;  // closed_by_device tells of the close
  o.evidence.push_back({.kind = "payload",
                        .point = server_side.point,
                        .port = std::nullopt,
                        .frame = 0,
                        .time_ns = o.first_ns,
                        .detail = name + ": " + entered + " bytes of the server's entered"});
  o.evidence.push_back(proof.evidence(o.first_ns, left + " of them left before the device closed"));
  o.remark = "the server sent " + name + ", " + entered + " bytes, and " + left + " left toward the client.";
  out.tell(std::move(o));
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (c.told.contains(FindingKind::message_not_forwarded)) return;
  if (const auto close = device_close(c, view)) {
    c.told.insert(FindingKind::message_not_forwarded);
    return not_forwarded_at_close(c, *close, view, out);
  }
  const Crossing* crossing = cut_crossing(c);
  if (crossing == nullptr) return;
  c.told.insert(FindingKind::message_not_forwarded);
  const auto kept = bytes_kept(c, *crossing, Side::server, view.sensor);
  if (kept.value_or(0) == 0) return;
  const LegState &client_side = c.legs[crossing->client_leg], &server_side = c.legs[crossing->server_leg];
  const int64_t entered_ns = server_side.summary.times.last_data_ns, until_ns = last_ns(c, *crossing);
  AbsenceProof proof(view.sensor, client_side.point, c.direction_of(Side::server));
  proof.expect(entered_ns, std::max(entered_ns, until_ns));
  if (!proof.holds()) return;

  const std::string entered = std::to_string(stream_bytes(server_side.summary, Side::server));
  const std::string left = std::to_string(stream_bytes(client_side.summary, Side::server));
  Observation o;
  o.kind = FindingKind::message_not_forwarded;
  o.where = {Where::Kind::between, client_side.point, server_side.point};
  o.origin = Origin::device;
  o.direction = FindingDirection::server_to_client;
  o.service = c.client_leg().server;
  o.source = c.client_leg().client;
  o.connection_id = c.id;
  o.first_ns = o.last_ns = entered_ns;
  o.confidence = relays_tls(client_side, server_side) ? kNotTheProxys : kSameBeginning;
  o.absences = proof.absences();
  o.evidence.push_back({.kind = "sequence",
                        .point = server_side.point,
                        .port = std::nullopt,
                        .frame = 0,
                        .time_ns = entered_ns,
                        .detail = "the server sent " + entered + " bytes and closed; the device acknowledged all"});
  o.evidence.push_back(proof.evidence(entered_ns, std::to_string(*kept) + " of them; " + left +
                                                      " left, all acknowledged by the client, before the device closed"));
  o.remark = "the server sent " + entered + " bytes, and " + left + " left toward the client.";
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);

  if (group.record.where.kind == Where::Kind::unknown)
    return words.connections + std::string(by_number(group.connections, " was", " were")) +
           " closed, and not all data from the server was seen on the client's side." + words.remark;
  return words.device + " closed " + words.connections + " with data from the server still in hand." + words.example;
}

}  // namespace

const Detector message_not_forwarded = {
    .kind = FindingKind::message_not_forwarded,
    .severity = Severity::warning,
    .other_severities = {{Severity::info, "where closed_by_device tells of the close"}},
    .protocol = Protocol::tcp,
    .needs = sign::crossed,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means = "A device that ends both connections itself took in the end of what the server sent, acknowledged it, and "
                 "closed the client's connection without "
                 "having passed it on: what the client has ends too early.",
        .needs = "The two connections paired, their handshakes and all of their bytes seen, both points covered to their end; a "
                 "stream that the proxy relays as it is: TLS that is not its own, or a protocol that is not recognised and "
                 "begins with the same bytes on both sides. The server closed with a FIN, the client had acknowledged all that "
                 "it got, and the proxy was the first to close toward it.",
        .errs = "A gateway that changes the length of a protocol that is not recognised, after the first bytes, looks the same.",
        .next = "Look into the proxy's log for the reason with which it ended the session, and at its timeouts and filters."}};

}  // namespace parallax::detect
