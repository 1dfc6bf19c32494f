// A device closed a connection of its own accord, toward both ends: each of them saw the other one close.
#include "analysis/detect/detectors.h"
#include "analysis/detect/endings.h"
#include "analysis/detect/handshake.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

int64_t due_ns(const Connection& c, const DetectorView& view) {
  if (c.told.contains(FindingKind::closed_by_device)) return kTimeMax;
  const auto close = device_close(c, view);
  return close ? close->closed_ns + view.options.device_timeout_ns : kTimeMax;
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  const auto close = device_close(c, view);
  if (!close || c.told.contains(FindingKind::closed_by_device)) return;
  c.told.insert(FindingKind::closed_by_device);
  // What was told of the answer as a loss: it was the close.
  const bool is_loss_told = c.losses && c.losses->first_from == Side::server;
  if (is_loss_told && c.losses->first_ns >= close->closed_ns - view.options.device_timeout_ns)
    out.withdraw(FindingKind::segment_loss, c.id);
  const LegState& client_side = c.legs[close->crossing->client_leg];
  const LegState& server_side = c.legs[close->crossing->server_leg];
  const auto evidence = [](std::string kind, PointIndex point, int64_t time_ns, std::string detail) {
    return Evidence{.kind = std::move(kind),
                    .point = point,
                    .port = std::nullopt,
                    .frame = 0,
                    .time_ns = time_ns,
                    .detail = std::move(detail)};
  };
  Observation o;
  o.kind = FindingKind::closed_by_device;
  o.where = between(client_side.point, server_side.point);
  o.origin = Origin::device;
  o.direction = FindingDirection::both;
  o.service = c.client_leg().server;
  o.source = c.client_leg().client;
  o.connection_id = c.id;
  o.first_ns = o.last_ns = close->closed_ns;
  o.confidence = kSure;
  o.evidence.push_back(evidence("sequence", server_side.point, close->closed_ns,
                                "the client seems to close here first; nearer to it the server does"));
  if (close->client_ns && close->reaction_ns < *close->client_ns) {
    o.evidence.push_back(evidence("timing", server_side.point, close->closed_ns,
                                  "FIN " + duration_of(close->reaction_ns) +
                                      " after the server's data, while the client's round trip is " +
                                      duration_of(*close->client_ns) + ": it cannot come from there"));
    o.remark = "the FIN came " + duration_of(close->reaction_ns) + " after the server's data, and the client is " +
               duration_of(*close->client_ns) + " away.";
  }
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);

  return words.device + " closed " + words.connections + " toward both ends; each saw the other close." + words.example +
         view.opened_from.remark_for(group, view.options.path);
}

}  // namespace

const Detector closed_by_device = {
    .kind = FindingKind::closed_by_device,
    .severity = Severity::warning,
    .informs_others = true,
    .protocol = Protocol::tcp,
    .needs = sign::crossed,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means =
            "A device between two points closed a connection toward both of its ends before either of them had closed, while it "
            "held an answer of the server's that it had not passed on: each end's own log says that the other one closed.",
        .needs =
            "Both legs with their handshakes and FINs, both points covered throughout; bytes of the server's that entered the "
            "device and did not leave it. That the FIN follows the server's data faster than the client could have sent "
            "it is named as evidence (timing).",
        .errs =
            "A proxy that closes both sides when it has nothing more to pass on is not told. A device with a third side may have "
            "been told to close by something that is not watched.",
        .next = "Look into the device's log of that time: inspection, policy and protocol checks close connections so. What it "
                "did not "
                "pass on stands in message_not_forwarded."}};

}  // namespace parallax::detect
