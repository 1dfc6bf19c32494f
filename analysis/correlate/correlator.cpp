#include "analysis/correlate/correlator.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace parallax {
namespace {

constexpr size_t kStagedEvents = 4096;
constexpr size_t kStagedRecognitions = 512;  // offline it grows
constexpr int64_t kOpeningsKeptNs = 60'000'000'000;
constexpr size_t kOpeningsKept = 1 << 16;
constexpr size_t kLearnedMax = 1 << 16;

// What a packet says comes after what it did to its leg, but before the leg's end where it is told only then.
auto order_of(const LegEvent& e) { return std::tuple(e.packet.order_ns, e.packet.point, e.packet.port, e.packet.frame, 1); }
auto order_of(const RecognitionEvent& e) { return std::tuple(e.order_ns, e.point, e.port, e.frame, e.closing ? 0 : 2); }
int64_t time_of(const LegEvent& e) { return e.packet.order_ns; }
int64_t time_of(const RecognitionEvent& e) { return e.order_ns; }

// The queue whose first event is the earliest of all; null: all are empty.
template <typename Event>
Staging<Event>* earliest(std::vector<Staging<Event>>& queues) {
  Staging<Event>* first = nullptr;
  for (auto& queue : queues) {
    if (!queue.empty() && (!first || order_of(queue.front()) < order_of(first->front()))) first = &queue;
  }
  return first;
}
template <typename Event>
bool drained_until(const std::vector<Staging<Event>>& queues, int64_t horizon_ns) {
  return std::all_of(queues.begin(), queues.end(),
                     [&](const auto& queue) { return queue.empty() || time_of(queue.front()) >= horizon_ns; });
}

OfferedOptions offered(const LegEvent& event, Side from) {
  constexpr uint8_t setup = tcp_flag::ece | tcp_flag::cwr;
  const uint8_t options = event.options;
  const uint8_t wanted = from == Side::client ? setup : tcp_flag::ece;
  return {.mss = (options & tcp_option::mss) ? event.mss : uint16_t{0},
          .window_scale = (options & tcp_option::window_scale) ? static_cast<int16_t>(event.window_scale) : int16_t{-1},
          .sack = (options & tcp_option::sack_permitted) != 0,
          .timestamps = (options & tcp_option::timestamps) != 0,
          .ecn = (event.packet.tcp_flags & setup) == wanted,
          .fast_open = (options & tcp_option::fast_open) != 0,
          .initial_window = event.window};
}

}  // namespace

Correlator::Correlator(const EngineOptions& options, EngineLinks& links, SensorView& sensor, std::vector<KnownPairing> known)
    : options_(options),
      links_(links),
      sensor_(sensor),
      known_(std::move(known)),
      free_pairs_(links.workers()),
      pair_generation_(links.workers()),
      devices_(std::max<size_t>(1, options.path.size())),
      findings_(options.path, options.findings),
      judge_(
          options.path.size(), options.device_timeout_ns, sensor,
          [this](const Connection& c, PointIndex point, int64_t from, int64_t to) { return has_rival(c, point, from, to); },
          [this](PointIndex point, const Endpoint& end) {
            HandshakeJudge::Server server;
            if (const auto it = answered_[point].find(end); it != answered_[point].end()) server.answered = it->second;
            if (const auto it = server_ttl_[point].find(end.address); it != server_ttl_[point].end()) server.ttl = it->second;
            return server;
          },
          [this](PointIndex point, const Address& server) { return crossed_[point].contains(server); },
          [this](PointIndex a, PointIndex b) {
            const DeviceState& device = devices_[std::min(a, b)];
            return options_.filtered && (device.connections == 0 || device.rewrites);
          }),
      capture_judge_(options.path, sensor) {
  for (size_t w = 0; w < links.workers(); ++w) {
    staged_.emplace_back(kStagedEvents, options.offline);
    staged_recognitions_.emplace_back(kStagedRecognitions, options.offline);
    commands_.emplace_back(*links.commands[w], !options.offline);
  }
}

