#include "analysis/correlate/turn_pairer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "analysis/leg/leg.h"

namespace parallax {
namespace {

constexpr double kThreshold = 0.97;          // timing alone: below, legs stay unpaired and are counted
constexpr double kAsksThreshold = 0.9;       // the same, where both sides show the same request
constexpr double kWrittenThreshold = 0.997;  // of what is written on a multiplexed connection much may be meant
constexpr double kMost = 0.99;
constexpr double kRivalShare = 0.02;    // a candidate of so much probability is a rival
constexpr double kUnseen = 0.05;        // how likely it is beforehand that the true one is not among the candidates
constexpr double kMissingExchange = 3;  // logarithm: against a leg that has none where the client has
constexpr size_t kLookedAtLeast = 64;   // exchanges, to know how many strangers there are
constexpr double kTooUncertainNs = 100'000, kUnknownTimes = 20;
constexpr double kEvidenceMost = 40;  // logarithms: enough for certainty, and refutable
constexpr size_t kWaitingLookedAtMax = 256;
constexpr uint32_t kTurnsOfKnown = 2;  // in place of kTurnsMax, where others have taught what is usual
constexpr double kSecond = 1e9, kSpanLeastS = 0.05;

}  // namespace

TurnPairer::Match TurnPairer::take(const LegState& leg, const LegEvent& event, size_t points) {
  const Connection& connection = *store_.connection_of(leg.id.value());
  Leg& known = legs_[leg.id.value()];
  if (known.is_multiplexed) return {};
  Point& point = points_[leg.point];
  expire(point, event.packet.order_ns);
  if (event.packet.from == Side::client) {
    known.request_ns = event.packet.order_ns;
    known.request_bytes = event.packet.payload_length;
    known.request_seq = event.packet.seq;
    known.request_uncertainty_ns = event.packet.stamp_uncertainty_ns;
    known.asks = 0;
    known.whose = known.goes_on_as = 0;
    point.waiting.emplace_back(event.packet.order_ns, leg.id.value());
    if (point.waiting.size() > kExchangesMax) {
      point.waiting.pop_front();
      ++evicted_;
    }
    return {};
  }
  if (!known.request_ns) return {};  // a greeting
  Exchange own{.leg_id = leg.id.value(),
               .request_ns = *known.request_ns,
               .response_ns = event.packet.order_ns,
               .request_bytes = known.request_bytes,
               .request_seq = known.request_seq,
               .asks = known.asks,
               .uncertainty_ns = std::max(known.request_uncertainty_ns, event.packet.stamp_uncertainty_ns),
               .first = known.exchanges++ == 0,
               .whose = known.whose,
               .goes_on_as = known.goes_on_as};
  point.strike_out(*known.request_ns, own.leg_id);
  known.request_ns.reset();
  const Match match = find(known, leg, own, connection, points);
  point.exchanges.push_back(own);
  if (point.exchanges.size() > kExchangesMax) {
    point.exchanges.pop_front();
    ++evicted_;
  }
  return match;
}

std::vector<TurnPairer::Match> TurnPairer::take_written(const LegState& leg, const LegEvent& event, size_t points) {
  const Connection& connection = *store_.connection_of(leg.id.value());
  const int neighbour = connection.client_outer ? leg.point + 1 : leg.point - 1;
  if (neighbour < 0 || static_cast<size_t>(neighbour) >= points) return {};
  Leg& known = legs_[leg.id.value()];
  if (!std::exchange(known.is_multiplexed, true)) services_.of(leg.server).learn_client();
  Point& point = points_[leg.point];
  const PacketFacts& packet = event.packet;
  expire(point, packet.order_ns);
  if (packet.from == Side::client) {
    if (known.written.size() == kWrittenMax) known.written.pop_front();
    known.written.push_back({packet.order_ns, packet.payload_length, packet.stamp_uncertainty_ns, 0});
    point.waiting.emplace_back(packet.order_ns, leg.id.value());
    if (point.waiting.size() > kExchangesMax) {
      point.waiting.pop_front();
      ++evicted_;
    }
    return {};
  }
  Exchange answer{};
  answer.leg_id = leg.id.value();
  answer.response_ns = packet.order_ns;
  answer.uncertainty_ns = packet.stamp_uncertainty_ns;
  const auto matches = find_written(known, leg, answer, points_[static_cast<size_t>(neighbour)]);
  known.answered_ns = packet.order_ns;
  return matches;
}

// What the client has written that `inner` is most likely to pass on.
std::pair<TurnPairer::Exchange, TurnPairer::Written*> TurnPairer::likeliest(Leg& known, const PassageModel& model,
                                                                            const Exchange& answer, const Exchange& inner) {
  Exchange own = answer;
  Written* best = nullptr;
  double most = 0;
  for (Written& written : known.written) {
    const int64_t uncertainty_ns = int64_t{written.uncertainty_ns} + inner.uncertainty_ns;
    const double density = model.request.density(inner.request_ns - written.order_ns, uncertainty_ns) *
                           model.resizes_by(static_cast<int32_t>(written.bytes - inner.request_bytes)) / (1 + written.passed_on);
    if (density <= most) continue;
    most = density;
    best = &written;
    own.request_ns = written.order_ns;
    own.request_bytes = written.bytes;
    own.uncertainty_ns = std::max<int64_t>(answer.uncertainty_ns, written.uncertainty_ns);
  }
  return {own, best};
}

// The exchanges beyond that were answered since something was last written to the client, and that nobody else is known to have.
TurnPairer::Within TurnPairer::answered_since(int64_t since_ns, const LegState& client, const Exchange& answer,
                                              Point& servers) const {
  const uint64_t own_connection = store_.place_of(answer.leg_id).connection_id;
  Within found;
  size_t looked_at = 0, strangers = 0;
  int64_t oldest_ns = answer.response_ns;
  for (auto inner = servers.exchanges.rbegin(); inner != servers.exchanges.rend() && looked_at < kLookedAtMax; ++inner) {
    if (inner->response_ns <= since_ns && looked_at >= kLookedAtLeast) break;
    ++looked_at;
    oldest_ns = inner->response_ns;
    if (inner->whose != 0) continue;
    const LegPlace place = store_.place_of(inner->leg_id);
    const LegState* other = store_.leg(place);
    if (other == nullptr || other->protocol != client.protocol) continue;
    strangers += place.connection_id != own_connection;
    if (inner->response_ns > since_ns) found.pooled.push_back(&*inner);
  }
  const double span_s = std::max(kSpanLeastS, static_cast<double>(answer.response_ns - oldest_ns) / kSecond);
  found.pooled_rate = std::max(1.0, (static_cast<double>(strangers) - 1) / span_s);
  return found;
}

// A leg that was opened for the client may have several exchanges, whose evidence adds up; of others each counts by itself.
std::vector<TurnPairer::Match> TurnPairer::find_written(Leg& known, const LegState& leg, const Exchange& answer, Point& servers) {
  PassageModel& model = services_.of(leg.server);
  const Within inside = answered_since(known.answered_ns, leg, answer, servers);
  std::vector<Match> matches;
  for (Exchange* inner : inside.pooled) {
    const auto [own, written] = likeliest(known, model, answer, *inner);
    if (written == nullptr) continue;
    const LegState& other = *store_.leg(inner->leg_id);
    const bool is_own = store_.place_of(inner->leg_id).connection_id == store_.place_of(own.leg_id).connection_id;
    const bool is_shared = !is_own && !is_free(leg, other);
    Candidate* candidate = nullptr;
    if (!is_own && !is_shared) candidate = &candidate_of(known, inner->leg_id, std::log(1 - model.shares()));
    const double likely = likelihood(model, own, *inner, other.server) / (1 + written->passed_on);
    const double evidence =
        std::min(kEvidenceMost, (candidate ? candidate->evidence : std::log(model.shares())) +
                                    std::log(std::max(likely, 1e-9) / stranger(model, leg, own, *inner, inside.pooled_rate,
                                                                               unseen_share(model, own, *inner))));
    const double confidence = is_own ? 1 : 1 / (1 + std::exp(-evidence));
    learn(model, own, *inner, confidence);
    if (candidate) candidate->evidence = evidence;
    if (confidence < kWrittenThreshold || (!is_own && other.is_multiplexed)) continue;
    ++written->passed_on;
    inner->whose = own.leg_id;
    if (is_own) continue;
    model.learn_carried(is_shared, confidence);
    if (!std::exchange(known.has_partner, true)) model.learn_partner();
    const Match match{
        .client_leg_id = own.leg_id, .leg_id = inner->leg_id, .confidence = std::min(kMost, confidence), .is_shared = is_shared};
    if (is_told(leg, model, match)) matches.push_back(match);
  }
  return matches;
}

// The candidate of that leg; a new one begins with `evidence`, and takes the place of the least likely.
TurnPairer::Candidate& TurnPairer::candidate_of(Leg& leg, uint64_t leg_id, double evidence) {
  const auto known =
      std::find_if(leg.candidates.begin(), leg.candidates.end(), [&](const Candidate& c) { return c.leg_id == leg_id; });
  if (known != leg.candidates.end()) return *known;
  if (leg.candidates.size() == kCandidatesMax)
    leg.candidates.erase(std::min_element(leg.candidates.begin(), leg.candidates.end(),
                                          [](const Candidate& a, const Candidate& b) { return a.evidence < b.evidence; }));
  return leg.candidates.emplace_back(Candidate{leg_id, evidence});
}

// How likely it is beforehand that the true one is not among those that are looked at. Of it the stamps may say that it began too
// soon or ended too late.
double TurnPairer::unseen_share(const PassageModel& model, const Exchange& own, const Exchange& inner) {
  const auto uncertainty_ns = static_cast<double>(own.uncertainty_ns + inner.uncertainty_ns);
  return kUnseen * (model.is_known() ? 1 : kUnknownTimes) + std::min(1.0, uncertainty_ns / kTooUncertainNs);
}

void TurnPairer::asks(uint64_t leg_id, uint64_t what, bool for_one) {
  const auto leg = legs_.find(leg_id);
  if (leg == legs_.end() || !leg->second.request_ns) return;
  leg->second.asks = what;
  if (for_one) leg->second.whose = kNamed;
}

void TurnPairer::explain(uint64_t client_id, uint64_t beyond_id) {
  const auto client = legs_.find(client_id), beyond = legs_.find(beyond_id);
  if (client != legs_.end() && client->second.request_ns) client->second.goes_on_as = beyond_id;
  if (beyond != legs_.end() && beyond->second.request_ns) beyond->second.whose = client_id;
}

TurnPairer::Match TurnPairer::find(Leg& known, const LegState& leg, const Exchange& own, const Connection& connection,
                                   size_t points) {
  const int neighbour = connection.client_outer ? leg.point + 1 : leg.point - 1;
  if (neighbour < 0 || static_cast<size_t>(neighbour) >= points) return {};
  const auto server_point = static_cast<PointIndex>(neighbour);
  const bool is_paired = leg.paired[path_side(leg.point, server_point)];
  PassageModel& service = services_.of(leg.server);
  const uint32_t turns = service.is_known() ? kTurnsOfKnown : kTurnsMax;
  if (is_paired && known.exchanges > turns && leg.shared_with.empty()) return {};
  if (is_paired && leg.shared_with.empty() && learn_from_partner(leg, own, connection, server_point)) return {};
  const Within inside = within(leg, own, points_[server_point]);
  if (learn_from(leg, own, inside, server_point)) return {};
  if (own.first && !is_paired) service.learn_client();
  if (own.goes_on_as != 0) return {};
  Pool pool = weigh_pool(leg, own, inside);
  Match match;
  if (!is_paired) {
    weigh(known, leg, own, inside);
    match = settle(known, pool.sum);
    // It may have been taken since it became a candidate, or been forgotten.
    const LegState* best = match.leg_id != 0 ? store_.leg(match.leg_id) : nullptr;
    if (best == nullptr || store_.place_of(match.leg_id).connection_id == connection.id || !is_free(leg, *best)) match = {};
  }
  if (match.leg_id == 0) match = settle_pool(known, service, own, pool);
  // Of one that carries many at once no exchange is the client's: it has its word against the others, and StreamPairer finds it.
  if (match.leg_id != 0 && store_.leg(match.leg_id)->is_multiplexed) return {};
  match.client_leg_id = own.leg_id;
  if (match.leg_id == 0) {
    hold(leg, match);
    return {};
  }
  service.learn_carried(match.is_shared, match.confidence);
  if (!std::exchange(known.has_partner, true)) service.learn_partner();
  for (const Exchange& inner : inside.exchanges) {
    if (inner.leg_id == match.leg_id) learn(service, own, inner);
  }
  return is_told(leg, service, match) ? match : Match{};
}

// Chance finds partners where there is no proxy, too: until it is seen that the service's clients have them, what is clear is
// held back.
bool TurnPairer::is_told(const LegState& client, PassageModel& service, const Match& match) {
  const bool is_told = service.passes_clients() || service.has_pairings();
  if (!is_told) hold(client, match);
  if (service.passes_clients_surely()) release(client);
  return is_told;
}

// In place of what was held of the leg before, unless each is of an exchange of its own. leg_id 0: its last exchange has made it
// doubtful.
void TurnPairer::hold(const LegState& client, const Match& match) {
  if (match.leg_id == 0 && held_.find(client.server) == nullptr) return;
  std::vector<Match>& held = held_.use(client.server);
  if (!match.is_shared && !client.is_multiplexed) {
    std::erase_if(held, [&](const Match& m) { return m.client_leg_id == match.client_leg_id && !m.is_shared; });
  }
  if (match.leg_id == 0) return;
  if (held.size() == kHeldMax) {
    held.erase(held.begin());
    ++evicted_;
  }
  held.push_back(match);
}

void TurnPairer::release(const LegState& client) {
  if (held_.find(client.server) == nullptr) return;
  const std::vector<Match> held = std::exchange(held_.use(client.server), {});
  held_.erase(client.server);
  for (const Match& match : held) {
    if (still_holds(match, held)) released_.push_back(match);
  }
}

// Nothing else has been found of the two meanwhile, and no two clients have been found the same leg for their own.
bool TurnPairer::still_holds(const Match& match, const std::vector<Match>& all) const {
  const LegState *client = store_.leg(match.client_leg_id), *beyond = store_.leg(match.leg_id);
  if (client == nullptr || beyond == nullptr) return false;
  if (match.is_shared) return true;
  const auto claims =
      std::count_if(all.begin(), all.end(), [&](const Match& m) { return m.leg_id == match.leg_id && !m.is_shared; });
  return claims == 1 && !client->paired[path_side(client->point, beyond->point)] && is_free(*client, *beyond);
}

// What each exchange of the pool has for it, by itself, against a stranger.
TurnPairer::Pool TurnPairer::weigh_pool(const LegState& client, const Exchange& own, const Within& inside) {
  PassageModel& model = services_.of(client.server);
  Pool pool;
  for (Exchange* inner : inside.pooled) {
    const double ratio = likelihood(model, own, *inner, store_.leg(inner->leg_id)->server) * model.shares() /
                         stranger(model, client, own, *inner, inside.pooled_rate, unseen_share(model, own, *inner));
    pool.ratios.push_back(ratio);
    pool.sum += ratio;
    if (ratio <= pool.best_ratio) continue;
    pool.best = inner;
    pool.best_ratio = ratio;
  }
  return pool;
}

// A free leg counts against them as all that is known of it does.
TurnPairer::Match TurnPairer::settle_pool(const Leg& leg, PassageModel& model, const Exchange& own, const Pool& pool) {
  if (pool.best == nullptr) return {};
  double sum = 1 + pool.sum;  // a stranger's
  for (const Candidate& candidate : leg.candidates) sum += std::exp(candidate.evidence);
  const double confidence = pool.best_ratio / sum;
  learn(model, own, *pool.best, confidence);
  const bool asks_the_same = own.asks != 0 && pool.best->asks != 0;
  if (confidence < (asks_the_same ? kAsksThreshold : kThreshold)) return {};
  pool.best->whose = own.leg_id;
  const auto rivals =
      std::count_if(pool.ratios.begin(), pool.ratios.end(), [&](double ratio) { return ratio > kRivalShare * sum; });
  return {.leg_id = pool.best->leg_id,
          .confidence = std::min(kMost, confidence),
          .rivals = static_cast<uint32_t>(rivals - 1),
          .is_shared = true,
          .asks_the_same = asks_the_same};
}

void TurnPairer::learn(PassageModel& model, const Exchange& own, const Exchange& inner, double share) {
  model.learn_exchange(inner.request_ns - own.request_ns, own.response_ns - inner.response_ns,
                       static_cast<int32_t>(own.request_bytes - inner.request_bytes), share);
}

void TurnPairer::Point::strike_out(int64_t request_ns, uint64_t leg_id) {
  auto at = std::lower_bound(waiting.begin(), waiting.end(), request_ns, [](const auto& w, int64_t ns) { return w.first < ns; });
  while (at != waiting.end() && at->first == request_ns && at->second != leg_id) ++at;
  if (at != waiting.end() && at->first == request_ns) at->second = 0;
  while (!waiting.empty() && waiting.front().second == 0) waiting.pop_front();
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

// Where both show what they ask for, it is the same.
bool TurnPairer::is_like(const Exchange& own, const Exchange& inner) {
  return own.asks == 0 || inner.asks == 0 || own.asks == inner.asks;
}

bool TurnPairer::lies_within(const Exchange& own, const Exchange& inner) {
  const int64_t uncertainty_ns = own.uncertainty_ns + inner.uncertainty_ns;
  return inner.request_ns + uncertainty_ns >= own.request_ns && inner.response_ns <= own.response_ns + uncertainty_ns;
}

// One for each leg. REQUIRES: the newest come first.
void TurnPairer::add_as_one(std::vector<Exchange>& exchanges, const Exchange& inner) {
  const auto same = std::find_if(exchanges.begin(), exchanges.end(), [&](const Exchange& e) { return e.leg_id == inner.leg_id; });
  if (same == exchanges.end()) {
    exchanges.push_back(inner);
  } else {
    same->request_ns = inner.request_ns;
    same->first = inner.first;
  }
}

// The exchanges of legs beyond that lie within a client's, of free legs one each: a new TLS connection is an exchange before the
// first.
TurnPairer::Within TurnPairer::within(const LegState& client, const Exchange& own, Point& servers) const {
  const uint64_t own_connection = store_.place_of(own.leg_id).connection_id;
  Within found;
  size_t looked_at = 0, strangers = 0, unexplained = 0;
  int64_t oldest_ns = own.response_ns;
  for (auto inner = servers.exchanges.rbegin(); inner != servers.exchanges.rend() && looked_at < kLookedAtMax; ++inner) {
    if (inner->response_ns < own.request_ns && looked_at >= kLookedAtLeast) break;
    ++looked_at;
    oldest_ns = inner->response_ns;
    const LegPlace place = store_.place_of(inner->leg_id);
    const LegState* other = store_.leg(place);
    if (other == nullptr) continue;
    const bool is_own = place.connection_id == own_connection;
    const bool is_pooled = !is_own && !is_free(client, *other);
    const bool is_candidate = is_like(own, *inner) && other->protocol == client.protocol;
    if (!is_own && inner->whose != 0 && inner->whose != own.leg_id) continue;  // another's
    strangers += !is_own && !is_pooled;
    unexplained += !is_own && is_candidate;
    if (!lies_within(own, *inner) || (!is_own && !is_candidate)) continue;
    if (is_pooled) {
      if (inner->request_seq != own.request_seq || own.request_seq == 0) found.pooled.push_back(&*inner);  // else it is no proxy
      continue;
    }
    add_as_one(found.exchanges, *inner);
  }
  const double span_s = std::max(kSpanLeastS, static_cast<double>(own.response_ns - oldest_ns) / kSecond);
  found.rate = std::max(1.0, static_cast<double>(strangers) / span_s);
  found.pooled_rate = std::max(1.0, (static_cast<double>(unexplained) - 1) / span_s);  // beside the client's own
  return found;
}

// What each leg beyond has for it, against a stranger. A connection of its own has an exchange for nearly each of the client's:
// not for the end of TLS, nor for what the proxy answers itself.
void TurnPairer::weigh(Leg& leg, const LegState& state, const Exchange& own, const Within& inside) {
  PassageModel& model = services_.of(state.server);
  std::vector<Candidate> candidates = leg.candidates;
  for (Candidate& candidate : candidates) candidate.evidence -= kMissingExchange;
  for (const Exchange& inner : inside.exchanges) {
    const LegState& other = *store_.leg(inner.leg_id);
    auto candidate =
        std::find_if(candidates.begin(), candidates.end(), [&](const Candidate& c) { return c.leg_id == inner.leg_id; });
    double rate = inside.rate;
    double unseen = unseen_share(model, own, inner);
    if (candidate == candidates.end()) {
      if (!inner.first) continue;
      candidate = candidates.insert(candidates.end(), {inner.leg_id, std::log(1 - model.shares())});
    } else {  // how often that leg by itself would have an exchange just now
      const double age_s = static_cast<double>(own.response_ns - other.first.order_ns) / kSecond;
      const auto known = legs_.find(inner.leg_id);
      rate = std::max(1.0, (known == legs_.end() ? 1 : known->second.exchanges) / std::max(0.2, age_s));
      unseen = 1;
      candidate->evidence += kMissingExchange;
    }
    ++candidate->exchanges;
    candidate->same += inner.request_seq == own.request_seq;
    candidate->asks_the_same += own.asks != 0 && inner.asks != 0;
    candidate->evidence =
        std::min(kEvidenceMost, candidate->evidence + std::log(std::max(likelihood(model, own, inner, other.server), 1e-9) /
                                                               stranger(model, state, own, inner, rate, unseen)));
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.evidence > b.evidence; });
  if (candidates.size() > kCandidatesMax) candidates.resize(kCandidatesMax);
  leg.candidates = std::move(candidates);
}

// The same where the leg's partner is known: of so few legs nothing needs to be looked up.
bool TurnPairer::learn_from_partner(const LegState& client, const Exchange& own, const Connection& connection,
                                    PointIndex server_point) {
  std::vector<Exchange> exchanges;
  const auto& all = points_[server_point].exchanges;
  size_t looked_at = 0;
  for (auto inner = all.rbegin(); inner != all.rend() && looked_at < kLookedAtMax; ++inner, ++looked_at) {
    if (inner->response_ns < own.request_ns) break;
    const bool is_own = std::any_of(connection.legs.begin(), connection.legs.end(), [&](const LegState& leg) {
      return leg.point == server_point && leg.id.value() == inner->leg_id;
    });
    if (is_own && lies_within(own, *inner)) add_as_one(exchanges, *inner);
  }
  for (const Exchange& inner : exchanges) learn(services_.of(client.server), own, inner);
  return !exchanges.empty();
}

// What a pairing that stands shows of the device. Whether the client's exchange went on over a leg of its own.
bool TurnPairer::learn_from(const LegState& client, const Exchange& own, const Within& inside, PointIndex server_point) {
  bool is_explained = false;
  for (const Exchange& inner : inside.exchanges) {
    const LegState& other = *store_.leg(inner.leg_id);
    if (store_.place_of(inner.leg_id).connection_id != store_.place_of(own.leg_id).connection_id || other.point != server_point)
      continue;
    is_explained = true;
    learn(services_.of(client.server), own, inner);
  }
  for (const Exchange* inner : inside.pooled) {
    if (own.goes_on_as == inner->leg_id) learn(services_.of(client.server), own, *inner);
  }
  return is_explained;
}

// Per second squared.
double TurnPairer::likelihood(const PassageModel& model, const Exchange& own, const Exchange& inner, const Endpoint& server) {
  const int64_t uncertainty_ns = own.uncertainty_ns + inner.uncertainty_ns;
  return model.request.density(inner.request_ns - own.request_ns, uncertainty_ns) *
         model.response.density(own.response_ns - inner.response_ns, uncertainty_ns) *
         model.resizes_by(static_cast<int32_t>(own.request_bytes - inner.request_bytes)) * model.leads_to(server) *
         model.found_by(own.asks != 0 && inner.asks != 0 ? PairingMethod::payload : PairingMethod::timing);
}

// The same, that an exchange which is not the client's lies there.
double TurnPairer::stranger(const PassageModel& model, const LegState& client, const Exchange& own, const Exchange& inner,
                            double rate, double unseen) const {
  return rate * (rate * unseen + others_waiting(points_[client.point], model, own, inner));
}

bool TurnPairer::is_waiting(const Leg& leg, int64_t since_ns) {
  if (!leg.is_multiplexed) return leg.request_ns == since_ns && leg.goes_on_as == 0;
  return std::any_of(leg.written.begin(), leg.written.end(),
                     [&](const Written& written) { return written.order_ns == since_ns && written.passed_on == 0; });
}

// That the exchange beyond is of another client, whose request came before it and whose response is still to come.
double TurnPairer::others_waiting(const Point& clients, const PassageModel& model, const Exchange& own,
                                  const Exchange& inner) const {
  // What a client has written on a multiplexed connection before it was last answered asks for nothing, more likely. Where the
  // other is multiplexed, too, that is not enough to tell the two apart.
  const auto self = legs_.find(own.leg_id);
  const bool is_multiplexed = self != legs_.end() && self->second.is_multiplexed;
  double sum = 0;
  size_t looked_at = 0;
  for (auto waiting = clients.waiting.rbegin(); waiting != clients.waiting.rend() && looked_at < kWaitingLookedAtMax; ++waiting) {
    if (waiting->second == 0 || waiting->first > inner.request_ns || waiting->second == own.leg_id) continue;
    ++looked_at;
    const auto leg = legs_.find(waiting->second);
    if (leg == legs_.end() || !is_waiting(leg->second, waiting->first)) continue;
    if (!is_multiplexed && waiting->first < leg->second.answered_ns) continue;
    if (leg->second.asks != 0 && inner.asks != 0 && leg->second.asks != inner.asks) continue;
    sum += model.request.density(inner.request_ns - waiting->first, own.uncertainty_ns + inner.uncertainty_ns) *
           model.response.beyond(own.response_ns - inner.response_ns);
  }
  return sum;
}

TurnPairer::Match TurnPairer::settle(const Leg& leg, double of_pool) {
  if (leg.candidates.empty()) return {};
  const Candidate& best = leg.candidates.front();
  double sum = (1 + of_pool) * std::exp(-best.evidence);  // a stranger's, and those of the pool
  for (const Candidate& candidate : leg.candidates) sum += std::exp(candidate.evidence - best.evidence);
  const auto rivals = std::count_if(leg.candidates.begin(), leg.candidates.end(), [&](const Candidate& candidate) {
    return std::exp(candidate.evidence - best.evidence) > kRivalShare * sum;
  });
  const double confidence = 1 / sum;
  const bool asks_the_same = best.asks_the_same == best.exchanges;
  if (confidence < (asks_the_same ? kAsksThreshold : kThreshold)) return {};
  return {.leg_id = best.leg_id,
          .confidence = std::min(kMost, confidence),
          .rivals = static_cast<uint32_t>(rivals - 1),
          .keeps_packets = best.same == best.exchanges,
          .asks_the_same = asks_the_same};
}

}  // namespace parallax
