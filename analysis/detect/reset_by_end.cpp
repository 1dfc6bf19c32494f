#include "analysis/detect/reset_by_end.h"

#include <algorithm>
#include <utility>

#include "analysis/detect/standstills.h"
#include "analysis/finding/evidence.h"
#include "analysis/model/absence_proof.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

// Until when a home has decided on the RST, live: it looks at each pair every 5 s, and the leg may end before.
constexpr int64_t kFateToldNs = 15'000'000'000;

constexpr double kSeenComingIn = 0.97;
constexpr double kOnePoint = 0.8;  // which side of it a device stands on that may have sent it is not known
constexpr double kUnknown = 0.5;

template <Side end>
constexpr FindingKind kKind = end == Side::client ? FindingKind::reset_by_client : FindingKind::reset_by_server;

// The leg that has shown the first RST of an established connection; null: none has, or there was a FIN before.
const LegState* first_shown(const Connection& c) {
  const LegState* first = nullptr;
  for (const LegState& leg : c.legs) {
    if (!leg.reset) continue;
    if (leg.reset_after_fin) return nullptr;
    if (!leg.established) continue;
    if (first == nullptr || leg.reset->order_ns < first->reset->order_ns) first = &leg;
  }
  return first;
}

struct Reset {
  const PacketFacts* first = nullptr;    // null: nothing to tell
  const PacketFacts* entered = nullptr;  // where that end's packets come in; null: it was not seen there
};

// It ended what had stood still: stalled_connection tells of it.
bool ends_a_stall(const Connection& c, const DetectorView& view) { return stall_of(c, view.thresholds).mark.is_reset(); }

template <Side end>
Reset reset_of(const Connection& c, const DetectorView& view) {
  if (ends_a_stall(c, view)) return {};
  // What a proxy's client gets from the server's end is the proxy's own, and what happens beyond is another connection's.
  if (is_proxied(c)) {
    const LegState& own = c.client_leg();
    if (end == Side::server || !own.reset || own.reset_after_fin || !own.established || own.reset->from != end ||
        reset_is_told(c))
      return {};
    return {&*own.reset, &*own.reset};
  }
  const LegState* leg = first_shown(c);
  if (leg == nullptr || leg->reset->from != end || reset_is_told(c)) return {};
  const LegState& nearest = end == Side::client ? c.client_leg() : c.server_leg();
  const bool entered = nearest.reset && nearest.reset->from == end &&
                       nearest.reset->order_ns <= leg->reset->order_ns + view.options.device_timeout_ns;
  if (entered) return {&*leg->reset, &*nearest.reset};
  // Against a packet that the device did not translate: then it came in under the name of that stranger.
  FateEvent missed{};
  missed.packet = *leg->reset;
  missed.absent_at = nearest.point;
  const Stranger* stranger = leg == &nearest ? nullptr : view.strangers.find(missed, view.options.device_timeout_ns);
  return {&*leg->reset, stranger != nullptr ? &stranger->packet : nullptr};
}

// Empty where it is what the end's own packets arrive with at that point, or that is not known.
template <Side end>
std::optional<Evidence> other_ttl(const Connection& c, const PacketFacts& rst, const DetectorView& view) {
  const auto shows = [&](const LegState& l) { return l.reset && l.reset->port == rst.port && l.reset->frame == rst.frame; };
  auto leg = std::find_if(c.legs.begin(), c.legs.end(), shows);
  if (leg == c.legs.end())
    leg = std::find_if(c.legs.begin(), c.legs.end(), [&](const LegState& l) { return l.point == rst.point; });
  if (leg == c.legs.end()) return std::nullopt;
  if constexpr (end == Side::server) return foreign_ttl(rst, leg->server.address, view.knowledge);
  if (leg->attempts.empty() || leg->attempts.back().ttl == rst.ttl) return std::nullopt;
  return ttl_evidence(rst, "client", leg->attempts.back().ttl);
}

// Of a connection that one of several points has shown, neither its ports nor others tell on which side of it the client is: it
// may be the device's own.
bool is_side_known(const Connection& c, const DetectorView& view) {
  return view.options.path.size() == 1 || c.side_basis != SideBasis::guessed || c.legs.size() > 1;
}