bool Correlator::poll() {
  if (finished_) return false;
  for (auto& outbox : commands_) outbox.flush();
  bool busy = false;

  int64_t horizon_ns = kAfterAllNs;
  for (const WorkerProgress& progress : links_.progress)
    horizon_ns = std::min(horizon_ns, progress.done_ns.load(std::memory_order_acquire));
  // Read before the rings: what they will still bring is not before it. The last events come after the end of all time.
  bool all_finished = true;
  for (const WorkerProgress& progress : links_.progress) all_finished &= progress.finished.load(std::memory_order_acquire);
  // A leg's end after what was told before it.
  for (size_t w = 0; w < staged_.size(); ++w) {
    staged_[w].fill(*links_.leg_events[w]);
    staged_recognitions_[w].fill(*links_.recognitions[w]);
  }
  for (size_t worked = 0; worked < 1024 && take_next(horizon_ns); ++worked) busy = true;
  if (drained_until(staged_, horizon_ns) && drained_until(staged_recognitions_, horizon_ns) && horizon_ns != kBeforeAllNs) {
    if (horizon_ns != kAfterAllNs) fire_timers(horizon_ns);
    const bool said = std::all_of(commands_.begin(), commands_.end(), [](const auto& outbox) { return outbox.empty(); });
    if (said && horizon_ns > links_.correlator_done_ns.load(std::memory_order_relaxed)) {
      links_.correlator_done_ns.store(horizon_ns, std::memory_order_release);
      busy = true;
    }
  }

  for (size_t w = 0; w < links_.workers(); ++w) {
    auto& ring = *links_.fate_events[w];
    for (auto span = ring.peek(); !span.empty(); span = ring.peek()) {
      for (const FateEvent& event : span) take(event);
      ring.pop(span.size());
      busy = true;
    }
  }
  if (all_finished && !busy) {
    finish();
    return true;
  }
  return busy;
}

// The next event of all workers, if every one of them has passed its time.
bool Correlator::take_next(int64_t horizon_ns) {
  Staging<LegEvent>* legs = earliest(staged_);
  Staging<RecognitionEvent>* told = earliest(staged_recognitions_);
  if (legs && told && order_of(told->front()) < order_of(legs->front())) legs = nullptr;
  if (!legs && !told) return false;
  const int64_t time_ns = legs ? time_of(legs->front()) : time_of(told->front());
  if (time_ns >= horizon_ns && horizon_ns != kAfterAllNs) return false;
  if (time_ns != kAfterAllNs) fire_timers(time_ns);
  if (legs) {
    const LegEvent event = legs->front();
    legs->pop();
    take(event);
  } else {
    take(told->front());
    told->pop();
  }
  return true;
}

void Correlator::take(const LegEvent& event) {
  if (event.packet.order_ns != kAfterAllNs) now_ns_ = std::max(now_ns_, event.packet.order_ns);
  if (event.type == LegEventType::opened) {
    open(event);
    return;
  }
  const auto place = places_.find(event.leg.value());
  if (place == places_.end()) return;  // its connection was evicted
  Connection& connection = connections_.at(place->second.connection_id);
  LegState& leg = connection.legs[place->second.leg];
  if (event.type == LegEventType::closed) {
    leg_over(leg, connection, event);
    if (!options_.record_packets) places_.erase(event.leg.value());
    return;
  }
  update(leg, connection, event);
}

