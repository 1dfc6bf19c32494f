// A connection that stood still: one end sent the same data again and again, and nothing of it was acknowledged. Where its cause
// is told by a finding of its own, this one says what that has cost and accuses nobody.
#include <algorithm>

#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/detect/icmp_errors.h"
#include "analysis/detect/named_answer.h"
#include "analysis/detect/standstills.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// Until when a home has told of the data's fate, live: it looks at each pair every 5 s, and the leg may end before.
constexpr int64_t kFateToldNs = 15'000'000'000;

struct Cause {
  FindingKind kind;
  bool proves_where;  // the data ended; else it may have passed there, and the sensor missed it
  std::string_view words;
};
// The nearest one first.
constexpr Cause kCauses[] = {
    {FindingKind::idle_timeout_drop, true, "The device had forgotten it."},
    {FindingKind::reset_not_forwarded, false, "The other end had reset it, but the device kept the RST to itself."},
    {FindingKind::embedded_address_mismatch, false, "The device did not forward the answer, which names another address."},
    {FindingKind::handshake_ack_mismatch, false, "The device did not take the client's acknowledgement of the handshake."},
    {FindingKind::handshake_incomplete, false, "The device had dropped the client's acknowledgement of the handshake."},
    {FindingKind::translation_missed, true, "The device had let that data pass under a wrong name."},
    {FindingKind::segment_loss, true, "The device lost that data."},
    {FindingKind::control_segment_loss, false, "The device lost the acknowledgements."},
};

int64_t due_ns(const Connection& c, const DetectorView& view) {
  if (!view.fates_told || c.told.contains(FindingKind::stalled_connection)) return kTimeMax;
  const Stall stall = stall_of(c, view.thresholds);
  if (stall.leg == nullptr) return kTimeMax;
  return std::max(stall.mark.until_ns + kFateToldNs, tellable_ns(stall.mark, *stall.leg));
}

bool is_told(const Connection& c, FindingKind kind) {
  return kind == FindingKind::embedded_address_mismatch ? is_named_answer_kept(c) : c.told.contains(kind);
}

const Cause* cause_of(const Connection& c) {
  const auto found = std::find_if(std::begin(kCauses), std::end(kCauses), [&](const Cause& x) { return is_told(c, x.kind); });
  return found == std::end(kCauses) ? nullptr : found;
}

// The next leg of the connection on the data's way; null: none has shown it.
const LegState* next_of(const Connection& c, const Stall& stall) {
  const LegState* next = nullptr;
  for (const LegState& leg : c.legs) {
    if (!comes_before(c, *stall.furthest, leg, stall.mark.side)) continue;
    if (next == nullptr || comes_before(c, leg, *next, stall.mark.side)) next = &leg;
  }
  return next;
}

Where where_of(const Connection& c, const Stall& stall, const DetectorView& view) {
  const LegState* next = next_of(c, stall);
  const Cause* cause = cause_of(c);
  if (next != nullptr && (cause == nullptr || !cause->proves_where)) return {};
  if (next != nullptr && !is_proxied(c))
    return stall.mark.side == Side::client ? between(stall.furthest->point, next->point)
                                           : between(next->point, stall.furthest->point);
  const bool is_inward = c.direction_of(stall.mark.side) == Direction::toward_inside;
  const PointIndex last = is_inward ? static_cast<PointIndex>(view.options.path.size() - 1) : PointIndex{0};
  return stall.furthest->point == last ? beyond(last) : Where{};
}

std::string ending_of(const StandstillMark& mark, bool is_replaced) {
  const bool is_own = mark.end == (mark.side == Side::client ? StandstillEnd::reset_by_client : StandstillEnd::reset_by_server);
  std::string text;
  if (is_own && is_replaced && mark.side == Side::client) return "It gave up with a RST and opened another connection. ";
  if (is_own) text = "It gave up with a RST";
  if (mark.is_reset() && !is_own) text = "The other end gave up with a RST";
  if (mark.end == StandstillEnd::over) text = "Then it went on";
  if (text.empty()) return is_replaced ? "The client opened another connection. " : "";
  return text + (is_replaced ? ", and the client opened another connection. " : ". ");
}

