#include "analysis/correlate/turn_pairer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "analysis/leg/leg.h"

namespace parallax {
namespace {

constexpr double kThreshold = 0.97;  // timing alone: below, legs stay unpaired and are counted
constexpr double kMost = 0.99;
constexpr double kRivalShare = 0.02;    // a candidate of so much probability is a rival
constexpr double kUnseen = 0.05;        // how likely it is beforehand that the true one is not among the candidates
constexpr double kMissingExchange = 3;  // logarithm: against a leg that has none where the client has
constexpr size_t kLookedAtLeast = 64;   // exchanges, to know how many strangers there are
constexpr double kTooUncertainNs = 100'000, kUnknownTimes = 20;
constexpr double kEvidenceMost = 40;  // logarithms: enough for certainty, and refutable
constexpr size_t kWaitingLookedAtMax = 256;
constexpr double kSecond = 1e9;

}  // namespace

TurnPairer::Match TurnPairer::take(const LegState& leg, const LegEvent& event, size_t points) {
  if (event.turn.turns > kTurnsMax) return {};
  const Connection& connection = *store_.find(store_.place_of(leg.id.value()).connection_id);
  Leg& known = legs_[leg.id.value()];
  Point& point = points_[leg.point];
  expire(point, event.packet.order_ns);
  if (event.packet.from == Side::client) {
    known.request_ns = event.packet.order_ns;
    known.request_bytes = event.packet.payload_length;
    known.request_seq = event.packet.seq;
    known.request_uncertainty_ns = event.packet.stamp_uncertainty_ns;
    point.waiting.emplace_back(event.packet.order_ns, leg.id.value());
    if (point.waiting.size() > kExchangesMax) {
      point.waiting.pop_front();
      ++evicted_;
    }
    return {};
  }
  if (!known.request_ns) return {};  // a greeting
  const Exchange own{.leg_id = leg.id.value(),
                     .request_ns = *known.request_ns,
                     .response_ns = event.packet.order_ns,
                     .request_bytes = known.request_bytes,
                     .request_seq = known.request_seq,
                     .uncertainty_ns = std::max(known.request_uncertainty_ns, event.packet.stamp_uncertainty_ns),
                     .first = known.exchanges++ == 0};
  known.request_ns.reset();
  const Match match = find(known, leg, own, connection, points);
  point.exchanges.push_back(own);
  if (point.exchanges.size() > kExchangesMax) {
    point.exchanges.pop_front();
    ++evicted_;
  }
  return match;
}

TurnPairer::Match TurnPairer::find(Leg& known, const LegState& leg, const Exchange& own, const Connection& connection,
                                   size_t points) {
  const int neighbour = connection.client_outer ? leg.point + 1 : leg.point - 1;
  if (neighbour < 0 || static_cast<size_t>(neighbour) >= points) return {};
  const auto server_point = static_cast<PointIndex>(neighbour);
  Match match;
  uint64_t partner = 0;
  if (!leg.paired[path_side(leg.point, server_point)]) {
    if (own.first) services_.of(leg.server).learn_client();
    weigh(known, leg, own, server_point);
    match = settle(known);
    // It may have been taken since it became a candidate, or been forgotten.
    const LegState* best = match.leg_id != 0 ? store_.leg(match.leg_id) : nullptr;
    if (best == nullptr || store_.place_of(match.leg_id).connection_id == connection.id || !is_free(leg, *best)) match = {};
    partner = match.leg_id;
    PassageModel& service = services_.of(leg.server);
    if (match.leg_id != 0 && !std::exchange(known.has_partner, true)) service.learn_partner();
    if (!service.passes_clients() && !service.is_known()) match = {};
  } else {
    for (const LegState& other : connection.legs) {
      if (other.point == server_point) partner = other.id.value();
    }
  }
  if (partner != 0) learn_from(leg, own, server_point, partner);
  return match;
}

void TurnPairer::expire(Point& point, int64_t now_ns) {
  while (!point.exchanges.empty() && point.exchanges.front().response_ns < now_ns - kWindowNs) point.exchanges.pop_front();
  while (!point.waiting.empty() && point.waiting.front().first < now_ns - kWindowNs) point.waiting.pop_front();
}

// Whether a leg beyond may be the client's: opened later, and free.
bool TurnPairer::is_free(const LegState& client, const LegState& beyond) {
  if (std::find(client.not_with.begin(), client.not_with.end(), beyond.id.value()) != client.not_with.end()) return false;
  return beyond.protocol == client.protocol && beyond.first.order_ns >= client.first.order_ns &&
         !beyond.paired[path_side(beyond.point, client.point)];
}

// The exchanges of legs beyond that lie within a client's, one for each leg: a new TLS connection is an exchange before the
// first.
TurnPairer::Within TurnPairer::within(const LegState& client, const Exchange& own, const Point& servers) const {
  const uint64_t own_connection = store_.place_of(own.leg_id).connection_id;
  Within found;
  size_t looked_at = 0, strangers = 0;
  int64_t oldest_ns = own.response_ns;
  for (auto inner = servers.exchanges.rbegin(); inner != servers.exchanges.rend() && looked_at < kLookedAtMax; ++inner) {
    if (inner->response_ns < own.request_ns && looked_at >= kLookedAtLeast) break;
    ++looked_at;
    oldest_ns = inner->response_ns;
    const LegState* other = store_.leg(inner->leg_id);
    if (other == nullptr) continue;
    const bool is_own = store_.place_of(inner->leg_id).connection_id == own_connection;
    if (!is_own && !is_free(client, *other)) continue;
    strangers += !is_own;
    const int64_t uncertainty_ns = own.uncertainty_ns + inner->uncertainty_ns;
    if (inner->request_ns + uncertainty_ns < own.request_ns || inner->response_ns > own.response_ns + uncertainty_ns) continue;
    const auto same = std::find_if(found.exchanges.begin(), found.exchanges.end(),
                                   [&](const Exchange& e) { return e.leg_id == inner->leg_id; });
    if (same == found.exchanges.end()) {
      found.exchanges.push_back(*inner);
    } else {
      same->request_ns = inner->request_ns;
      same->first = inner->first;
    }
  }
  const double span_s = std::max(0.05, static_cast<double>(own.response_ns - oldest_ns) / kSecond);
  found.rate = std::max(1.0, static_cast<double>(strangers) / span_s);
  return found;
}

// What each leg beyond has for it, against a stranger. A connection of its own has an exchange for nearly each of the client's:
// not for the end of TLS, nor for what the proxy answers itself.
void TurnPairer::weigh(Leg& leg, const LegState& state, const Exchange& own, PointIndex server_point) {
  PassageModel& model = services_.of(state.server);
  const Within inside = within(state, own, points_[server_point]);
  std::vector<Candidate> candidates = leg.candidates;
  for (Candidate& candidate : candidates) candidate.evidence -= kMissingExchange;
  for (const Exchange& inner : inside.exchanges) {
    const LegState& other = *store_.leg(inner.leg_id);
    auto candidate =
        std::find_if(candidates.begin(), candidates.end(), [&](const Candidate& c) { return c.leg_id == inner.leg_id; });
    // Of the true one the stamps may say that it began too soon or ended too late.
    const int64_t uncertainty_ns = own.uncertainty_ns + inner.uncertainty_ns;
    double rate = inside.rate;
    double unseen = kUnseen + std::min(1.0, static_cast<double>(uncertainty_ns) / kTooUncertainNs);
    if (!model.is_known()) unseen *= kUnknownTimes;
    if (candidate == candidates.end()) {
      if (!inner.first) continue;
      candidate = candidates.insert(candidates.end(), {inner.leg_id, 0});
    } else {  // how often that leg by itself would have an exchange just now
      const double age_s = static_cast<double>(own.response_ns - other.first.order_ns) / kSecond;
      const auto known = legs_.find(inner.leg_id);
      rate = std::max(1.0, (known == legs_.end() ? 1 : known->second.exchanges) / std::max(0.2, age_s));
      unseen = 1;
      candidate->evidence += kMissingExchange;
    }
    ++candidate->exchanges;
    candidate->same += inner.request_seq == own.request_seq;
    const double stranger = rate * (rate * unseen + others_waiting(points_[state.point], model, own, inner));
    candidate->evidence = std::min(
        kEvidenceMost, candidate->evidence + std::log(std::max(likelihood(model, own, inner, other.server), 1e-9) / stranger));
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.evidence > b.evidence; });
  if (candidates.size() > kCandidatesMax) candidates.resize(kCandidatesMax);
  leg.candidates = std::move(candidates);
}