void Correlator::open(const LegEvent& event) {
  index_.expire(event.packet.order_ns);
  Connection& connection = connections_[next_connection_id_];
  connection.id = next_connection_id_++;
  ++totals_.connections;
  connection.protocol = event.protocol == ip_protocol::udp ? Protocol::udp : Protocol::tcp;
  LegState& leg = connection.legs.emplace_back();
  leg.id = event.leg;
  leg.point = event.packet.point;
  leg.protocol = event.protocol;
  leg.tunnel_key = event.tunnel_key;
  leg.client = event.client;
  leg.server = event.server;
  leg.first = event.packet;
  leg.midstream = event.midstream;
  places_[event.leg.value()] = {connection.id, 0};
  ++totals_.legs_opened[leg.point];
  settle_client_side(connection);

  auto& openings = recent_openings_[leg.point];
  while (!openings.empty() &&
         (openings.front().order_ns + kOpeningsKeptNs < event.packet.order_ns || openings.size() >= kOpeningsKept))
    openings.pop_front();
  if (!leg.midstream && event.protocol == ip_protocol::tcp) openings.push_back({event.packet.order_ns, leg.id.value()});

  const uint8_t handshake = event.packet.tcp_flags & (tcp_flag::syn | tcp_flag::ack | tcp_flag::rst);
  const uint64_t id = connection.id;
  if (event.protocol == ip_protocol::tcp && handshake == tcp_flag::syn) {
    LegEvent attempt = event;
    attempt.type = LegEventType::attempt;
    update(leg, connection, attempt);
  } else if (event.protocol == ip_protocol::tcp && handshake == (tcp_flag::syn | tcp_flag::ack)) {
    LegEvent answer = event;
    answer.type = LegEventType::syn_ack;
    leg.client_isn = event.packet.ack - 1;
    update(leg, connection, answer);
    find_partner(connections_.at(id), 0, event.packet.order_ns);
  } else {
    find_partner(connection, 0, event.packet.order_ns);
  }
  evict_connections();
}

void Correlator::note_attempt(LegState& leg, const LegEvent& event) {
  leg.client = event.client;  // a late SYN may have shown which end is which
  leg.server = event.server;
  if (leg.has_syn() && event.packet.seq != leg.client_isn) leg.syn_ack.reset();
  leg.midstream = false;
  leg.client_isn = event.packet.seq;
  leg.client_options = offered(event, Side::client);
  leg.refused.reset();
  leg.reset.reset();
  ++leg.attempt_count;
  if (leg.attempts.size() < LegState::kAttemptsKept) {
    leg.attempts.push_back(event.packet);
  } else {
    leg.attempts.back() = event.packet;
  }
}

void Correlator::update(LegState& leg, Connection& connection, const LegEvent& event) {
  const auto leg_index = static_cast<size_t>(&leg - connection.legs.data());
  switch (event.type) {
    case LegEventType::attempt:
      note_attempt(leg, event);
      find_partner(connection, leg_index, event.packet.order_ns);
      return;  // the connection may have gone into another, which has been scheduled
    case LegEventType::syn_ack: {
      leg.syn_ack = event.packet;
      leg.server_options = offered(event, Side::server);
      auto& answered = answered_[leg.point];
      if (answered.size() < kLearnedMax || answered.contains(leg.server)) ++answered[leg.server];
      auto& ttls = server_ttl_[leg.point];
      if (ttls.size() < kLearnedMax || ttls.contains(leg.server.address)) ttls[leg.server.address] = event.packet.ttl;
      break;
    }
    case LegEventType::established:
      leg.established = event.packet;
      ++totals_.handshakes[leg.point]
                          [static_cast<size_t>(leg.protocol == ip_protocol::udp ? Outcome::answered : Outcome::established)];
      if (leg.protocol == ip_protocol::udp && leg.client != event.client) {  // the second datagram has shown which end is which
        leg.client = event.client;
        leg.server = event.server;
        find_partner(connection, leg_index, event.packet.order_ns);
        return;
      }
      break;
    case LegEventType::refused:
      leg.refused = leg.refusal = event.packet;
      ++leg.refusal_count;
      ++totals_.handshakes[leg.point][static_cast<size_t>(Outcome::refused)];
      break;
    case LegEventType::reset:
      leg.reset = event.packet;
      if (&leg == &connection.client_leg())
        ++totals_.resets[static_cast<size_t>(event.packet.from == Side::client ? Origin::client : Origin::server)];
      break;
    case LegEventType::progress:
      capture_judge_.take(leg, connection, event);
      if (!options_.offline) judge_capture();
      leg.summary = event.summary;
      leg.has_summary = true;
      return;
    default:
      break;
  }
  schedule(connection);
}