// A router beyond has said why the data did not arrive: whether the sender was told, or the device has kept that from it.
void take_icmp(const Connection& c, const Stall& stall, const DetectorView& view, Observation& o) {
  constexpr int64_t kBeforeNs = 1'000'000'000;  // the first one was about data that had not yet been sent again
  const StandstillMark& mark = stall.mark;
  const IcmpTrace trace = trace_icmp(c, mark.side, mark.since_ns - kBeforeNs, mark.until_ns);
  if (trace.icmp == nullptr) return;
  const std::string sender = mark.side == Side::client ? "client" : "server";
  o.evidence.push_back(icmp_evidence(*trace.icmp));
  if (trace.missing == nullptr) {
    o.remark += " The " + sender + " was told why: " + text_of(trace.icmp->error) + ".";
    return;
  }
  const AbsenceProof proof = icmp_absent(c, trace, mark.side, view);
  if (!proof.holds()) {
    o.remark += " It was answered with " + text_of(trace.icmp->error) + ".";
    return;
  }
  o.where = mark.side == Side::client ? between(trace.missing->point, trace.seen->point)
                                      : between(trace.seen->point, trace.missing->point);
  o.origin = Origin::device;
  o.evidence.push_back(proof.evidence(trace.icmp->packet.time_ns,
                                      "the ICMP error was not seen within " + duration_of(view.options.device_timeout_ns)));
  o.absences = proof.absences();
  o.remark += " The device dropped what would have told the " + sender + " why: " + text_of(trace.icmp->error) + ".";
}

// Nothing of the other end was seen anywhere: its acknowledgements may have taken another way.
bool is_one_way(const Connection& c, Side sender) {
  return std::all_of(c.legs.begin(), c.legs.end(),
                     [sender](const LegState& leg) { return leg.has_summary && leg.summary.packets[opposite(sender)] == 0; });
}

// The packets of another connection under a wrong name, which translation_missed tells: the stall is that one's.
bool is_of_another(const Connection& c, const Stall& stall, const DetectorView& view) {
  if (!stall.leg->midstream || view.options.path.size() < 2) return false;
  return std::any_of(view.store.all().begin(), view.store.all().end(), [&](const auto& entry) {
    const Connection& other = entry.second;
    return other.id != c.id && other.told.contains(FindingKind::translation_missed) &&
           stall_of(other, view.thresholds).mark.seq == stall.mark.seq;
  });
}

Observation without_blame_of(Observation o, const Stall& stall, const DetectorView& view) {
  const AbsenceProof proof = AbsenceProof(view.sensor, stall.leg->point, PortDirection::both).unless(true, Doubt::path_unknown);
  const std::string peer = stall.mark.side == Side::client ? "server" : "client";
  const std::string ending = o.remark.empty() ? "" : o.remark + " ";
  o = without_blame(std::move(o), proof);
  o.severity = Severity::notice;
  o.remark = ending + "Nobody is accused: no packet of the " + peer + " was seen, whose ACKs may take another way.";
  return o;
}

