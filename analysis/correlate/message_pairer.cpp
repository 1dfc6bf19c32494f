#include "analysis/correlate/message_pairer.h"

#include <algorithm>
#include <iterator>

#include "analysis/leg/leg.h"

namespace parallax {
namespace {

constexpr double kMost = 0.98;           // the bytes are the same, the connection need not be
constexpr double kLearnsFrom = 0.5;      // the delay of a match that is so likely is remembered, by how likely it is
constexpr double kOwnTimes = 30;         // as likely is it that a proxy goes on with the connection that it used before
constexpr double kStrangersShare = 0.2;  // of those that bear the same key
constexpr double kTooUncertainNs = 100'000;
constexpr double kRivalShare = 0.02;  // a candidate of so much probability is a rival

// Whether the legs are paired packet by packet there, so that nothing is left to find.
bool is_followed_toward(const Connection& connection, const LegState& leg, PointIndex point) {
  return std::any_of(connection.crossings.begin(), connection.crossings.end(), [&](const Crossing& crossing) {
    const LegState &a = connection.legs[crossing.client_leg], &b = connection.legs[crossing.server_leg];
    return !crossing.is_proxied && ((a.id == leg.id && b.point == point) || (b.id == leg.id && a.point == point));
  });
}

}  // namespace

bool is_opened_for_another(const LegState& client, const LegState& beyond) {
  const int64_t uncertainty_ns = int64_t{client.first.stamp_uncertainty_ns} + beyond.first.stamp_uncertainty_ns;
  return client.first.order_ns > beyond.first.order_ns + uncertainty_ns;
}

std::vector<MessagePairer::Match> MessagePairer::take(const LegState& leg, const RecognitionEvent& event, size_t points) {
  index_.expire(event.order_ns);
  passed_on_.clear();
  std::vector<Match> matches;
  std::vector<uint64_t> keys;
  for (const MessageMethodRow& row : message_methods()) {
    if (row.kind != event.kind) continue;
    for (const uint64_t key : row.keys(leg, event)) keys.push_back(key);
  }
  if (keys.empty()) return matches;
  const Connection& connection = *store_.connection_of(leg.id.value());
  bool is_sought = false;
  for (const int neighbour : {leg.point - 1, leg.point + 1}) {
    if (neighbour < 0 || static_cast<size_t>(neighbour) >= points) continue;
    const auto point = static_cast<PointIndex>(neighbour);
    if (is_followed_toward(connection, leg, point)) continue;
    is_sought = true;
    if (!may_come_from(connection, leg, event, point)) continue;
    if (const Match match = find(leg, event, point); match.leg_id != 0) {
      const LegState& first = *store_.leg(match.leg_id);
      tell(event.from == Side::client ? first.server : leg.server, match, matches);
    }
  }
  if (!is_sought) return matches;
  services_.of(leg.server).learn_asked();
  index_.add(keys, {.leg_id = leg.id.value(),
                    .order_ns = event.order_ns,
                    .stamp_uncertainty_ns = event.stamp_uncertainty_ns,
                    .seq = event.seq,
                    .point = leg.point,
                    .named = names_client(event)});
  return matches;
}

// A message travels from its sender on. Where the client's side is a guess it is looked for on either side.
bool MessagePairer::may_come_from(const Connection& connection, const LegState& leg, const RecognitionEvent& event,
                                  PointIndex point) {
  if (connection.side_basis == SideBasis::guessed) return true;
  return (point < leg.point) == (connection.client_outer == (event.from == Side::client));
}

// Of the two the one that shows the message first is nearer to its sender.
DelayModel& MessagePairer::delays_of(Side sender, const LegState& leg, const LegState& first) {
  return sender == Side::client ? services_.of(first.server).request : services_.of(leg.server).response;
}

// Whether the message would go on over a connection that carries others' too.
bool MessagePairer::is_shared(Side sender, const LegState& leg, const LegState& first) {
  const LegState &client = sender == Side::client ? first : leg, &beyond = sender == Side::client ? leg : first;
  return first.paired[path_side(first.point, leg.point)] || leg.paired[path_side(leg.point, first.point)] ||
         is_opened_for_another(client, beyond);
}

// How likely it is, a second, that `first`'s message is the one that the leg shows now.
double MessagePairer::weight(PairingMethod method, const RecognitionEvent& event, const MessageIndex::Message& shown,
                             const LegState& leg, const LegState& first) {
  const double density =
      delays_of(event.from, leg, first)
          .density(event.order_ns - shown.order_ns, int64_t{event.stamp_uncertainty_ns} + shown.stamp_uncertainty_ns);
  if (store_.place_of(first.id.value()).connection_id == store_.place_of(leg.id.value()).connection_id)
    return density * kOwnTimes;
  const LegState &client = event.from == Side::client ? first : leg, &beyond = event.from == Side::client ? leg : first;
  const PassageModel& service = services_.of(client.server);
  return density * service.leads_to(beyond.server) * service.found_by(method) *
         (is_shared(event.from, leg, first) ? service.shares() : 1 - service.shares());
}

// Messages a second that bear the key and that the device has not passed on.
double MessagePairer::strangers(const MessageMethodRow& row, uint64_t key, const LegState& leg,
                                const RecognitionEvent& event) const {
  // Of the true one the stamps may say that it left before it came.
  const double share = kStrangersShare + std::min(1.0, static_cast<double>(event.stamp_uncertainty_ns) / kTooUncertainNs);
  return std::max(
      {row.strangers_per_second, index_.rate_of_untaken(key, leg.point), share * index_.rate(key, leg.point, event.order_ns)});
}

// A client's name in a header, or an identifier, says by itself that the message goes on. Else it is held back until it is seen
// that the service's messages do.
void MessagePairer::tell(const Endpoint& service, const Match& match, std::vector<Match>& matches) {
  if (match.method != PairingMethod::payload) {
    matches.push_back(match);
    return;
  }
  std::vector<Match>& held = held_.use(service);
  const PassageModel& model = services_.of(service);
  if (model.passes_messages_surely()) {
    std::copy_if(held.begin(), held.end(), std::back_inserter(matches), [&](const Match& m) { return !is_taken(m); });
    held.clear();
  }
  if (model.passes_messages()) {
    matches.push_back(match);
    return;
  }
  if (held.size() == kHeldMax) {
    held.erase(held.begin());
    ++held_over_;
  }
  held.push_back(match);
}

// One of its legs is forgotten, or paired by something else meanwhile.
bool MessagePairer::is_taken(const Match& match) const {
  const LegState *first = store_.leg(match.leg_id), *again = store_.leg(match.shown_again_by);
  return first == nullptr || again == nullptr || first->paired[path_side(first->point, again->point)] ||
         again->paired[path_side(again->point, first->point)];
}

MessagePairer::Match MessagePairer::find(const LegState& leg, const RecognitionEvent& event, PointIndex point) {
  for (const MessageMethodRow& row : message_methods()) {
    if (row.kind != event.kind || !row.seeks(event)) continue;
    for (const uint64_t key : row.keys(leg, event)) {
      const MessageIndex::Candidates candidates = index_.find(key, point);
      const MessageIndex::Message* best = nullptr;
      double best_weight = 0, sum = strangers(row, key, leg, event);
      std::vector<double> weights;
      for (const MessageIndex::Message& message : candidates.messages) {
        const LegState* first = store_.leg(message.leg_id);
        if (first == nullptr || first->protocol != leg.protocol) continue;
        weights.push_back(weight(row.method, event, message, leg, *first));
        sum += weights.back();
        if (weights.back() <= best_weight) continue;
        best = &message;
        best_weight = weights.back();
      }
      if (best == nullptr) continue;
      // Those that were not looked at are older than the oldest that was.
      sum += static_cast<double>(candidates.others) * weights.back();
      const double confidence = std::min(kMost, best_weight / sum);
      const LegState& first = *store_.leg(best->leg_id);
      if (confidence >= kLearnsFrom) delays_of(event.from, leg, first).learn(event.order_ns - best->order_ns, confidence);
      PassageModel& service = services_.of(event.from == Side::client ? first.server : leg.server);
      const bool is_own = store_.place_of(best->leg_id).connection_id == store_.place_of(leg.id.value()).connection_id;
      if (!is_own && confidence >= kLearnsFrom) service.learn_carried(is_shared(event.from, leg, first), confidence);
      if (confidence < row.least) continue;
      service.learn_passed();
      index_.take(best->number);
      passed_on_.push_back({best->leg_id, leg.id.value()});
      if (is_own) return {};
      const auto rivals =
          std::count_if(weights.begin(), weights.end(), [&](double weight) { return weight > kRivalShare * sum; });
      const bool same = best->seq == event.seq && event.seq != 0;
      return {best->leg_id, leg.id.value(), row.method, confidence, static_cast<uint32_t>(rivals - 1), same, event.from};
    }
  }
  return {};
}

}  // namespace parallax
