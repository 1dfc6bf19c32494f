// A device forgot a connection that was idle: what came after the silence ended in it, or was answered with a RST of its own.
#include <algorithm>

#include "analysis/detect/detectors.h"
#include "analysis/detect/fate_observation.h"
#include "analysis/detect/idle_drop.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// Devices forget sooner, too, but the timeouts that people set for TCP begin at a minute.
constexpr int64_t kUsualTimeoutNs = 60'000'000'000;
constexpr double kSureOfIt = 0.95, kShortSilence = 0.8;
// In which a device answers what it does not know.
constexpr int64_t kAnswerNs = 1'000'000'000;

const LegState* leg_at(const Connection& c, PointIndex point) {
  const auto found = std::find_if(c.legs.begin(), c.legs.end(), [&](const LegState& leg) { return leg.point == point; });
  return found == c.legs.end() ? nullptr : &*found;
}

// The data after the silence, where nothing of that side has been seen beyond the device since; null: another story.
const LegState* silent_leg(const Connection& c, PointIndex near, PointIndex far, Side sender, int64_t now_ns) {
  if (near == far) return nullptr;
  const LegState *own = leg_at(c, near), *other = leg_at(c, far);
  if (own == nullptr || other == nullptr || !own->resumed() || own->resumed()->from != sender ||
      own->resumed()->order_ns > now_ns)
    return nullptr;
  // What came first beyond it: of this side it has crossed, of the other side it hides whether anything has.
  const bool has_gone_on =
      other->resumed() != nullptr && other->resumed()->order_ns > own->resumed()->order_ns - own->stops->silence_ns;
  return has_gone_on ? nullptr : own;
}

// The losses told of it until now, if any, come after the silence.
bool is_first_loss(const Connection& c, const LegState& leg) { return c.first_lost_ns() >= leg.resumed()->order_ns; }

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);

  return words.device + " forgot " + words.connections + ", idle for " + group.durations_text() + ", and dropped " +
         plural(group.record.count, "data segment") + " from the " + words.sender + ": " + words.seen_entering + "." +
         words.remark;
}

}  // namespace

bool tells_idle_drop(Connection& c, const FateEvent& event, const DetectorView& view, Verdicts& out) {
  const bool is_answer = event.type == FateEventType::reset_by_device;
  const PacketFacts& packet = event.packet;
  const Side sender = is_answer ? opposite(packet.from) : packet.from;
  const LegState* leg = silent_leg(c, packet.point, event.absent_at, sender, packet.order_ns);
  if (leg == nullptr || leg->stops->silence_ns < view.thresholds.idle_timeout_drop_silence_ns || !is_first_loss(c, *leg))
    return false;
  if (is_answer && packet.order_ns > leg->resumed()->order_ns + kAnswerNs) return false;
  const bool is_told = c.told.contains(FindingKind::idle_timeout_drop);
  // One segment may be lost like any other, and nothing have followed it.
  if (!is_told && !is_answer && !c.losses) return false;
  if (!is_told) out.withdraw(FindingKind::segment_loss, c.id);
  c.told.insert(FindingKind::idle_timeout_drop);
  if (is_answer) c.told.insert(FindingKind::reset_by_device);
  const PacketFacts& first = *leg->resumed();
  Observation o = is_answer
                      ? crossing_observation(c, event, FindingKind::idle_timeout_drop, "the device's RST")
                      : fate_observation(c, event, FindingKind::idle_timeout_drop, "segment seq " + std::to_string(packet.seq));
  o.direction = sender == Side::client ? FindingDirection::client_to_server : FindingDirection::server_to_client;
  o.source = c.client_leg().client;
  o.duration_ns = leg->stops->silence_ns;
  o.confidence = leg->stops->silence_ns >= kUsualTimeoutNs ? kSureOfIt : kShortSilence;
  if (!is_told) {
    o.count = c.losses && !is_answer ? 2 : 1;
    o.first_ns = first.time_ns;
    o.evidence.insert(o.evidence.begin(), present_at(first, "the first data after " + duration_of(leg->stops->silence_ns) +
                                                                " without a packet, seq " + std::to_string(first.seq) +
                                                                " length " + std::to_string(first.payload_length)));
  }
  if (is_answer) o.remark = "It answered with a RST.";
  out.tell(std::move(o));
  return true;
}

const Detector idle_timeout_drop = {
    .kind = FindingKind::idle_timeout_drop,
    .severity = Severity::warning,
    .is_of_memory = true,
    .sentence = sentence,
    .page = {
        .means =
            "A connection was silent for long, and the device forgot it meanwhile: the next data entered the device and never "
            "left it, or the device answered it with a RST. Both ends still believe in the connection. Told in place of "
            "the losses (segment_loss, reset_by_device) that follow from it.",
        .needs = "The connection paired across the device, {idle_timeout_drop_silence} or more without a packet, then two data "
                 "segments of one side of which the device lost each, or its RST within 1 s, and nothing of that side on the "
                 "far side since.",
        .errs = "A path that broke during the silence looks the same. Keep-alives count as packets: what a device drops between "
                "them is told as segment_loss.",
        .next =
            "Compare the silence with the device's idle timeout for TCP. Let the application or the hosts send keep-alives at "
            "shorter intervals, or raise the timeout."}};

}  // namespace parallax::detect
