#include "analysis/correlate/access_log_join.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <span>

namespace parallax {
namespace {

constexpr double kSame = 0.98;    // the entry tells of both requests, or of the client's port
constexpr double kOnlyOne = 0.9;  // it is the only leg of the client then, as far as was captured
constexpr int64_t kStampsNs = 1'000'000;
constexpr uint64_t kKnownOfTen = 9;
// Entries that say the same at about the same time: beyond these nothing is told apart, and nothing tried.
constexpr size_t kLookedAtMax = 1024, kFitMax = 16;

bool is_most(uint64_t part, uint64_t whole) { return 10 * part >= kKnownOfTen * whole; }

// Whether that leg's packets are followed over the device on that side: then it is no other connection that goes on for it.
bool is_followed(const Connection& connection, const LegState& leg) {
  return std::any_of(connection.crossings.begin(), connection.crossings.end(), [&](const Crossing& crossing) {
    return !crossing.is_proxied && connection.legs[crossing.client_leg].id == leg.id;
  });
}

}  // namespace

AccessLogJoin::AccessLogJoin(const AccessLog& log, ConnectionStore& store, size_t points)
    : log_(log),
      store_(store),
      points_(points),
      index_(log),
      fits_some_(log.entries.size()),
      is_joined_(log.entries.size()),
      is_crowded_(log.entries.size()),
      first_ns_(std::numeric_limits<int64_t>::max()),
      last_ns_(std::numeric_limits<int64_t>::min()) {
  collect();
  sort_legs();
  learn_clock();
  is_crowded_request_.resize(requests_.size());
  for (size_t point = 0; point < points_; ++point) {
    std::vector<Edge> edges = edges_of(static_cast<PointIndex>(point));
    drop_foreign(edges, static_cast<PointIndex>(point));
    for (const Edge& edge : edges) fits_some_[edge.entry] = true;
    join(edges);
  }
  std::sort(joins_.begin(), joins_.end(), [this](const Join& a, const Join& b) {
    return std::tuple(requests_[a.request].asked_ns, a.request) < std::tuple(requests_[b.request].asked_ns, b.request);
  });
  for (size_t i = 0; i < joins_.size(); ++i) {
    const LoggedRequest& request = requests_[joins_[i].request];
    joins_of_leg_[request.leg_id].push_back(i);
    join_at_[{joins_[i].entry, request.point}] = i;
    is_joined_[joins_[i].entry] = true;
    mark(joins_[i]);
  }
  count();
}

const RecognisedRequest& AccessLogJoin::said(const LoggedRequest& request) const {
  return store_.leg(request.leg_id)->recognised->requests[request.index];
}

// All requests that were answered, and all legs; in the order of the store, which no number of workers changes.
void AccessLogJoin::collect() {
  for (const auto& [id, connection] : store_.all()) {
    for (const LegState& leg : connection.legs) {
      const int64_t last_ns = leg.has_summary ? std::max(leg.summary.last_ns, leg.first.order_ns) : leg.first.order_ns;
      first_ns_ = std::min(first_ns_, leg.first.order_ns);
      last_ns_ = std::max(last_ns_, last_ns);
      legs_[{leg.point, leg.client.address}].push_back({leg.first.order_ns, last_ns, last_ns, leg.id.value()});
      if (leg.recognised == nullptr) continue;
      const std::vector<RecognisedRequest>& requests = leg.recognised->requests;
      for (size_t i = 0; i < requests.size(); ++i) {
        if (!requests[i].has_request || requests[i].status == 0) continue;
        // An answer of which the end of the leg has told carries no time of its own.
        const int64_t answered_ns =
            std::clamp(requests[i].answered_ns, requests[i].order_ns, std::max(last_ns, requests[i].order_ns));
        const bool is_last = i + 1 == requests.size() || !requests[i + 1].has_request;
        requests_.push_back(
            {leg.id.value(), i, leg.point, requests[i].order_ns, answered_ns, is_last ? last_ns : requests[i + 1].order_ns});
      }
    }
  }
}

// By their beginning; those that began earlier reach up to `reach_ns`.
void AccessLogJoin::sort_legs() {
  for (auto& [client, legs] : legs_) {
    std::stable_sort(legs.begin(), legs.end(), [](const Captured& a, const Captured& b) { return a.first_ns < b.first_ns; });
    int64_t reach_ns = std::numeric_limits<int64_t>::min();
    for (Captured& leg : legs) leg.reach_ns = reach_ns = std::max(reach_ns, leg.last_ns);
  }
}

// The client's legs that were open then, the newest first, until `take` says false.
template <typename Take>
void AccessLogJoin::each_open(PointIndex point, const Address& client, int64_t time_ns, Take take) const {
  const auto legs = legs_.find({point, client});
  if (legs == legs_.end()) return;
  auto at = std::upper_bound(legs->second.begin(), legs->second.end(), time_ns + kStampsNs,
                             [](int64_t ns, const Captured& leg) { return ns < leg.first_ns; });
  while (at != legs->second.begin() && (at - 1)->reach_ns + kStampsNs >= time_ns) {
    --at;
    if (at->last_ns + kStampsNs >= time_ns && !take(*store_.leg(at->leg_id))) return;
  }
}

// From what was asked once in all the log and once in all the capture of a point; or once under the client's own port.
void AccessLogJoin::learn_clock() {
  std::map<std::pair<PointIndex, size_t>, std::vector<size_t>> asked;  // by entry
  for (size_t i = 0; i < requests_.size(); ++i) {
    const RecognisedRequest& request = said(requests_[i]);
    const AccessLogIndex::Alike* alike = index_.find(request);
    if (alike == nullptr || alike->entries.size() > kLookedAtMax) continue;
    const std::vector<size_t>* entries = &alike->entries;
    const Endpoint& client = store_.leg(requests_[i].leg_id)->client;
    const auto is_its_own = [&](size_t entry) {
      return log_.entries[entry].has_peer &&
             Endpoint{log_.entries[entry].clients.front(), log_.entries[entry].peer_port} == client;
    };
    const auto of_port = std::find_if(entries->begin(), entries->end(), is_its_own);
    if (of_port == entries->end() && entries->size() > 1) continue;
    const size_t entry = of_port == entries->end() ? entries->front() : *of_port;
    if (of_port != entries->end() && std::any_of(of_port + 1, entries->end(), is_its_own)) continue;
    if (says_the_same(log_.entries[entry], request)) asked[{requests_[i].point, entry}].push_back(i);
  }
  std::vector<std::pair<int64_t, int64_t>> offsets;
  for (const auto& [key, requests] : asked) {
    if (requests.size() == 1) offsets.push_back(log_offsets(log_.entries[key.second], requests_[requests.front()]));
  }
  clock_ = log_clock(offsets);
  record_.clock_is_known = clock_.known;
  record_.clock_offset_ns = clock_.offset_ns;
}

// Toward the client, as far as packets are followed.
const LegState& AccessLogJoin::nearest_followed(const LegState& leg) const {
  const Connection& connection = *store_.connection_of(leg.id.value());
  const LegState* nearest = &leg;
  for (size_t i = 0; i < connection.legs.size(); ++i) {  // no more steps than legs
    const auto crossing = std::find_if(connection.crossings.begin(), connection.crossings.end(), [&](const Crossing& c) {
      return !c.is_proxied && connection.legs[c.server_leg].id == nearest->id;
    });
    if (crossing == connection.crossings.end()) break;
    nearest = &connection.legs[crossing->client_leg];
  }
  return *nearest;
}

// The point next to the leg's where its client's own legs are; -1: none. Where the side is a guess, clients are outside.
int AccessLogJoin::client_side_of(const LegState& leg) const {
  const Connection& connection = *store_.connection_of(leg.id.value());
  const bool is_outer = connection.side_basis == SideBasis::guessed || connection.client_outer;
  const int point = leg.point + (is_outer ? -1 : 1);
  return point < static_cast<int>(points_) ? point : -1;
}

// Whether messages of the client's connection are known to be seen on the other.
bool AccessLogJoin::goes_on_over(const LegState& client, const LegState& beyond) const {
  const auto is_among = [](std::span<const Sharing> legs, const LegState& leg) {
    return std::any_of(legs.begin(), legs.end(), [&](const Sharing& s) { return s.leg_id == leg.id.value(); });
  };
  return store_.place_of(client.id.value()).connection_id == store_.place_of(beyond.id.value()).connection_id ||
         is_among(client.shared_with, beyond) || is_among(beyond.shared_with, client);
}

// Toward the other's point it has a partner, and is not known to carry messages of more than that one.
bool AccessLogJoin::is_taken(const LegState& leg, const LegState& other) {
  return leg.paired[path_side(leg.point, other.point)] && leg.shared_with.empty();
}

// By the clients that the entry names.
bool AccessLogJoin::may_be_of(const AccessLogEntry& entry, const LegState& leg, const LoggedRequest& request, Edge& edge) const {
  for (size_t i = 0; i < entry.clients.size(); ++i) {
    if (entry.clients[i] != leg.client.address) continue;
    edge.names_own = true;
    edge.place = i;
    return i > 0 || entry.peer_port == 0 || entry.peer_port == leg.client.port;
  }
  edge.names_own = false;
  const LegState& nearest = nearest_followed(leg);
  const int point = client_side_of(nearest);
  if (point < 0) return false;
  bool is_there = false;
  for (size_t i = 0; i < entry.clients.size() && !is_there; ++i) {
    each_open(static_cast<PointIndex>(point), entry.clients[i], request.asked_ns, [&](const LegState& other) {
      if (i > 0 || entry.peer_port == 0) {
        is_there = true;
        return false;
      }
      if (other.client.port != entry.peer_port) return true;
      edge.is_of_pair = goes_on_over(other, nearest);
      is_there = edge.is_of_pair || (!is_taken(other, nearest) && !is_taken(nearest, other));
      return !is_there;
    });
  }
  return is_there;
}

std::vector<AccessLogJoin::Edge> AccessLogJoin::edges_of(PointIndex point) {
  std::vector<Edge> edges;
  std::vector<bool> is_named(log_.entries.size());                            // by a request of its own client, at this point
  std::unordered_map<const AccessLogIndex::Alike*, std::vector<int>> crowds;  // where they begin and end
  const int64_t offset_ns = clock_.offset_ns, slack_ns = clock_.slack_ns;
  for (size_t i = 0; i < requests_.size(); ++i) {
    const LoggedRequest& request = requests_[i];
    if (request.point != point) continue;
    const RecognisedRequest& text = said(request);
    const AccessLogIndex::Alike* alike = index_.find(text);
    if (alike == nullptr) continue;
    const LegState& leg = *store_.leg(request.leg_id);
    const auto number_from = [&](int64_t ns) {
      const auto at = std::lower_bound(alike->entries.begin(), alike->entries.end(), ns,
                                       [&](size_t entry, int64_t from_ns) { return log_.entries[entry].from_ns < from_ns; });
      return static_cast<size_t>(at - alike->entries.begin());
    };
    const size_t first = number_from(request.asked_ns + offset_ns - slack_ns - alike->widest_ns);
    const int64_t end_ns = alike->has_long ? std::max(request.over_ns, request.answered_ns) : request.answered_ns;
    const size_t last = number_from(end_ns + offset_ns + slack_ns + 1);
    const size_t edges_before = edges.size();
    bool is_crowded = last - first > kLookedAtMax;
    for (size_t n = first; n < last && !is_crowded; ++n) {
      const AccessLogEntry& entry = log_.entries[alike->entries[n]];
      const auto [least_ns, most_ns] = log_offsets(entry, request);
      if (least_ns - slack_ns > offset_ns || most_ns + slack_ns < offset_ns || !says_the_same(entry, text)) continue;
      Edge edge{alike->entries[n], i};
      if (!may_be_of(entry, leg, request, edge)) continue;
      edges.push_back(edge);
      is_crowded = edges.size() - edges_before > kFitMax;
    }
    if (is_crowded) {
      edges.resize(edges_before);
      std::vector<int>& crowd = crowds[alike];
      crowd.resize(alike->entries.size() + 1);
      ++crowd[first];
      --crowd[last];
      is_crowded_request_[i] = true;
    }
    for (size_t n = edges_before; n < edges.size(); ++n)
      is_named[edges[n].entry] = is_named[edges[n].entry] || edges[n].names_own;
  }
  for (const auto& [alike, crowd] : crowds) {
    int open = 0;
    for (size_t n = 0; n < alike->entries.size(); ++n) {
      open += crowd[n];
      if (open > 0) is_crowded_[alike->entries[n]] = fits_some_[alike->entries[n]] = true;
    }
  }
  std::erase_if(edges, [&](const Edge& edge) { return !edge.names_own && is_named[edge.entry]; });
  return edges;
}

bool AccessLogJoin::is_captured_then(const AccessLogEntry& entry) const {
  return first_ns_ <= last_ns_ && entry.to_ns - clock_.offset_ns >= first_ns_ - kLogSlackNs &&
         entry.from_ns - clock_.offset_ns <= last_ns_ + kLogSlackNs;
}

// Whether the point shows most of what the log tells of its time.
bool AccessLogJoin::is_shown(const std::vector<Edge>& edges) const {
  std::vector<bool> is_shown = is_crowded_;
  for (const Edge& edge : edges) is_shown[edge.entry] = true;
  uint64_t told = 0, shown = 0;
  for (size_t i = 0; i < log_.entries.size(); ++i) {
    if (!is_captured_then(log_.entries[i])) continue;
    ++told;
    shown += is_shown[i];
  }
  return is_most(shown, told);
}

// Of all requests of a service, in the time that the log is of, most must be known to it. It may be that another proxy asks the
// same service: then the point must show most of the log with it, and would not without. What shows the client's port is its own
// in any case.
void AccessLogJoin::drop_foreign(std::vector<Edge>& edges, PointIndex point) {
  if (edges.empty()) return;
  int64_t from_ns = std::numeric_limits<int64_t>::max(), to_ns = std::numeric_limits<int64_t>::min();
  for (const AccessLogEntry& entry : log_.entries) {
    from_ns = std::min(from_ns, entry.from_ns - record_.clock_offset_ns);
    to_ns = std::max(to_ns, entry.to_ns - record_.clock_offset_ns);
  }
  struct Counts {
    uint64_t asked = 0, known = 0;
  };
  std::map<Service, Counts> services;
  const auto service_of = [&](size_t request) {
    return Service{point, store_.leg(requests_[request].leg_id)->server, said(requests_[request]).host};
  };
  std::vector<bool> is_known = is_crowded_request_;
  for (const Edge& edge : edges) is_known[edge.request] = true;
  for (size_t i = 0; i < requests_.size(); ++i) {
    if (requests_[i].point != point) continue;
    const bool is_within = requests_[i].asked_ns >= from_ns && requests_[i].answered_ns <= to_ns;
    if (!is_within && !is_known[i]) continue;
    Counts& counts = services[service_of(i)];
    ++counts.asked;
    counts.known += is_known[i];
  }
  const auto is_foreign = [&](const Counts& counts) { return !is_most(counts.known, counts.asked); };
  std::vector<Edge> kept;
  for (const Edge& edge : edges) {
    const bool is_port_shown = edge.names_own && edge.place == 0 && log_.entries[edge.entry].peer_port != 0;
    if (is_port_shown || edge.is_of_pair || !is_foreign(services[service_of(edge.request)])) kept.push_back(edge);
  }
  if (!is_shown(kept) && is_shown(edges)) return;
  edges = std::move(kept);
  for (const auto& [service, counts] : services) {
    if (counts.known > 0 && is_foreign(counts)) record_.foreign_requests += counts.asked;
  }
}

// What hangs together by edges is looked at as a whole.
void AccessLogJoin::join(std::vector<Edge>& edges) {
  std::map<size_t, std::vector<size_t>> of_entry, of_request;
  for (size_t i = 0; i < edges.size(); ++i) {
    of_entry[edges[i].entry].push_back(i);
    of_request[edges[i].request].push_back(i);
  }
  std::vector<bool> seen(edges.size());
  for (size_t i = 0; i < edges.size(); ++i) {
    if (seen[i]) continue;
    std::vector<size_t> open{i};
    std::vector<Edge> component;
    seen[i] = true;
    while (!open.empty()) {
      const Edge edge = edges[open.back()];
      open.pop_back();
      component.push_back(edge);
      for (const auto* next : {&of_entry[edge.entry], &of_request[edge.request]}) {
        for (const size_t other : *next) {
          if (!seen[other]) open.push_back(other);
          seen[other] = true;
        }
      }
    }
    join_component(component);
  }
}

void AccessLogJoin::join_component(std::vector<Edge>& edges) {
  std::vector<size_t> entries, requests;
  for (const Edge& edge : edges) {
    entries.push_back(edge.entry);
    requests.push_back(edge.request);
  }
  for (std::vector<size_t>* numbers : {&entries, &requests}) {
    std::sort(numbers->begin(), numbers->end());
    numbers->erase(std::unique(numbers->begin(), numbers->end()), numbers->end());
  }
  if (entries.size() != requests.size()) return;
  if (std::any_of(entries.begin(), entries.end(), [this](size_t entry) { return is_crowded_[entry]; })) return;
  const AccessLogEntry& first = log_.entries[entries.front()];
  const bool is_one_client = std::all_of(entries.begin(), entries.end(), [&](size_t i) {
    return log_.entries[i].clients == first.clients && log_.entries[i].forwarded_for == first.forwarded_for &&
           log_.entries[i].peer_port == first.peer_port;
  });
  if (!is_one_client) return;
  std::stable_sort(entries.begin(), entries.end(),
                   [this](size_t a, size_t b) { return log_.entries[a].from_ns < log_.entries[b].from_ns; });
  std::stable_sort(requests.begin(), requests.end(),
                   [this](size_t a, size_t b) { return requests_[a].asked_ns < requests_[b].asked_ns; });
  for (size_t i = 0; i < entries.size(); ++i) {
    const auto edge = std::find_if(edges.begin(), edges.end(),
                                   [&](const Edge& e) { return e.entry == entries[i] && e.request == requests[i]; });
    if (edge == edges.end()) continue;
    joins_.push_back({edge->entry, edge->request, edge->names_own, edge->place, entries.size() == 1});
  }
}

// Beyond a proxy the client is another than the leg's own.
void AccessLogJoin::mark(const Join& join) {
  const AccessLogEntry& entry = log_.entries[join.entry];
  LegState& leg = *store_.leg(requests_[join.request].leg_id);
  RecognisedRequest& request = leg.recognised->requests[requests_[join.request].index];
  request.log_line = entry.line;
  if (!request.forwarded_for.empty() || !request.forwarded.empty()) return;
  const auto others = entry.clients.begin() + static_cast<std::ptrdiff_t>(join.names_own ? join.place + 1 : 0);
  if (std::all_of(others, entry.clients.end(), [&](const Address& client) { return client == leg.client.address; })) return;
  request.logged_client = entry.forwarded_for.empty() ? to_string(entry.clients.front()) : entry.forwarded_for;
  ++record_.clients_named;
}

void AccessLogJoin::count() {
  record_.file = log_.file;
  record_.format = std::string(name_of(log_.format));
  record_.client_fields = log_.client_fields;
  record_.without_request = log_.without_request;
  record_.malformed = log_.malformed;
  record_.first_malformed_line = log_.first_malformed_line;
  record_.not_kept = log_.not_kept;
  record_.requests = log_.entries.size();
  for (size_t i = 0; i < log_.entries.size(); ++i) {
    const AccessLogEntry& entry = log_.entries[i];
    if (is_joined_[i]) {
      ++record_.joined;
    } else if (fits_some_[i]) {
      ++record_.ambiguous;
    } else {
      ++record_.not_captured;
      record_.outside_capture += !is_captured_then(entry);
    }
  }
}

bool AccessLogJoin::names(uint64_t leg_id, const Address& client) const {
  const auto joins = joins_of_leg_.find(leg_id);
  return joins != joins_of_leg_.end() && std::any_of(joins->second.begin(), joins->second.end(), [&](size_t i) {
           const std::vector<Address>& clients = log_.entries[joins_[i].entry].clients;
           return std::find(clients.begin(), clients.end(), client) != clients.end();
         });
}

AccessLogJoin::ClientLeg AccessLogJoin::client_leg_of(const Join& join) const {
  const LoggedRequest& request = requests_[join.request];
  const AccessLogEntry& entry = log_.entries[join.entry];
  const LegState& leg = nearest_followed(*store_.leg(request.leg_id));
  const int point = client_side_of(leg);
  const size_t place = join.names_own ? join.place + 1 : 0;
  if (point < 0 || place >= entry.clients.size()) return {};
  ClientLeg found{.leg_id = leg.id.value()};
  // The entry tells of the client's own request, too.
  if (const auto same = join_at_.find({join.entry, static_cast<PointIndex>(point)}); same != join_at_.end()) {
    const Join& other = joins_[same->second];
    if (!join.is_single || !other.is_single || !other.names_own) return {};
    found.client_leg_id = requests_[other.request].leg_id;
    found.confidence = kSame;
    return found;
  }
  const uint16_t port = place == 0 ? entry.peer_port : 0;
  bool is_certain = true;
  each_open(static_cast<PointIndex>(point), entry.clients[place], request.asked_ns, [&](const LegState& client) {
    if (port != 0 && client.client.port != port) return true;
    // A client may ask over QUIC, too.
    if (client.protocol != leg.protocol) return is_certain = client.protocol != ip_protocol::udp || client.server.port != 443;
    if (is_followed(*store_.connection_of(client.id.value()), client)) return true;
    // There are two; or its requests can be read, and none of them is this one, or it is not known which.
    const bool can_be_read = client.recognised != nullptr && !client.recognised->requests.empty();
    if (found.client_leg_id != 0 || can_be_read) return is_certain = false;
    if (!client.established && !client.midstream) return true;
    found.client_leg_id = client.id.value();
    found.confidence = port != 0 ? kSame : kOnlyOne;
    return true;
  });
  return is_certain ? found : ClientLeg{};
}

}  // namespace parallax
