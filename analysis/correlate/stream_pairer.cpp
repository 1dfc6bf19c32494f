#include "analysis/correlate/stream_pairer.h"

#include <algorithm>
#include <cmath>

namespace parallax {
namespace {

constexpr double kThreshold = 0.997;  // there is much on such a connection that may be meant
constexpr double kMost = 0.99;
constexpr double kNotRequests = 0.5;                 // of what is written toward the server: windows, settings
constexpr double kGainMost = 6, kEvidenceMost = 40;  // logarithms
constexpr double kGainLeast = 0.2;                   // below, a connection does not become a candidate
constexpr double kSilent = -1.2;                     // against one that shows nothing where the client does
constexpr double kRateLeast = 1, kSpanLeastS = 0.05;
constexpr double kRivalShare = 0.02, kLearnsFrom = 0.05;
constexpr double kShareLeast = 0.05;
constexpr size_t kAnswersLookedAt = 8;
// One answer coincides with another client's too often, unless the service is known to use the connection.
constexpr uint32_t kAnswersLeast = 2;
constexpr double kKnownThreshold = 0.99;

}  // namespace

double StreamPairer::rate_of(const std::deque<Write>& writes) {
  if (writes.size() < 2) return kRateLeast;
  const double span_s = static_cast<double>(writes.back().order_ns - writes.front().order_ns) * 1e-9;
  return std::max(kRateLeast, static_cast<double>(writes.size() - 1) / std::max(kSpanLeastS, span_s));
}

// Against the others, and against none of them. `prior`: how likely it is beforehand.
double StreamPairer::confidence(const Client& client, const Candidate& candidate, double prior) {
  double sum = std::exp(-candidate.evidence) * static_cast<double>(client.candidates.size()) / prior;
  for (const Candidate& other : client.candidates) sum += std::exp(other.evidence - candidate.evidence);
  return 1 / sum;
}

StreamPairer::Candidate* StreamPairer::candidate_of(Client& client, uint64_t leg_id, double gain) {
  const auto known = std::find_if(client.candidates.begin(), client.candidates.end(),
                                  [&](const Candidate& candidate) { return candidate.leg_id == leg_id; });
  if (known != client.candidates.end()) return &*known;
  if (gain < kGainLeast) return nullptr;
  if (client.candidates.size() == kCandidatesMax)
    client.candidates.erase(std::min_element(client.candidates.begin(), client.candidates.end(),
                                             [](const Candidate& a, const Candidate& b) { return a.evidence < b.evidence; }));
  return &client.candidates.emplace_back(Candidate{leg_id});
}

// Not what is followed packet by packet, nor a client that has a connection of its own there.
bool StreamPairer::may_carry(const LegState& client, const LegState& beyond) const {
  if (client.protocol != beyond.protocol) return false;
  if (store_.place_of(client.id.value()).connection_id == store_.place_of(beyond.id.value()).connection_id) return false;
  if (std::find(client.not_with.begin(), client.not_with.end(), beyond.id.value()) != client.not_with.end()) return false;
  if (store_.connection_of(client.id.value())->has_crossing(client, beyond.point)) return false;
  const Connection& connection = *store_.connection_of(beyond.id.value());
  return std::none_of(connection.crossings.begin(), connection.crossings.end(), [&](const Crossing& crossing) {
    const LegState* other = connection.other_end(crossing, beyond);
    return other != nullptr && other->point == client.point && !crossing.is_proxied;
  });
}

StreamPairer::Stream& StreamPairer::stream_of(Point& point, uint64_t leg_id) {
  const auto known =
      std::find_if(point.streams.begin(), point.streams.end(), [&](const Stream& s) { return s.leg_id == leg_id; });
  if (known != point.streams.end()) return *known;
  if (point.streams.size() == kStreamsMax) {
    const auto last_ns = [](const Stream& s) {
      int64_t last = kTimeMin;
      for (const Side side : kSides) last = s.writes[side].empty() ? last : std::max(last, s.writes[side].back().order_ns);
      return last;
    };
    point.streams.erase(std::min_element(point.streams.begin(), point.streams.end(),
                                         [&](const Stream& a, const Stream& b) { return last_ns(a) < last_ns(b); }));
    ++evicted_;
  }
  return point.streams.emplace_back(Stream{leg_id, {}});
}

std::vector<TurnPairer::Match> StreamPairer::take(const LegState& leg, const PacketFacts& packet, size_t points) {
  const Connection& connection = *store_.connection_of(leg.id.value());
  const int inward = connection.client_outer ? 1 : -1;
  const auto neighbour = [&](int step) {
    const int point = leg.point + step;
    return point < 0 || static_cast<size_t>(point) >= points ? nullptr : &points_[static_cast<size_t>(point)];
  };
  if (Point* clients = neighbour(-inward); clients != nullptr && leg.is_multiplexed) {
    Stream& stream = stream_of(points_[leg.point], leg.id.value());
    std::deque<Write>& writes = stream.writes[packet.from];
    if (writes.size() == kWritesMax) writes.pop_front();
    writes.push_back({packet.order_ns, packet.stamp_uncertainty_ns});
    if (packet.from == Side::client) pass_on(leg, stream, writes.back(), *clients);
  }
  Point* servers = neighbour(inward);
  if (servers == nullptr || servers->streams.empty()) return {};
  if (packet.from == Side::server) return answer(leg, packet, *servers);
  note_request(leg, packet);
  return {};
}

void StreamPairer::note_request(const LegState& leg, const PacketFacts& packet) {
  std::deque<Request>& waiting = points_[leg.point].waiting;
  while (!waiting.empty() && (waiting.size() >= kWaitingMax || waiting.front().written.order_ns < packet.order_ns - kWindowNs))
    waiting.pop_front();
  waiting.push_back({leg.id.value(), {packet.order_ns, packet.stamp_uncertainty_ns}, leg.is_multiplexed, {}});
}

// Which of the requests that wait it is: for each client as much more likely as its own request makes the write.
void StreamPairer::pass_on(const LegState& beyond, const Stream& stream, const Write& write, Point& clients) {
  std::vector<double> densities(clients.waiting.size());
  double sum = kNotRequests * rate_of(stream.writes[Side::client]) + kRateLeast;
  for (size_t i = 0; i < clients.waiting.size(); ++i) {
    const Request& request = clients.waiting[i];
    if (request.is_answered && !request.is_of_many) continue;
    const LegState* client = store_.leg(request.client_id);
    if (client == nullptr || client->over) continue;
    const PassageModel& model = services_.of(client->server);
    densities[i] = (1 - request.written.taken) * model.leads_to(beyond.server) *
                   model.request.density(write.order_ns - request.written.order_ns,
                                         int64_t{request.written.uncertainty_ns} + write.uncertainty_ns);
    sum += densities[i];
  }
  for (size_t i = 0; i < clients.waiting.size(); ++i) {
    const double share = densities[i] / sum;
    if (share < kShareLeast) continue;
    Request& request = clients.waiting[i];
    const LegState& leg = *store_.leg(request.client_id);
    if (!may_carry(leg, beyond)) continue;
    Client& client = clients_[request.client_id];
    const double gain = std::min(kGainMost, -std::log(std::max(1e-9, 1 - share)));
    Candidate* candidate = candidate_of(client, stream.leg_id, gain);
    if (candidate == nullptr) continue;
    auto known =
        std::find_if(request.gains.begin(), request.gains.end(), [&](const auto& g) { return g.first == stream.leg_id; });
    if (known == request.gains.end()) {
      known = request.gains.insert(known, {stream.leg_id, 0});
      ++candidate->requests;
    }
    candidate->evidence = std::min(kEvidenceMost, candidate->evidence + std::max(0.0, gain - known->second));
    known->second = std::max(known->second, gain);
    const double likely = share * confidence(client, *candidate);
    request.written.taken = std::max(request.written.taken, likely);
    if (likely >= kLearnsFrom) services_.of(leg.server).request.learn(write.order_ns - request.written.order_ns, likely);
  }
}

std::vector<TurnPairer::Match> StreamPairer::answer(const LegState& leg, const PacketFacts& packet, Point& servers) {
  Client& client = clients_[leg.id.value()];
  known_.use(leg.server).clients += !std::exchange(client.is_counted, true);
  weigh_silence(client, leg, points_[leg.point]);
  const Write written{packet.order_ns, packet.stamp_uncertainty_ns};
  for (Stream& stream : servers.streams) weigh_answer(client, leg, written, stream);
  return settle(client, leg);
}

// A request that has been answered, and was passed on elsewhere.
void StreamPairer::weigh_silence(Client& client, const LegState& leg, Point& clients) {
  for (Request& request : clients.waiting) {
    if (request.client_id != leg.id.value() || std::exchange(request.is_answered, true)) continue;
    for (Candidate& candidate : client.candidates) {
      const bool shows = std::any_of(request.gains.begin(), request.gains.end(),
                                     [&](const auto& gain) { return gain.first == candidate.leg_id && gain.second > 0; });
      if (!shows) candidate.evidence += kSilent;
    }
  }
}

// Whether the server has written what the client is answered with: against how often it writes there anyway.
void StreamPairer::weigh_answer(Client& client, const LegState& leg, const Write& answer, Stream& stream) {
  Candidate* candidate = candidate_of(client, stream.leg_id, 0);
  const LegState* beyond = store_.leg(stream.leg_id);
  if (candidate == nullptr || beyond == nullptr || !may_carry(leg, *beyond)) return;
  PassageModel& model = services_.of(leg.server);
  std::deque<Write>& writes = stream.writes[Side::server];
  double sum = 0, most = 0;
  Write* best = nullptr;
  size_t looked_at = 0;
  for (auto write = writes.rbegin(); write != writes.rend() && looked_at < kAnswersLookedAt; ++write, ++looked_at) {
    const double density = (1 - write->taken) * model.response.density(answer.order_ns - write->order_ns,
                                                                       int64_t{answer.uncertainty_ns} + write->uncertainty_ns);
    sum += density;
    if (density <= most) continue;
    most = density;
    best = &*write;
  }
  const double gain = std::clamp(std::log(std::max(1e-9, sum / rate_of(writes))), kSilent, kGainMost);
  candidate->answers += gain > 0;
  candidate->evidence = std::min(kEvidenceMost, candidate->evidence + gain);
  const double likely = best == nullptr || gain <= 0 ? 0 : most / sum * confidence(client, *candidate);
  if (likely < kLearnsFrom) return;
  best->taken = std::max(best->taken, likely);
  model.response.learn(answer.order_ns - best->order_ns, likely);
}

// Chance finds some where there is no proxy, too: until it is seen that the service's clients have them, what is clear is held
// back.
std::vector<TurnPairer::Match> StreamPairer::settle(Client& client, const LegState& leg) {
  std::vector<TurnPairer::Match> matches;
  const PassageModel& model = services_.of(leg.server);
  Service& service = known_.use(leg.server);
  for (Candidate& candidate : client.candidates) {
    const LegState* beyond = store_.leg(candidate.leg_id);
    if (candidate.is_told || beyond == nullptr || candidate.requests == 0) continue;
    const bool is_own = beyond->first.order_ns >= leg.first.order_ns && !beyond->paired[path_side(beyond->point, leg.point)] &&
                        beyond->shared_with.empty();
    const double sure = confidence(client, candidate, is_own ? 1 - model.shares() : model.shares());
    const bool is_known = std::find(service.ways.begin(), service.ways.end(), candidate.leg_id) != service.ways.end();
    if (candidate.answers < (is_known ? 1 : kAnswersLeast) || sure < (is_known ? kKnownThreshold : kThreshold)) continue;
    if (!is_known && !is_own) {
      if (service.ways.size() == kStreamsMax) service.ways.erase(service.ways.begin());
      service.ways.push_back(candidate.leg_id);
    }
    const auto rivals = std::count_if(client.candidates.begin(), client.candidates.end(), [&](const Candidate& other) {
      return std::exp(other.evidence - candidate.evidence) > kRivalShare;
    });
    candidate.is_told = true;
    services_.of(leg.server).learn_carried(!is_own, sure);
    service.found += !std::exchange(client.has_partner, true);
    service.held.push_back({.client_leg_id = leg.id.value(),
                            .leg_id = candidate.leg_id,
                            .confidence = std::min(kMost, sure),
                            .rivals = static_cast<uint32_t>(rivals - 1),
                            .is_shared = !is_own});
    if (!service.passes_on()) continue;
    matches.push_back(service.held.back());
    service.held.pop_back();
  }
  if (service.held.size() > kHeldMax) {
    service.held.erase(service.held.begin());
    ++evicted_;
  }
  if (!service.passes_on_surely()) return matches;
  for (TurnPairer::Match& match : std::exchange(service.held, {})) {
    const LegState *own = store_.leg(match.client_leg_id), *beyond = store_.leg(match.leg_id);
    if (own == nullptr || beyond == nullptr || !may_carry(*own, *beyond)) continue;
    match.is_shared |= beyond->paired[path_side(beyond->point, own->point)];
    matches.push_back(match);
  }
  return matches;
}

void StreamPairer::forget(uint64_t leg_id) {
  clients_.erase(leg_id);
  for (Point& point : points_) std::erase_if(point.streams, [&](const Stream& stream) { return stream.leg_id == leg_id; });
}

}  // namespace parallax