void look(Connection& c, const DetectorView& view, Verdicts& out) {
  const Stall stall = stall_of(c, view.thresholds);
  if (!view.fates_told || c.told.contains(FindingKind::stalled_connection) || stall.leg == nullptr) return;
  if (tellable_ns(stall.mark, *stall.leg) > view.now_ns && !stall.leg->over) return;
  c.told.insert(FindingKind::stalled_connection);
  const StandstillMark& mark = stall.mark;
  const Cause* cause = cause_of(c);
  const uint64_t successor = view.store.successor_of(c);
  Observation o;
  o.kind = FindingKind::stalled_connection;
  o.where = where_of(c, stall, view);
  o.direction = mark.side == Side::client ? FindingDirection::client_to_server : FindingDirection::server_to_client;
  o.service = c.client_leg().server;
  o.source = c.client_leg().client;
  o.connection_id = c.id;
  o.related_id = successor;
  o.first_ns = mark.since_ns;
  o.last_ns = mark.until_ns;
  o.attempts = o.proved = mark.times;
  o.time_lost_seconds = static_cast<double>(mark.length_ns()) / 1e9;
  o.duration_ns = mark.length_ns();
  o.confidence = c.side_basis == SideBasis::seen ? kSure : kInferred;
  if (cause != nullptr) {
    o.severity = Severity::info;
    o.cause = cause->kind;
  }
  o.evidence.push_back(
      {.kind = "sequence",
       .point = stall.leg->point,
       .port = std::nullopt,
       .frame = 0,
       .time_ns = mark.since_ns,
       .detail = "seq " + std::to_string(mark.seq) + " sent again " + plural(mark.times, "time") +
                 (is_one_way(c, mark.side) ? ", and nothing new" : ", the last acknowledgement before it says no more")});
  if (cause != nullptr) {
    o.evidence.push_back({.kind = "sequence",
                          .point = stall.leg->point,
                          .port = std::nullopt,
                          .frame = 0,
                          .time_ns = mark.since_ns,
                          .detail = "follows from " + std::string(name_of(cause->kind))});
  }
  o.remark = ending_of(mark, successor != 0) + std::string(cause != nullptr ? cause->words : "");
  while (o.remark.ends_with(' ')) o.remark.pop_back();
  if (cause == nullptr) take_icmp(c, stall, view, o);
  if (o.remark.starts_with(' ')) o.remark.erase(0, 1);
  if (cause == nullptr && o.origin == Origin::unknown && is_one_way(c, mark.side)) {
    if (is_of_another(c, stall, view)) return;
    o = without_blame_of(std::move(o), stall, view);
  }
  out.tell(std::move(o));
}

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const Where::Kind place = group.record.where.kind;
  const std::string answer = place == Where::Kind::beyond    ? ", seen to pass " + words.first + ", without getting an ACK."
                             : place == Where::Kind::unknown ? ", and no ACK of it was seen."
                                                             : " without getting an ACK.";
  return words.connections + " stood still for " + group.durations_text() + ": the " + words.sender + " repeated its data " +
         plural(group.attempts, "time") + answer + words.remark;
}

}  // namespace

const Detector stalled_connection = {
    .kind = FindingKind::stalled_connection,
    .severity = Severity::warning,
    .other_severities = {{Severity::notice, "where nothing of the other end was seen"},
                         {Severity::info, "where a finding of its own tells the cause"}},
    .informs_others = true,
    .protocol = Protocol::tcp,
    .needs = sign::stopped,
    .due_ns = due_ns,
    .look = look,
    .sentence = sentence,
    .page = {
        .means =
            "An established connection stood still: one end sent the same data again and again, and the other end acknowledged "
            "nothing of it. What that has cost is time_lost_seconds, of the finding that tells the cause as well; if the client "
            "then opened another connection to the "
            "same service, it is named (replaced_by of the connection).",
        .needs = "The same data three times again over at least {stalled_connection_least}, each after a longer wait. Where a "
                 "finding tells the cause (reset_not_forwarded, segment_loss, translation_missed), this one says so, is of "
                 "severity info, and accuses "
                 "nobody. The device is accused where an ICMP error about that data (fragmentation needed: the path beyond takes "
                 "only smaller packets) came to it and did not leave it, at a point that shows ICMP errors.",
        .errs =
            "Where nothing of the other end was seen, it may have acknowledged all on a way that is not watched, and the sender "
            "not have got that. Beyond the last point it is not known whether the data or its acknowledgement was lost, or the "
            "other end was "
            "gone. The connection that replaced it is the client's next one to that service within 3 s; a client behind a "
            "NAT may share its address with others.",
        .next = "With a cause: look there. Where the device dropped an ICMP error, let it pass those of type 3 (ICMPv6: 1 to 4). "
                "Else look beyond the point, at the other end or the network before it."}};

}  // namespace parallax::detect