void Correlator::leg_over(LegState& leg, Connection& connection, const LegEvent& event) {
  capture_judge_.take(leg, connection, event);
  if (!options_.offline) judge_capture();
  leg.summary = event.summary;
  leg.has_summary = true;
  leg.over = true;
  leg.evicted = event.evicted;
  connection.evicted |= event.evicted && !leg.established;
  if (leg.has_syn() && !leg.established && !leg.refused) {
    const Outcome outcome = leg.syn_ack ? Outcome::incomplete : Outcome::unanswered;
    ++totals_.handshakes[leg.point][static_cast<size_t>(outcome)];
  }
  if (++connection.legs_over == connection.legs.size()) over_.push_back(connection.id);
}

// ---- timers and findings ----

void Correlator::schedule(Connection& connection) {
  if (connection.check_pending) return;
  const int64_t due_ns = judge_.due_ns(connection);
  if (due_ns == kAfterAllNs) return;
  connection.check_pending = true;
  timers_.push({due_ns, connection.id});
}

// A timer fires before any event of its time or later.
void Correlator::fire_timers(int64_t before_ns) {
  while (!timers_.empty() && timers_.top().due_ns < before_ns) {
    const Timer timer = timers_.top();
    timers_.pop();
    const auto it = connections_.find(timer.connection_id);
    if (it == connections_.end()) continue;
    Connection& connection = it->second;
    connection.check_pending = false;
    const int64_t due_ns = judge_.due_ns(connection);
    if (due_ns < before_ns) {
      judge(connection, due_ns, false);
    } else {
      schedule(connection);
    }
  }
}

void Correlator::judge(Connection& connection, int64_t now_ns, bool input_ended) {
  for (Observation& observation : judge_.judge(connection, now_ns, input_ended)) observe(std::move(observation));
}

// Offline once, at the end: the sums are in the sentences.
void Correlator::judge_capture() {
  for (Observation& observation : capture_judge_.observations()) observe(std::move(observation));
}

void Correlator::observe(Observation observation) {
  if (options_.offline && !finished_) {
    observations_.push_back(std::move(observation));
    return;
  }
  const uint64_t id = findings_.observe(observation);
  const auto connection = connections_.find(observation.connection_id);
  if (connection == connections_.end()) return;
  auto& ids = connection->second.finding_ids;
  if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
}

