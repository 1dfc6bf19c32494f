#include "analysis/correlate/correlator.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "analysis/connection/client_side.h"
#include "analysis/connection/device_changes.h"
#include "analysis/correlate/hairpin.h"
#include "analysis/correlate/settled.h"

namespace parallax {
namespace {

constexpr size_t kStagedEvents = 4096;
constexpr size_t kWorkAtOnce = 1024;         // events and timers of one poll
constexpr size_t kStagedRecognitions = 512;  // offline it grows

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
          .cut = (options & tcp_option::cut) != 0,
          .initial_window = event.window};
}

// In which a leg was opened whose client has sent, or is answered by, this packet, as far as its port tells. The first datagram
// of a conversation is its question, whichever end is taken for the server.
PortDirection direction_of_opening(const LegState& leg, const PacketFacts& packet, const SensorView& sensor) {
  const PortDirection of_port = sensor.channels()[packet.port]->info.direction;
  const bool is_question = leg.protocol == ip_protocol::udp || packet.from == Side::client;
  if (is_question || of_port == PortDirection::both) return of_port;
  return of_port == PortDirection::toward_inside ? PortDirection::toward_outside : PortDirection::toward_inside;
}

void note_attempt(LegState& leg, const LegEvent& event) {
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

// When the server's answer was seen, or should have been: soon, and before the packet by which the client has shown that it has
// it, which may come late where a filter hides mere acknowledgements.
int64_t answered_ns(const LegState& leg, const PacketFacts& shown_by) {
  constexpr int64_t kSoonNs = 100'000'000;
  return leg.syn_ack ? leg.syn_ack->order_ns : std::min(shown_by.order_ns, leg.attempts.back().order_ns + kSoonNs);
}

// Whether a detector may have to tell something at once.
bool settles(LegEventType type) {
  constexpr std::array kTypes{LegEventType::established, LegEventType::refused,     LegEventType::reset,
                              LegEventType::icmp_error,  LegEventType::stood_still, LegEventType::closed};
  return std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
}

}  // namespace

Correlator::Correlator(const EngineOptions& options, EngineLinks& links, SensorView& sensor, std::vector<KnownPairing> known)
    : options_(options),
      links_(links),
      sensor_(sensor),
      store_(options_),
      knowledge_(options.offline),
      pairer_(store_, std::move(known)),
      message_pairer_(store_, services_),
      turn_pairer_(store_, services_),
      stream_pairer_(store_, services_),
      proxy_transits_(store_, sensor),
      homes_(options_, links),
      runner_(options_, sensor, store_, knowledge_, openings_, tallies_,
              [this](const FateEvent& event) { return homes_.owner_of(event, store_); }) {
  for (size_t w = 0; w < links.workers(); ++w) {
    staged_.emplace_back(kStagedEvents, options.offline);
    told_all_.push_back(false);
    staged_recognitions_.emplace_back(kStagedRecognitions, options.offline);
  }
}

