// TCP options that left the device otherwise than they entered it, in a SYN or a SYN-ACK. Mostly harmless, such as an MSS made
// smaller; unless the two ends understand a window differently from then on.
#include <algorithm>
#include <vector>

#include "analysis/connection/device_changes.h"
#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// The two SYNs and the two SYN-ACKs of one attempt, as they entered the device and as they left it.
struct Offers {
  const OfferedOptions &syn_in, &syn_out, &answer_in, &answer_out;

  bool client_scales() const { return syn_in.window_scale >= 0 && answer_out.window_scale >= 0; }
  bool server_scales() const { return syn_out.window_scale >= 0 && answer_in.window_scale >= 0; }
  // Each end applies what the other one has offered.
  bool scales_differ() const {
    if (client_scales() != server_scales()) return true;
    return client_scales() && (syn_in.window_scale != syn_out.window_scale || answer_in.window_scale != answer_out.window_scale);
  }
  // Otherwise an end believes in a smaller window than there is, and sends less than it may.
  bool may_overrun() const {
    return client_scales() != server_scales() || syn_out.window_scale > syn_in.window_scale ||
           answer_out.window_scale > answer_in.window_scale;
  }
  bool timestamps_differ() const {
    return (syn_in.timestamps && answer_out.timestamps) != (syn_out.timestamps && answer_in.timestamps);
  }
};

const Crossing* crossing_of(const Connection& c) {
  const auto is_whole = [&](const Crossing& crossing) {
    const LegState &a = c.legs[crossing.client_leg], &b = c.legs[crossing.server_leg];
    return !crossing.is_proxied && !opens_its_own(a, b) && a.attempt_count == 1 && b.attempt_count == 1 && a.syn_ack &&
           b.syn_ack && a.established && b.established && a.point != b.point;
  };
  const auto found = std::find_if(c.crossings.begin(), c.crossings.end(), is_whole);
  return found == c.crossings.end() ? nullptr : &*found;
}

// "mss 1460 -> 1380", or nothing: it is the same, or what one of them lacks may have been cut off.
void compare(std::vector<std::string>& changes, const std::string& packet, const OfferedOptions& in, const OfferedOptions& out) {
  const auto option = [&](const char* name, int was, int is, int absent) {
    const bool unknown = (in.cut && was == absent) || (out.cut && is == absent);
    const auto text = [absent](int value) { return value == absent ? std::string("none") : std::to_string(value); };
    if (was != is && !unknown)
      changes.push_back("changed the " + std::string(name) + " of the " + packet + " from " + text(was) + " to " + text(is));
  };
  const auto flag = [&](const char* name, bool was, bool is) {
    const bool unknown = (in.cut && !was) || (out.cut && !is);
    if (was != is && !unknown)
      changes.push_back((is ? "added " : "removed ") + std::string(name) + (is ? " to the " : " from the ") + packet);
  };
  option("MSS", in.mss, out.mss, 0);
  option("window scale", in.window_scale, out.window_scale, -1);
  flag("SACK", in.sack, out.sack);
  flag("timestamps", in.timestamps, out.timestamps);
  if (in.ecn != out.ecn) changes.push_back((out.ecn ? "added ECN to the " : "removed ECN from the ") + packet);
}

std::string list_of(const std::vector<std::string>& changes) {
  std::string text;
  for (const std::string& change : changes) text += (text.empty() ? "" : ", ") + change;
  return text;
}