// Its peer was silent: it is not known whether that was gone, or the network between them. Null: another story, or the sensor may
// have missed the answers.
const StandstillMark* unanswered_before(const Connection& c, const PacketFacts& rst, const DetectorView& view) {
  const auto is_ended = [&](const LegState& leg) {
    return leg.stops && leg.point == rst.point && leg.stops->unanswered.any() && leg.stops->unanswered.side == rst.from &&
           leg.stops->unanswered.until_ns == rst.time_ns;
  };
  const auto leg = std::find_if(c.legs.begin(), c.legs.end(), is_ended);
  if (leg == c.legs.end()) return nullptr;
  const StandstillMark& mark = leg->stops->unanswered;
  const Direction back = c.direction_of(opposite(rst.from));
  AbsenceProof silence(view.sensor, rst.point, back);
  silence.unless(view.knowledge.misses(rst.point, back, mark.since_ns, mark.until_ns), Doubt::not_covered)
      .expect(mark.since_ns, mark.until_ns);
  return silence.holds() ? &mark : nullptr;
}

}  // namespace

bool reset_is_told(const Connection& c) {
  return c.told.contains(FindingKind::reset_by_client) || c.told.contains(FindingKind::reset_by_server) ||
         c.told.contains(FindingKind::reset_by_device);
}

// Where it did not come in, who made it is for the packet's fate to say; and if that says nothing it is not known.
template <Side end>
int64_t reset_due_ns(const Connection& c, const DetectorView& view) {
  const Reset reset = reset_of<end>(c, view);
  if (reset.first == nullptr || (reset.entered == nullptr && !view.fates_told)) return kTimeMax;
  return reset.first->order_ns + view.options.device_timeout_ns + (reset.entered != nullptr ? 0 : kFateToldNs);
}

template <Side end>
void reset_look(Connection& c, const DetectorView& view, Verdicts& out) {
  const Reset reset = reset_of<end>(c, view);
  if (reset.first == nullptr || (reset.entered == nullptr && !view.fates_told)) return;
  c.told.insert(kKind<end>);
  const PacketFacts& rst = reset.entered != nullptr ? *reset.entered : *reset.first;
  const std::string name(end == Side::client ? "client" : "server");
  Observation o;
  o.kind = kKind<end>;
  o.service = c.client_leg().server;
  o.source = c.client_leg().client;
  o.connection_id = c.id;
  o.direction = end == Side::client ? FindingDirection::client_to_server : FindingDirection::server_to_client;
  o.first_ns = o.last_ns = rst.time_ns;
  o.evidence.push_back(
      present_at(rst, "RST of the " + name + ", seq " + std::to_string(rst.seq) + ", ttl " + std::to_string(rst.ttl)));
  std::optional<Evidence> ttl = other_ttl<end>(c, rst, view);
  if (reset.entered != nullptr && !ttl) {
    if (is_side_known(c, view)) o.where = {Where::Kind::beyond, rst.point, 0};
    o.origin = end == Side::client ? Origin::client : Origin::server;
    o.confidence = view.options.path.size() > 1 ? kSeenComingIn : kOnePoint;
  } else {
    o.confidence = kUnknown;
    o.remark = ttl ? "Its TTL is not that of the " + name + "'s other packets: a device may have sent it in its name."
                   : "It was not seen where the " + name + "'s packets come in, nor is it proved that it did not.";
  }
  if (ttl) o.evidence.push_back(std::move(*ttl));
  // Some programs end every connection so.
  if (end == Side::client && o.origin == Origin::client && c.client_leg().reset_had_everything) o.severity = Severity::info;
  if (const StandstillMark* silence = unanswered_before(c, rst, view)) {
    // A server that is gone is a fault; clients go all the time.
    o.severity = end == Side::client ? Severity::warning : Severity::notice;
    o.evidence.push_back({.kind = "sequence",
                          .point = rst.point,
                          .port = std::nullopt,
                          .frame = 0,
                          .time_ns = silence->since_ns,
                          .detail = plural(silence->times, "keep-alive") + " without an answer, the first one " +
                                    duration_of(silence->length_ns()) + " before the RST"});
    if (!o.remark.empty()) o.remark += ' ';
    o.remark += "The " + std::string(end == Side::client ? "server" : "client") + " had not answered its last " +
                plural(silence->times, "keep-alive") + ".";
  }
  out.tell(std::move(o));
}

std::string reset_sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  if (group.record.where.kind == Where::Kind::beyond)
    return "The " + words.sender + " beyond " + words.first + " reset " + words.of_clients + " before any FIN." + words.remark;
  return words.of_clients + std::string(by_number(group.connections, " was", " were")) + " reset in the name of the " +
         words.sender + " before any FIN." + words.remark;
}

template int64_t reset_due_ns<Side::client>(const Connection&, const DetectorView&);
template int64_t reset_due_ns<Side::server>(const Connection&, const DetectorView&);
template void reset_look<Side::client>(Connection&, const DetectorView&, Verdicts&);
template void reset_look<Side::server>(Connection&, const DetectorView&, Verdicts&);

}  // namespace parallax::detect