bool Correlator::poll() {
  if (finished_) return false;
  homes_.flush();
  bool busy = false;

  int64_t horizon_ns = kTimeMax;
  for (const WorkerProgress& progress : links_.progress)
    horizon_ns = std::min(horizon_ns, progress.done_ns.load(std::memory_order_acquire));
  // Read before the rings: what they will still bring is not before it. The last events come after the end of all time.
  bool all_finished = true;
  for (const WorkerProgress& progress : links_.progress) all_finished &= progress.finished.load(std::memory_order_acquire);
  for (size_t w = 0; w < staged_.size(); ++w) {
    told_all_[w] = links_.progress[w].legs_closed.load(std::memory_order_acquire);
    staged_[w].fill(*links_.leg_events[w]);
    staged_recognitions_[w].fill(*links_.recognitions[w]);
  }
  size_t worked = 0;
  for (; worked < kWorkAtOnce && take_next(horizon_ns); ++worked) busy = true;
  if (drained_until(staged_, horizon_ns) && drained_until(staged_recognitions_, horizon_ns) && horizon_ns != kTimeMin) {
    bool more = horizon_ns != kTimeMax;
    for (; more && worked < kWorkAtOnce; ++worked) more = runner_.fire_next(horizon_ns);
    busy |= more;
    if (!more && homes_.all_said() && horizon_ns > links_.correlator_done_ns.load(std::memory_order_relaxed)) {
      links_.correlator_done_ns.store(horizon_ns, std::memory_order_release);
      busy |= options_.offline || horizon_ns == kTimeMax;  // live time goes on by itself, and nobody waits for it
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
    finish_some();
    return true;
  }
  if (options_.hand_over_after_ns > 0) hand_over();
  return busy;
}

// In the order of their ends, whatever the number of workers: what a home has yet to tell is waited for.
void Correlator::hand_over() {
  const int64_t before_ns = now_ns_ - std::min(now_ns_, options_.hand_over_after_ns);
  while (Connection* connection = store_.first_over(before_ns)) {
    const auto& crossings = connection->crossings;
    if (std::any_of(crossings.begin(), crossings.end(), [](const Crossing& c) { return c.is_followed && !c.is_closed; })) return;
    store_.pass_over();
    if (!is_settled(*connection, options_.path.size()) || runner_.has_more_to_tell(*connection, now_ns_)) continue;
    for (const Crossing& crossing : crossings) homes_.forget(crossing);
    handed_over_.push_back(store_.forget(*connection));
  }
}

// The next event of all workers, if every one of them has passed its time.
bool Correlator::take_next(int64_t horizon_ns) {
  Staging<LegEvent>* legs = earliest(staged_);
  Staging<RecognitionEvent>* messages = earliest(staged_recognitions_);
  if (legs && messages && order_of(messages->front()) < order_of(legs->front())) legs = nullptr;
  if (!legs && !messages) return false;
  const int64_t time_ns = legs ? time_of(legs->front()) : time_of(messages->front());
  if (time_ns >= horizon_ns && horizon_ns != kTimeMax) return false;
  if (time_ns == kTimeMax && !all_ends_are_known()) return false;
  if (time_ns != kTimeMax && runner_.fire_next(time_ns)) return true;
  if (legs) {
    if (const LegEvent* event = legs->ahead(12)) store_.prefetch_place(event->leg.value());
    if (const LegEvent* event = legs->ahead(8)) store_.prefetch_connection(event->leg.value());
    if (const LegEvent* event = legs->ahead(4)) store_.prefetch_leg(event->leg.value());
    take(legs->front());
    legs->pop();
  } else {
    take(messages->front());
    messages->pop();
  }
  return true;
}

// The ends of the legs that are open at the end of the input all bear one time, so that no horizon says whose comes next. Each
// worker tells of them in their order, and of what a leg has said before its end.
bool Correlator::all_ends_are_known() const {
  for (size_t w = 0; w < staged_.size(); ++w) {
    if (staged_[w].empty() && !told_all_[w]) return false;
  }
  return true;
}

void Correlator::take(const LegEvent& event) {
  if (event.packet.order_ns != kTimeMax) now_ns_ = std::max(now_ns_, event.packet.order_ns);
  if (event.type == LegEventType::closed) runner_.take_stranger_end(event);
  if (event.type == LegEventType::opened) {
    open(event);
  } else if (event.type == LegEventType::arp_request) {
    runner_.take_arp_request(event);
  } else if (event.type == LegEventType::stray_icmp_error) {
    runner_.take_stray_icmp_error(event);
  } else if (event.type == LegEventType::stranger) {
    runner_.take_stranger(event);
    if (store_.leg(event.leg.value()) != nullptr) take_sighted(event.leg.value(), event.packet);
  } else if (event.type == LegEventType::witness || event.type == LegEventType::goes_on) {
    runner_.take_stranger(event);
  } else if (const LegPlace place = store_.place_of(event.leg.value()); place.connection != nullptr) {  // else it was evicted
    update(place, event);
  } else if (event.type == LegEventType::closed) {
    turn_pairer_.forget(event.leg.value());  // else what the turns have shown of it stays for ever
    stream_pairer_.forget(event.leg.value());
  }
}

void Correlator::open(const LegEvent& event) {
  const uint64_t leg_id = event.leg.value();
  const int64_t now_ns = event.packet.order_ns;
  pairer_.expire(now_ns);
  Connection& connection = store_.open(event);
  if (event.midstream) runner_.take_stranger(event);
  runner_.take_opened(event);
  settle_client_side(connection);
  LegState& leg = connection.legs.front();
  if (leg.midstream) tallies_.count_handshake(leg, Outcome::midstream);
  if (leg.midstream || leg.protocol == ip_protocol::udp) leg.sighted.push_back(event.packet);

  const uint8_t handshake =
      leg.protocol == ip_protocol::tcp ? event.packet.tcp_flags & (tcp_flag::syn | tcp_flag::ack | tcp_flag::rst) : 0;
  LegEvent first = event;
  if (handshake == tcp_flag::syn) {
    first.type = LegEventType::attempt;
    update({&connection, connection.id, 0}, first);
  } else {
    if (handshake == (tcp_flag::syn | tcp_flag::ack)) {
      leg.client_isn = event.packet.ack - 1;
      add_opening(leg, event.packet, leg.client_isn);
      first.type = LegEventType::syn_ack;
      update({&connection, connection.id, 0}, first);
    }
    // A refusal perhaps, whose SYN was missed.
    if (handshake == (tcp_flag::rst | tcp_flag::ack)) add_opening(leg, event.packet, event.packet.ack - 1);
    if (leg.protocol == ip_protocol::udp) add_opening(leg, event.packet, event.packet.seq);
    find_partners(leg_id, pairing_trigger::opening | (leg.midstream ? pairing_trigger::packet : 0), now_ns);
    follow_no_more_what_is_spread(*store_.leg(leg_id), now_ns);
  }
  store_.evict();
}

void Correlator::update(const LegPlace& place, const LegEvent& event) {
  Connection& connection = *place.connection;
  LegState& leg = connection.legs[place.leg];
  const uint64_t leg_id = event.leg.value();
  switch (event.type) {
    case LegEventType::opened:
    case LegEventType::stranger:
    case LegEventType::witness:
    case LegEventType::goes_on:
    case LegEventType::arp_request:
    case LegEventType::stray_icmp_error:
      return;
    case LegEventType::sighted:
      take_sighted(leg_id, event.packet);
      return;
    case LegEventType::resumed:
      leg.note_resumed(event.packet, event.news.silence_ns);
      return;
    case LegEventType::stood_still:
      leg.note(event.news.standstill);
      break;
    case LegEventType::icmp_error:
      if (leg.icmp.size() < LegState::kIcmpKept) leg.icmp.push_back({event.packet, event.news.icmp});
      break;
    case LegEventType::written:
      leg.is_multiplexed = true;
      for (const TurnPairer::Match& match : turn_pairer_.take_written(leg, event, options_.path.size()))
        pair_by_turns(match, event.packet.order_ns);
      for (const TurnPairer::Match& match : turn_pairer_.take_released()) pair_by_turns(match, event.packet.order_ns);
      pair_by_streams(leg_id, event);
      return;
    case LegEventType::turn:
      pair_by_turns(turn_pairer_.take(leg, event, options_.path.size()), event.packet.order_ns);
      for (const TurnPairer::Match& match : turn_pairer_.take_released()) pair_by_turns(match, event.packet.order_ns);
      proxy_transits_.take(leg_id, event);
      if (!store_.leg(leg_id)->is_multiplexed) pair_by_streams(leg_id, event);
      return;
    case LegEventType::attempt:
      note_attempt(leg, event);
      if (leg.attempt_count == 1) successors_.note_opening(leg, store_);
      // Beyond these the last one's time is not kept.
      if (leg.attempt_count < LegState::kAttemptsKept) add_opening(leg, event.packet, leg.client_isn);
      find_partners(leg_id, pairing_trigger::opening, event.packet.order_ns);
      return;
    case LegEventType::syn_ack:
      leg.syn_ack = event.packet;
      leg.server_options = offered(event, Side::server);
      knowledge_.server_answered(leg, event.packet.ttl);
      knowledge_.handshake_shown(leg.point, connection.direction_of(Side::client),
                                 (leg.has_syn() ? leg.attempts.back() : event.packet).order_ns, leg.has_syn());
      if (!leg.has_syn() || leg.is_paired()) break;
      find_partners(leg_id, pairing_trigger::answer, event.packet.order_ns);
      return;
    case LegEventType::established:
      leg.established = event.packet;
      leg.ack_window = event.window;
      if (leg.has_syn())
        knowledge_.handshake_shown(leg.point, connection.direction_of(Side::server), answered_ns(leg, event.packet),
                                   leg.syn_ack.has_value());
      tallies_.count_handshake(leg, leg.protocol == ip_protocol::udp ? Outcome::answered : Outcome::established);
      if (leg.protocol == ip_protocol::udp && leg.client != event.client) {  // the second datagram has shown which end is which
        leg.client = event.client;
        leg.server = event.server;
        leg.sighted.clear();  // they went the other way
        find_partners(leg_id, pairing_trigger::opening, event.packet.order_ns);
        return;
      }
      break;
    case LegEventType::refused:
      leg.refused = event.packet;
      leg.refusal = event.packet;
      ++leg.refusal_count;
      runner_.take_refusal(leg, event.packet);
      tallies_.count_handshake(leg, Outcome::refused);
      break;
    case LegEventType::reset:
      leg.reset = event.packet;
      leg.reset_after_fin = event.after_fin;
      leg.reset_had_everything = event.news.had_everything;
      successors_.note_reset(leg);
      break;
    case LegEventType::progress:
    case LegEventType::closed:
      runner_.take_report(leg, connection, event);
      leg.summary = event.summary;
      leg.has_summary = true;
      if (event.type == LegEventType::closed) leg_over(leg, connection, event);
      break;
  }
  runner_.schedule(connection, settles(event.type));
}

void Correlator::leg_over(LegState& leg, Connection& connection, const LegEvent& event) {
  leg.evicted = event.evicted;
  connection.evicted |= event.evicted && !leg.established;
  runner_.take_end(leg, connection);
  turn_pairer_.forget(leg.id.value());
  stream_pairer_.forget(leg.id.value());
  proxy_transits_.end(leg.id.value());
  store_.close(leg, connection, now_ns_);
}

// ---- pairing ----

void Correlator::add_opening(LegState& leg, const PacketFacts& packet, uint32_t isn) {
  openings_.add(leg, packet.order_ns, isn, direction_of_opening(leg, packet, sensor_));
}

void Correlator::find_partners(uint64_t leg_id, uint8_t trigger, int64_t now_ns) {
  seek_partners(leg_id, trigger, now_ns);
  pairer_.add(*store_.leg(leg_id), trigger, now_ns);
}

void Correlator::take_sighted(uint64_t leg_id, const PacketFacts& packet) {
  LegState& leg = *store_.leg(leg_id);
  // Its SYN came late, or it is one of the first segments with the sum of its payload.
  const bool has_opening = leg.protocol == ip_protocol::tcp && !leg.midstream;
  if (has_opening && (!leg.has_syn() || !leg.syn_ack || packet.tsval == 0)) return;
  if (leg.sighted.size() == LegState::kSightedMax) leg.sighted.erase(leg.sighted.begin());
  leg.sighted.push_back(packet);
  find_partners(leg_id, pairing_trigger::packet, packet.order_ns);  // which may move the leg to another connection
  raise_what_passes(leg_id, packet.order_ns);
}

void Correlator::seek_partners(uint64_t leg_id, uint8_t trigger, int64_t now_ns) {
  const int own = store_.leg(leg_id)->point;
  for (const int point : {own - 1, own, own + 1}) {
    if (point < 0 || point >= static_cast<int>(options_.path.size())) continue;
    const Pairer::Match match = pairer_.find(leg_id, point, trigger);
    if (match.leg_id == 0) continue;
    std::vector<uint64_t> freed;
    if (match.takes_over) {
      free_toward(leg_id, static_cast<PointIndex>(point), now_ns, freed);
      free_toward(match.leg_id, static_cast<PointIndex>(own), now_ns, freed);
    }
    pair(leg_id, match, now_ns);
    for (const uint64_t leg : freed)
      seek_partners(leg, pairing_trigger::opening | pairing_trigger::message | pairing_trigger::packet, now_ns);
  }
  runner_.schedule(*store_.connection_of(leg_id));
}

// Takes back all that the leg is paired or shared with toward that point. `freed`: the legs that have lost it.
void Correlator::free_toward(uint64_t leg_id, PointIndex point, int64_t now_ns, std::vector<uint64_t>& freed) {
  share_no_more(leg_id, point, freed);
  for (size_t i = 0; i < store_.connection_of(leg_id)->crossings.size();) {
    Connection& connection = *store_.connection_of(leg_id);
    const LegState* other = connection.other_end(connection.crossings[i], *store_.leg(leg_id));
    if (other == nullptr || other->point != point) {
      ++i;
      continue;
    }
    freed.push_back(other->id.value());
    take_back(connection, i, now_ns);  // which may leave the leg in another connection
    i = 0;
  }
}

void Correlator::share_no_more(uint64_t leg_id, PointIndex point, std::vector<uint64_t>& freed) {
  for (const Sharing& sharing : store_.share_no_more(*store_.leg(leg_id), point)) {
    ++tallies_.pairings_taken_back[static_cast<size_t>(sharing.basis.method)];
    freed.push_back(sharing.leg_id);
  }
}

// What was told on it first, while it stands.
void Correlator::take_back(Connection& connection, size_t index, int64_t now_ns) {
  const Crossing crossing = connection.crossings[index];
  const LegState& client_side = connection.legs[crossing.client_leg];
  const LegState& server_side = connection.legs[crossing.server_leg];
  const std::array ends{std::pair{client_side.id.value(), server_side.point},
                        std::pair{server_side.id.value(), client_side.point}};
  runner_.take_back(connection, crossing);
  if (crossing.is_learned) knowledge_.has_not_crossed(client_side, server_side, connection.client_outer, crossing.is_proxied);
  homes_.take_back(crossing, client_side, server_side, now_ns);
  ++tallies_.pairings_taken_back[static_cast<size_t>(crossing.method)];
  store_.disconnect(connection, index);
  for (const auto& [leg_id, lost] : ends) settle_again(leg_id, lost);
}

// A leg that has lost its partner at that point.
void Correlator::settle_again(uint64_t leg_id, PointIndex lost) {
  const LegState& leg = *store_.leg(leg_id);
  Connection& connection = *store_.connection_of(leg_id);
  settle_client_side(connection);
  openings_.restore(leg, lost, direction_of_opening(leg, leg.first, sensor_));
  runner_.schedule(connection);
}

void Correlator::pair(uint64_t leg_id, const Pairer::Match& match, int64_t now_ns) {
  Connection& connection = store_.connect(leg_id, match.leg_id);
  Crossing& crossing = connection.crossings.emplace_back();
  crossing.client_leg = store_.place_of(leg_id).leg;
  crossing.server_leg = store_.place_of(match.leg_id).leg;
  const bool is_within = connection.legs[crossing.client_leg].point == connection.legs[crossing.server_leg].point;
  crossing.is_proxied = !match.keeps_packets && !is_within;  // tells which side the client is on
  settle_client_side(connection);
  for (Crossing& earlier : connection.crossings) {
    if (!earlier.is_followed) orient(earlier, connection);
  }
  crossing.method = match.method;
  crossing.confidence = match.confidence;
  crossing.rivals = match.rivals;
  ++tallies_.pairings[static_cast<size_t>(crossing.method)];

  LegState& client_side = connection.legs[crossing.client_leg];
  LegState& server_side = connection.legs[crossing.server_leg];
  store_.mark_paired(client_side, server_side);
  if (crossing.is_proxied) {
    services_.of(client_side.server).learn_pairing(server_side.server, crossing.method);
    proxy_transits_.paired(connection, crossing);
  } else if (match.keeps_packets && !is_within) {
    services_.of(client_side.server).learn_crossed(server_side.server);
  }
  if (!is_within) openings_.remove(client_side, server_side.point);
  openings_.remove(server_side, client_side.point);
  if (is_within && !is_on_client_side(client_side, server_side)) return;  // which way its packets pass is not known
  if (!is_within && connection.side_basis == SideBasis::guessed) return;  // the same, and it teaches nothing
  crossing.is_learned = true;
  knowledge_.crossed(client_side, server_side, connection.client_outer, crossing.is_proxied);
  if (!crossing.is_proxied)
    knowledge_.device_changed(client_side.point, server_side.point,
                              changes_between(client_side, server_side, crossing.stats.get()));
  if (match.keeps_packets) follow(crossing, connection, now_ns);
}

// A device that gives the datagrams of one client's end to several servers makes several legs of one: what is missing on each has
// left on another. Unless the client itself speaks to several, and theirs have yet to be paired.
bool Correlator::is_spread(const LegState& client_side, const LegState& server_side) const {
  if (client_side.protocol != ip_protocol::udp || client_side.client != server_side.client ||
      client_side.server == server_side.server)
    return false;
  const bool is_within = client_side.point == server_side.point;
  bool is_spread = false;
  for (const uint64_t id : pairer_.with_client_of(client_side).legs) {
    const LegState* other = store_.leg(id);
    if (other == nullptr || other == &client_side || other == &server_side) continue;
    if (is_within) {  // which of the two it may be is not known
      is_spread |= other->point == client_side.point && !other->paired_within;
      continue;
    }
    if (other->point == client_side.point && !other->paired[path_side(client_side.point, server_side.point)]) return false;
    is_spread |= other->point == server_side.point && !other->paired[path_side(server_side.point, client_side.point)];
  }
  return is_spread;
}

void Correlator::follow_no_more_what_is_spread(const LegState& leg, int64_t now_ns) {
  if (leg.protocol != ip_protocol::udp || leg.is_paired()) return;
  for (const uint64_t id : pairer_.with_client_of(leg).legs) {
    Connection* connection = store_.connection_of(id);
    if (connection == nullptr) continue;
    for (Crossing& crossing : connection->crossings) {
      const LegState &client_side = connection->legs[crossing.client_leg], &server_side = connection->legs[crossing.server_leg];
      if (!crossing.is_followed || !is_spread(client_side, server_side)) continue;
      follow_no_more(*connection, crossing, now_ns);
    }
  }
}

void Correlator::settle_client_side(Connection& connection) const {
  parallax::settle_client_side(connection, sensor_, knowledge_, options_.path.size());
}

void Correlator::take(const RecognitionEvent& event) {
  const LegState* leg = store_.leg(event.leg.value());
  if (leg == nullptr) return;  // its connection was evicted
  const size_t shown = Pairer::keys_shown(*leg, pairing_trigger::message);
  if (event.kind != RecognitionKind::first_bytes) store_.take(event);  // they are of use while they are new
  if (event.kind == RecognitionKind::quic) take_quic(event);
  if (Pairer::keys_shown(*leg, pairing_trigger::message) > shown && !event.closing)
    find_partners(event.leg.value(), pairing_trigger::message, event.order_ns);
  if (!event.closing && options_.path.size() > 1) {
    if (event.from == Side::client && names_client(event)) take_back_what_names_another(event);
    const auto matches = message_pairer_.take(*store_.leg(event.leg.value()), event, options_.path.size());
    if (const uint64_t asks = asked_for(event); asks != 0) turn_pairer_.asks(event.leg.value(), asks, names_client(event));
    if (event.from == Side::client) {
      for (const auto& [client, beyond] : message_pairer_.passed_on()) turn_pairer_.explain(client, beyond);
    }
    for (const MessagePairer::Match& match : matches) pair_by_message(match, event.order_ns);
  }
}

// ---- the end ----

void Correlator::finish_some() {
  if (!take_back_what_never_matched()) return;
  if (options_.access_log != nullptr && !access_log_) join_access_log();
  int64_t last_ns = now_ns_;
  for (const PortChannel* channel : sensor_.channels())
    last_ns = std::max(last_ns, channel->covered_to_ns.load(std::memory_order_acquire));
  finished_ = runner_.finish_some(last_ns);
}

}  // namespace parallax