void Correlator::take(const FateEvent& event) {
  if (event.type == FateEventType::progress || event.type == FateEventType::closed) {
    const uint64_t key = static_cast<uint64_t>(event.home) << 32 | event.pair;
    const auto owner = pair_owner_.find(key);
    if (owner == pair_owner_.end()) return;
    if (const auto connection = connections_.find(owner->second); connection != connections_.end()) {
      for (Crossing& crossing : connection->second.crossings) {
        if (crossing.home == event.home && crossing.pair == event.pair) crossing.stats = event.stats;
      }
    }
    if (event.type == FateEventType::closed) {
      pair_owner_.erase(owner);
      // Offline a pair is never used again: the crossings keep their number.
      if (!options_.offline) free_pairs_[event.home].push_back(event.pair);
    }
    return;
  }
  if (options_.offline && !finished_) {
    fates_.push_back(event);
    return;
  }
  const uint64_t key = static_cast<uint64_t>(event.home) << 32 | event.pair;
  const auto owner = pair_owner_.find(key);
  const auto it = connections_.find(owner == pair_owner_.end() ? event.connection_id : owner->second);
  if (it == connections_.end()) return;
  Connection& connection = it->second;
  const bool from_client = event.packet.from == Side::client;
  Observation o;
  const bool made = event.type == FateEventType::reset_by_device;
  // A device that resets tells both ends, and an end that knows nothing of it may be told again: one finding a connection.
  bool& told = made ? connection.reset_by_device : connection.reset_not_forwarded;
  if (event.type != FateEventType::segment_lost && std::exchange(told, true)) return;
  const PointIndex enters = made ? event.absent_at : event.packet.point, leaves = made ? event.packet.point : event.absent_at;
  o.kind = event.type == FateEventType::segment_lost          ? FindingKind::segment_loss
           : event.type == FateEventType::reset_not_forwarded ? FindingKind::reset_not_forwarded
                                                              : FindingKind::reset_by_device;
  o.where = {Where::Kind::between, from_client ? enters : leaves, from_client ? leaves : enters};
  o.origin = Origin::device;
  o.direction = from_client ? FindingDirection::client_to_server : FindingDirection::server_to_client;
  o.service = connection.client_leg().server;
  o.connection_id = connection.id;
  o.first_ns = o.last_ns = event.packet.time_ns;
  o.confidence = 0.97;
  const std::string what =
      event.type == FateEventType::segment_lost
          ? "segment seq " + std::to_string(event.packet.seq) + " length " + std::to_string(event.packet.payload_length)
          : "RST seq " + std::to_string(event.packet.seq);
  o.evidence.push_back(present_at(
      event.packet, what + ", ttl " + std::to_string(event.packet.ttl) + ", ip id " + std::to_string(event.packet.ip_id)));
  o.evidence.push_back(
      absent_at(event.absent_at, event.packet.time_ns,
                "not seen there until " + std::to_string((event.decided_ns - event.packet.order_ns) / 1'000'000) + " ms later"));
  if (made) {
    ++devices_[std::min(enters, leaves)].resets;
    ++totals_.resets[static_cast<size_t>(Origin::device)];
    const auto usual = server_ttl_[event.packet.point].find(connection.client_leg().server.address);
    if (!from_client && usual != server_ttl_[event.packet.point].end() && usual->second != event.packet.ttl) {
      o.evidence.push_back({.kind = "ttl",
                            .point = event.packet.point,
                            .port = event.packet.port,
                            .frame = event.packet.frame,
                            .time_ns = event.packet.time_ns,
                            .detail = "ttl " + std::to_string(event.packet.ttl) +
                                      ", while the server's packets arrive here with " + std::to_string(usual->second)});
    }
  }
  observe(std::move(o));
}

void Correlator::finish() {
  int64_t last_ns = now_ns_;
  for (const PortChannel* channel : sensor_.channels())
    last_ns = std::max(last_ns, channel->covered_to_ns.load(std::memory_order_acquire));
  fire_timers(last_ns);
  for (auto& [id, connection] : connections_) judge(connection, last_ns, true);
  judge_capture();
  finished_ = true;
  // Offline the findings of all workers come in one order now, by packet time.
  std::stable_sort(fates_.begin(), fates_.end(), [](const FateEvent& a, const FateEvent& b) {
    const auto key = [](const FateEvent& e) {
      return std::tuple(e.packet.order_ns, e.packet.point, e.packet.port, e.packet.frame);
    };
    return key(a) < key(b);
  });
  std::vector<Observation> handshakes;
  handshakes.swap(observations_);
  std::stable_sort(handshakes.begin(), handshakes.end(), [](const Observation& a, const Observation& b) {
    return std::tuple(a.first_ns, a.connection_id, a.kind) < std::tuple(b.first_ns, b.connection_id, b.kind);
  });
  for (Observation& observation : handshakes) observe(std::move(observation));
  for (const FateEvent& event : fates_) take(event);
  fates_.clear();
}

void Correlator::evict_connections() {
  if (options_.offline) return;
  while (connections_.size() > options_.connections) {
    // The oldest that is over; else the oldest of all.
    uint64_t id = connections_.begin()->first;
    while (!over_.empty()) {
      const uint64_t candidate = over_.front();
      over_.pop_front();
      if (connections_.contains(candidate)) {
        id = candidate;
        break;
      }
    }
    const auto it = connections_.find(id);
    forget_recognised(it->second);
    for (const LegState& leg : it->second.legs) places_.erase(leg.id.value());
    connections_.erase(it);
    ++totals_.connections_evicted;
  }
}

LegPlace Correlator::place_of(uint64_t leg_id) const {
  const auto it = places_.find(leg_id);
  return it == places_.end() ? LegPlace{} : it->second;
}

}  // namespace parallax
