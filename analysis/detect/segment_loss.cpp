// Data that entered the device and never left it.
#include <algorithm>
#include <memory>

#include "analysis/detect/detectors.h"
#include "analysis/detect/endings.h"
#include "analysis/detect/fate_observation.h"
#include "analysis/detect/icmp_errors.h"
#include "analysis/detect/idle_drop.h"
#include "analysis/detect/named_answer.h"
#include "analysis/detect/standstills.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

constexpr uint64_t kLostLeast = 3;  // to say that it is a matter of size

// The device had closed the connection toward both ends: closed_by_device says so, and what it had in hand was not lost on the
// way.
bool is_of_close(const Connection& c, const PacketFacts& packet, const DetectorView& view) {
  if (!c.told.contains(FindingKind::closed_by_device)) return false;
  const auto close = device_close(c, view);
  return close && packet.order_ns >= close->closed_ns - view.options.device_timeout_ns;
}

// Beyond the device the connection has never come about: its handshake's finding says why.
bool is_not_open(const Connection& c) {
  return c.told.contains(FindingKind::handshake_ack_mismatch) || c.told.contains(FindingKind::handshake_incomplete);
}

// Its receiver had reset the connection, and the device kept that to itself: then it has forgotten the connection as well, and
// what it does with data for nobody is no fault of its own.
bool is_for_nobody(const Connection& c, const PacketFacts& packet) {
  return c.told.contains(FindingKind::reset_not_forwarded) && had_been_reset(c, packet);
}

// Too large for what lies beyond, and its sender was told so at once, as path MTU discovery has it (RFC 1191); or it had been
// told, and sends no less.
struct RequestForLess {
  const IcmpSighting* icmp = nullptr;  // null: there was none
  bool is_ignored = false;
};

RequestForLess request_for_less(const Connection& c, const PacketFacts& packet) {
  constexpr uint32_t kHeaders = 40;                   // at the least
  constexpr int64_t kObeyedWithinNs = 1'000'000'000;  // what is under way has been sent by then
  RequestForLess found;
  for (const LegState& leg : c.legs) {
    if (leg.point != packet.point) continue;
    for (const IcmpSighting& icmp : leg.icmp) {
      if (icmp.packet.from == packet.from || icmp.error.meaning != IcmpMeaning::too_big) continue;
      // Some routers do not say what would fit: then it is about that segment alone.
      const bool is_too_big =
          icmp.error.mtu == 0 ? icmp.packet.seq == packet.seq : packet.payload_length + kHeaders > icmp.error.mtu;
      if (!is_too_big) continue;
      const int64_t since_ns = packet.order_ns - packet.stamp_uncertainty_ns - icmp.packet.order_ns;
      if (since_ns < -kObeyedWithinNs) continue;
      if (found.icmp == nullptr || since_ns > kObeyedWithinNs) found = {&icmp, since_ns > kObeyedWithinNs};
    }
  }
  return found;
}

// Known once all that passed has been seen. A sender that has its network card cut its data up shows larger segments than it
// sends.
std::optional<PayloadSizes> sizes_of(const Connection& c, const FateEvent& event, const DetectorView& view) {
  const Side sender = event.packet.from;
  for (const LegState& leg : c.legs) {
    if (leg.point != event.absent_at || event.absent_at == event.packet.point) continue;
    const LegSummary& s = leg.summary;
    const bool is_whole_segment = s.mss[opposite(sender)] == 0 || event.packet.payload_length <= s.mss[opposite(sender)];
    if (!leg.has_summary || !s.times.valid || !(leg.over || view.input_ended) || !is_whole_segment) break;
    constexpr uint32_t kStep = 16, kMost = 4'080;  // as FlowTimesSummary has it
    const uint32_t passed = s.times.payload_max[sender];
    if (passed == 0 || passed >= kMost) break;
    return PayloadSizes{event.packet.payload_length, passed + kStep - 1};
  }
  return std::nullopt;
}

void note_loss(Connection& c, const PacketFacts& packet) {
  if (!c.losses) c.losses = std::make_unique<Losses>(Losses{.first_from = packet.from, .wait = {}});
  c.losses->first_ns = std::min(c.losses->first_ns, packet.order_ns);
}

// What the receiver waited for it, beyond what it waited for others. A stall is told, and charged to this, as a whole.
double waited_seconds(Connection& c, const FateEvent& event, const DetectorView& view) {
  const StandstillMark& stall = stall_of(c, view.thresholds).mark;
  const PacketFacts& packet = event.packet;
  if (stall.any() && stall.side == packet.from && packet.time_ns >= stall.since_ns && packet.time_ns <= stall.until_ns) return 0;
  return static_cast<double>(c.losses->wait[packet.from].take(packet, event.repaired_ns)) / 1e9;
}

void fate(Connection& c, const FateEvent& event, const DetectorView& view, Verdicts& out) {
  if (is_not_open(c) || is_of_close(c, event.packet, view) || is_for_nobody(c, event.packet) ||
      is_of_named_answer(c, event.packet) || tells_idle_drop(c, event, view, out))
    return;
  note_loss(c, event.packet);
  c.told.insert(FindingKind::segment_loss);
  Observation o = fate_observation(
      c, event, FindingKind::segment_loss,
      "segment seq " + std::to_string(event.packet.seq) + " length " + std::to_string(event.packet.payload_length));
  o.sizes = sizes_of(c, event, view);
  o.time_lost_seconds = waited_seconds(c, event, view);
  if (const RequestForLess request = request_for_less(c, event.packet); request.icmp != nullptr) {
    o.evidence.push_back(icmp_evidence(*request.icmp));
    o.remark = "Its sender was asked for smaller packets: " + text_of(request.icmp->error) + ".";
    if (request.is_ignored) {
      o.remark += " It went on sending larger ones: it does not obey, or something keeps these errors from it.";
    } else {
      o.severity = Severity::info;
    }
  }
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);

  const bool is_by_size = group.record.count >= kLostLeast && group.sizes && group.sizes->are_apart();
  const std::string by_size =
      is_by_size ? " Smaller ones passed, none of " + std::to_string(group.sizes->least_lost) + " bytes or more did." : "";
  return words.device + " lost " + plural(group.record.count, "data segment") + " from the " + words.sender + " of " +
         words.connections + ": " + words.seen_entering + "." + by_size + words.remark;
}

}  // namespace

const Detector segment_loss = {
    .kind = FindingKind::segment_loss,
    .severity = Severity::warning,
    .other_severities = {{Severity::info, "where an ICMP error had told the sender to send less"}},
    .informs_others = true,
    .fate_type = FateEventType::segment_lost,
    .fate = fate,
    .sentence = sentence,
    .page = {
        .means =
            "TCP segments with data entered the device and never left it. time_lost_seconds is how long their receivers waited "
            "until a copy left it.",
        .needs = "The connection paired across the device, both points covered for the time in which the segment should have "
                 "left, and no acknowledgement of it by its receiver; in files also a sender that sends it again, unless it is "
                 "reset or "
                 "watched for less than 4 s.",
        .errs = "A second path around the far point would look like loss; a direction that was never seen there is not blamed.",
        .next = "Look at the device's interface and policy drop counters; if only large segments vanish, at the MTU beyond it, "
                "and at what the device does with ICMP errors that ask for less."}};

}  // namespace parallax::detect
