// A packet that left the device under an address that it should have rewritten, or should not have.
#include <algorithm>

#include "analysis/detect/detectors.h"
#include "analysis/detect/fate_observation.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/address_text.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// Whether the packet bears the name that the connection has at that point: then it is one of its own, of a leg that the sensor
// has lost sight of. It was not lost, and nothing was wrong with its translation.
bool bears_own_name(const Connection& c, const Stranger& stranger) {
  return std::any_of(c.legs.begin(), c.legs.end(), [&](const LegState& leg) {
    return leg.point == stranger.packet.point && ((leg.client == stranger.source && leg.server == stranger.destination) ||
                                                  (leg.client == stranger.destination && leg.server == stranger.source));
  });
}

struct Name {
  Endpoint source, destination;
  bool operator==(const Name&) const = default;
};
std::string to_string(const Name& name) { return to_string(name.source) + " > " + to_string(name.destination); }

// Of what the side sends.
Name name_on(const LegState& leg, Side from) {
  return from == Side::client ? Name{leg.client, leg.server} : Name{leg.server, leg.client};
}

// Where the packet entered, and as what its leg goes on beyond the device.
struct Way {
  const LegState *entered = nullptr, *left = nullptr;
};
Way way_of(const Connection& c, const FateEvent& event) {
  for (const Crossing& crossing : c.crossings) {
    const LegState &client_side = c.legs[crossing.client_leg], &server_side = c.legs[crossing.server_leg];
    const bool from_client = event.packet.from == Side::client;
    const Way way{from_client ? &client_side : &server_side, from_client ? &server_side : &client_side};
    if (way.entered->point == event.packet.point && way.left->point == event.absent_at) return way;
  }
  return {};
}

// "the destination 192.0.2.1:80 became 192.0.2.9:80", of each end that should have become something else.
std::string rewriting_of(const Name& entered, const Name& left, const Name& shown) {
  std::string text;
  const auto add = [&](std::string_view what, const Endpoint& was, const Endpoint& right, const Endpoint& became) {
    if (right == became) return;
    text += (text.empty() ? "the " : " and the ") + std::string(what) + " " + to_string(was) +
            (was == became ? " was left as it is" : " became " + to_string(became));
  };
  add("source", entered.source, left.source, shown.source);
  add("destination", entered.destination, left.destination, shown.destination);
  return text;
}

void fate(Connection& c, const FateEvent& event, const DetectorView& view, Verdicts& out) {
  const Stranger* stranger = view.strangers.find(event, view.options.device_timeout_ns);
  if (stranger == nullptr || bears_own_name(c, *stranger)) return;
  c.told.insert(FindingKind::translation_missed);
  const std::string name = "seq " + std::to_string(event.packet.seq) + " length " + std::to_string(event.packet.payload_length);
  Observation o = fate_observation(c, event, FindingKind::translation_missed, name);
  o.evidence.pop_back();  // it is not absent there: it bears another name
  const Name shown{stranger->source, stranger->destination};
  const Way way = way_of(c, event);
  const bool is_rewritten = way.entered != nullptr && name_on(*way.entered, event.packet.from) != shown;
  std::string detail = "the same packet, untranslated: " + to_string(shown);
  if (is_rewritten) {
    const Name entered = name_on(*way.entered, event.packet.from), left = name_on(*way.left, event.packet.from);
    detail = "the same packet as " + to_string(shown) + ", where others are " + to_string(left);
    o.remark = rewriting_of(entered, left, shown) + ".";
  }
  o.evidence.push_back(present_at(stranger->packet, detail));
  out.tell(std::move(o));
}

// Its receiver's RST answers it.
FindingKinds explains(const Observation& o) {
  return {o.direction == FindingDirection::client_to_server ? FindingKind::reset_by_server : FindingKind::reset_by_client};
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);

  const std::string packets = plural(group.record.count, "packet") + " from the " + words.sender + " of " + words.connections;
  if (!words.example.empty())
    return words.device + " gave " + packets + " a wrong address, as seen at " + words.target + "." + words.example;
  return words.device + " forwarded " + packets + " without translation, as seen at " + words.target + ": the " + words.receiver +
         " knows no such connection.";
}

}  // namespace

const Detector translation_missed = {
    .kind = FindingKind::translation_missed,
    .severity = Severity::warning,
    .informs_others = true,
    .explains = explains,
    .fate_type = FateEventType::left_untranslated,
    .fate = fate,
    .sentence = sentence,
    .page = {
        .means = "A packet of a translated connection left the device with addresses or ports that were not rewritten; or one of "
                 "any connection with others than its other packets, which the sentence then names. Its "
                 "receiver knows no such connection and answers with a RST, of which reset_by_client or reset_by_server "
                 "does not tell then.",
        .needs = "The connection paired across the device, and the packet seen at the far point under the wrong name: the same "
                 "sequence and acknowledgement number, length, flags and IP ID. Of a connection that nobody knows the first 32 "
                 "packets are compared; what goes on beyond them is told neither as this nor as lost.",
        .errs = "Two packets that agree in all of these by chance.",
        .next = "Where an address was left as it is: connection tracking that takes a packet for invalid forwards it without "
                "translation; drop invalid packets, or let it be liberal about windows (nf_conntrack_tcp_be_liberal). Where it "
                "became a wrong one: look for a rule that chooses anew for each packet, or whose entry had expired (a load "
                "balancer's, a flow table's)."}};

}  // namespace parallax::detect