// What a pairing that stands shows of the device.
void TurnPairer::learn_from(const LegState& client, const Exchange& own, PointIndex server_point, uint64_t partner) {
  for (const Exchange& inner : within(client, own, points_[server_point]).exchanges) {
    if (inner.leg_id != partner) continue;
    services_.of(client.server)
        .learn_exchange(inner.request_ns - own.request_ns, own.response_ns - inner.response_ns,
                        static_cast<int32_t>(own.request_bytes - inner.request_bytes));
  }
}

// Per second squared.
double TurnPairer::likelihood(const PassageModel& model, const Exchange& own, const Exchange& inner, const Endpoint& server) {
  const int64_t uncertainty_ns = own.uncertainty_ns + inner.uncertainty_ns;
  return model.request.density(inner.request_ns - own.request_ns, uncertainty_ns) *
         model.response.density(own.response_ns - inner.response_ns, uncertainty_ns) *
         model.resizes_by(static_cast<int32_t>(own.request_bytes - inner.request_bytes)) * model.leads_to(server) *
         model.found_by(PairingMethod::timing);
}

// That the exchange beyond is of another client, whose request came before it and whose response is still to come.
double TurnPairer::others_waiting(const Point& clients, const PassageModel& model, const Exchange& own,
                                  const Exchange& inner) const {
  double sum = 0;
  size_t looked_at = 0;
  for (auto waiting = clients.waiting.rbegin(); waiting != clients.waiting.rend() && looked_at < kWaitingLookedAtMax; ++waiting) {
    if (waiting->first > inner.request_ns || waiting->second == own.leg_id) continue;
    ++looked_at;
    const auto leg = legs_.find(waiting->second);
    if (leg == legs_.end() || leg->second.request_ns != waiting->first) continue;
    sum += model.request.density(inner.request_ns - waiting->first, own.uncertainty_ns + inner.uncertainty_ns) *
           model.response.beyond(own.response_ns - inner.response_ns);
  }
  return sum;
}

TurnPairer::Match TurnPairer::settle(const Leg& leg) {
  if (leg.candidates.empty()) return {};
  const Candidate& best = leg.candidates.front();
  double sum = std::exp(-best.evidence);  // a stranger's
  for (const Candidate& candidate : leg.candidates) sum += std::exp(candidate.evidence - best.evidence);
  const auto rivals = std::count_if(leg.candidates.begin(), leg.candidates.end(), [&](const Candidate& candidate) {
    return std::exp(candidate.evidence - best.evidence) > kRivalShare * sum;
  });
  const double confidence = 1 / sum;
  return confidence < kThreshold
             ? Match{}
             : Match{best.leg_id, std::min(kMost, confidence), static_cast<uint32_t>(rivals - 1), best.same == best.exchanges};
}

}  // namespace parallax