int64_t due_ns(const Connection& c, const DetectorView& view) {
  if (c.evicted || c.told.contains(FindingKind::options_rewritten) || c.side_basis == SideBasis::guessed) return kTimeMax;
  const Crossing* crossing = crossing_of(c);
  if (crossing == nullptr) return kTimeMax;
  const LegState &a = c.legs[crossing->client_leg], &b = c.legs[crossing->server_leg];
  return std::max(a.established->order_ns, b.established->order_ns) + view.options.device_timeout_ns;
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  if (due_ns(c, view) == kTimeMax) return;
  c.told.insert(FindingKind::options_rewritten);
  const Crossing& crossing = *crossing_of(c);
  const LegState &a = c.legs[crossing.client_leg], &b = c.legs[crossing.server_leg];
  const Offers offers{a.client_options, b.client_options, b.server_options, a.server_options};
  std::vector<std::string> changes;
  compare(changes, "SYN", offers.syn_in, offers.syn_out);
  compare(changes, "SYN-ACK", offers.answer_in, offers.answer_out);
  if (changes.empty()) return;

  const bool is_cut = offers.syn_in.cut || offers.syn_out.cut || offers.answer_in.cut || offers.answer_out.cut;
  // A device that translates the windows that follow would have changed that of the first acknowledgement.
  const bool windows_pass = a.ack_window == b.ack_window && a.ack_window != 0;
  const bool misleads = !is_cut && windows_pass && offers.scales_differ();
  const bool may_mislead = !is_cut && (offers.timestamps_differ() || offers.syn_out.mss > offers.syn_in.mss ||
                                       offers.answer_out.mss > offers.answer_in.mss);
  Observation o;
  o.kind = FindingKind::options_rewritten;
  o.where = between(a.point, b.point);
  o.origin = Origin::device;
  o.direction = FindingDirection::both;
  const bool harms = misleads && offers.may_overrun();
  o.severity = harms ? Severity::warning : misleads || may_mislead ? Severity::notice : Severity::info;
  if (misleads || may_mislead) o.service = c.client_leg().server;  // what harms nobody is one finding for the device
  o.connection_id = c.id;
  o.first_ns = a.attempts.front().time_ns;
  o.last_ns = std::max(o.first_ns, a.syn_ack->time_ns);
  o.confidence = kSure;
  const std::string changed = list_of(changes);
  o.evidence.push_back({.kind = "option",
                        .point = a.point,
                        .port = a.attempts.front().port,
                        .frame = a.attempts.front().frame,
                        .time_ns = o.first_ns,
                        .detail = changed});
  o.remark = "it " + changed + ".";
  if (misleads) {
    o.remark += " The ends disagree: one sends " + std::string(harms ? "too little or too much." : "less than it may.");
  } else if (offers.timestamps_differ()) {
    o.remark += " One end believes that timestamps were agreed on, the other does not.";
  } else if (may_mislead) {
    o.remark += " With an MSS larger than offered, an end gets segments larger than it accepts.";
  }
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const std::string of = group.record.service ? words.connections : plural(group.connections, "connection");
  return words.device + " rewrote TCP options of " + of +
         (group.record.severity == Severity::info ? ", which does no harm by itself." : ".") + words.example;
}

}  // namespace

const Detector options_rewritten = {
    .kind = FindingKind::options_rewritten,
    .severity = Severity::info,
    .other_severities = {{Severity::notice, "where the two ends may misunderstand each other"},
                         {Severity::warning, "where one may send more than the other has room for"}},
    .protocol = Protocol::tcp,
    .needs = sign::crossed,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means = "The device changed the options with which client and server open a connection: MSS, window scale, SACK, "
                 "timestamps or ECN.",
        .needs =
            "A connection that came about at the first SYN and that is paired across the device, other than through a proxy; "
            "options that were captured whole. Info where both ends still agree, as where a tunnel's device makes the MSS "
            "smaller; notice where one end takes timestamps for agreed on and the other does not, or an MSS was made "
            "larger; warning where the ends apply different window scales, and the window of the first acknowledgement "
            "passes unchanged.",
        .errs = "A device that translates windows from the second acknowledgement on only would be accused.",
        .next = "Look for TCP normalisation, MSS clamping or a WAN optimiser on the device. A window scale that is removed from "
                "one of the two packets has to be removed from both."}};

}  // namespace parallax::detect
