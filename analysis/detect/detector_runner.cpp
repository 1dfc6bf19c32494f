#include "analysis/detect/detector_runner.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

#include "analysis/connection/client_side.h"
#include "analysis/detect/device_doings.h"
#include "analysis/detect/fate_place.h"
#include "analysis/detect/handshake.h"
#include "analysis/detect/icmp_errors.h"

namespace parallax {

namespace {

void rename(std::vector<uint64_t>& ids, uint64_t from, uint64_t into) {
  std::erase(ids, from);
  if (std::find(ids.begin(), ids.end(), into) == ids.end()) ids.push_back(into);
}

// In order from the client's point to the server's.
std::vector<FindingLeg> legs_of(const Connection& connection) {
  std::vector<const LegState*> order;
  for (const LegState& leg : connection.legs) order.push_back(&leg);
  std::stable_sort(order.begin(), order.end(), [&](const LegState* x, const LegState* y) {
    if (x->point != y->point) return connection.client_outer ? x->point < y->point : x->point > y->point;
    return x->first.order_ns < y->first.order_ns;
  });
  std::vector<FindingLeg> legs;
  for (const LegState* leg : order) legs.push_back({connection.id, connection.protocol, leg->client, leg->server});
  return legs;
}

// One of these is told of a connection, at most.
bool is_reset(FindingKind kind) {
  return kind == FindingKind::reset_by_device || kind == FindingKind::reset_by_client || kind == FindingKind::reset_by_server;
}

// What is looked at once the fates of its packets are known.
bool has_aftermath(const Connection& connection) {
  return std::any_of(connection.legs.begin(), connection.legs.end(),
                     [](const LegState& leg) { return leg.reset.has_value() || leg.stops != nullptr; });
}

// A connection that got no answer, or an ICMP error for one, is told long before its legs are over.
void count_as(Outcome outcome, Connection& connection, Tallies& tallies) {
  for (LegState& leg : connection.legs) {
    if (leg.has_syn() && !leg.refused && failed_outcome(leg) == outcome) tallies.count_handshake(leg, outcome);
  }
}

}  // namespace

DetectorRunner::DetectorRunner(const EngineOptions& options, const SensorView& sensor, ConnectionStore& store,
                               Knowledge& knowledge, const RivalOpenings& openings, Tallies& tallies, FateOwner owner)
    : options_(options),
      settings_(options.detectors),
      asked_(rows_to_ask(settings_->off)),
      looking_{LookRows(Protocol::tcp, asked_), LookRows(Protocol::udp, asked_)},
      sensor_(sensor),
      store_(store),
      knowledge_(knowledge),
      openings_(openings),
      tallies_(tallies),
      owner_(std::move(owner)),
      capture_(sensor),
      findings_(
          options.path, options.findings,
          [this](const FindingGroup& group) { return detector_of(group.record.kind)->sentence(group, view(now_ns_, finished_)); },
          options.first_finding_id),
      far_sightings_(options.offline),
      scans_(store, knowledge),
      fates_told_(!options.offline) {}

void DetectorRunner::set(std::shared_ptr<const DetectorSettings> settings) {
  settings_ = std::move(settings);
  asked_ = rows_to_ask(settings_->off);
  for (const Protocol protocol : kProtocols) looking_[protocol] = LookRows(protocol, asked_);
}

DetectorView DetectorRunner::view(int64_t now_ns, bool input_ended) const {
  return {options_, settings_->thresholds, sensor_, store_,      knowledge_, openings_, strangers_, stray_icmp_errors_, capture_,
          replies_, opened_from_,          now_ns,  input_ended, fates_told_};
}

// The time of the next look, and the rows that ask for it then.
DetectorRunner::Due DetectorRunner::due_of(const Connection& connection) const {
  Due due;
  const DetectorView now = view(now_ns_, false);
  const LookRows& rows = looking_[connection.protocol];
  assert(rows.leaves_out_rightly(connection, now));
  rows.ask(connection, false, [&](const Detector& row) {
    const int64_t row_ns = row.due_ns(connection, now);
    if (row_ns > due.ns || row_ns == kTimeMax) return;
    if (row_ns < due.ns) due.count = 0;
    due.ns = row_ns;
    due.rows[due.count++] = &row;
  });
  return due;
}

void DetectorRunner::schedule(Connection& connection, bool settles) {
  // Offline nothing is told before the end, and the later a look the more it sees.
  const bool may_be_sooner = settles && !options_.offline && connection.check_due_ns > fired_before_ns_ + kSoonNs;
  if (connection.check_due_ns != kTimeMax && !may_be_sooner) return;
  const int64_t due = due_of(connection).ns;
  if (due >= connection.check_due_ns) return;
  connection.check_due_ns = due;
  timers_.push({due, connection.id}, store_);
}

bool DetectorRunner::fire_next(int64_t before_ns) {
  if (!options_.offline && before_ns > next_sum_ns_) {
    next_sum_ns_ = before_ns + kSumUpEveryNs;
    sum_up();
  }
  fired_before_ns_ = before_ns;
  // What is due, in the order of its time, however far the workers have come since: fates, ends of findings, looks.
  const int64_t next_ns = timers_.empty() ? before_ns : std::min(before_ns, timers_.earliest().due_ns);
  release_fates(next_ns);
  close_findings(next_ns);
  if (timers_.empty() || timers_.earliest().due_ns >= before_ns) return false;
  const Timers::Timer timer = timers_.pop();
  Connection* connection = store_.find(timer.connection_id);
  if (!Timers::is_waited_for(timer, connection)) return true;
  connection->check_due_ns = kTimeMax;
  settle_side(*connection);
  if (const Due due = due_of(*connection); due.ns < before_ns) {
    now_ns_ = due.ns;
    Verdicts found;
    const DetectorView now = view(due.ns, false);
    for (size_t i = 0; i < due.count; ++i) due.rows[i]->look(*connection, now, found);
    take(found);
  }
  schedule(*connection);
  return true;
}

// Other connections may have shown since on which side its client is. Once it has crossed, its crossings stand.
void DetectorRunner::settle_side(Connection& connection) const {
  if (connection.side_basis == SideBasis::guessed && connection.crossings.empty())
    settle_client_side(connection, sensor_, knowledge_, options_.path.size());
}

// As at the end of the input: all rows that the connection may have something for.
void DetectorRunner::look_last(Connection& connection, int64_t now_ns) {
  now_ns_ = now_ns;
  settle_side(connection);
  Verdicts found;
  const DetectorView now = view(now_ns, true);
  looking_[connection.protocol].ask(connection, true, [&](const Detector& row) { row.look(connection, now, found); });
  take(found);
}

bool DetectorRunner::has_more_to_tell(Connection& connection, int64_t now_ns) {
  if (connection.is_noted || connection.check_due_ns != kTimeMax) return true;
  look_last(connection, now_ns);
  return connection.is_noted;
}

void DetectorRunner::take_report(const LegState& leg, Connection& connection, const LegEvent& event) {
  const CaptureReport& report = event.capture;
  connection.is_noted |= report.missed_segments > 0 || report.copies[Side::client] + report.copies[Side::server] > 0;
  capture_.take(leg, connection, event);
}

void DetectorRunner::take_end(LegState& leg, const Connection& connection) {
  one_way_points_.take(leg, connection);
  if (leg.has_syn() && !leg.established && !leg.refused) tallies_.count_handshake(leg, failed_outcome(leg));
  if (leg.icmp.empty()) return;
  for (const IcmpFate& fate : icmp_fates(connection, leg, view(now_ns_, false))) {
    const int next = fate.direction == Direction::toward_inside ? leg.point + 1 : leg.point - 1;
    knowledge_.device_icmp(leg.point, static_cast<PointIndex>(next), fate.direction,
                           {1, fate.left != nullptr ? 1u : 0u, fate.is_lost ? 1u : 0u});
    if (options_.record_packets) icmp_notes_.add(leg, fate);
  }
}

void DetectorRunner::take_arp_request(const LegEvent& event) {
  if (settings_->off.contains(FindingKind::arp_burst)) return;
  Verdicts found;
  arp_bursts_.take(event.packet, event.client.address, event.server.address, settings_->thresholds, found.told);
  if (!found.told.empty()) take(found);
}

void DetectorRunner::sum_up() {
  Verdicts found;
  for (const Detector* detector : asked_) {
    if (detector->sum_up) detector->sum_up(capture_, view(now_ns_, finished_), found);
  }
  take(found);
}

void DetectorRunner::take_fate(const FateEvent& event) {
  Connection* connection = owner_(event);
  if (connection == nullptr) return;
  if (finished_) return tell_fate(*connection, event);
  const bool path_goes_on = crosses_several(*connection);
  if (path_goes_on && !is_of_both_sides(event.type)) note_far_sighting(*connection, event);
  if (event.type == FateEventType::one_sided) return;
  if (options_.offline) {
    const PacketFacts& packet = event.packet;
    connection->is_noted = true;
    fates_.insert({{packet.order_ns, packet.point, packet.port, packet.frame, event.absent_at, event.type}, event});
    return;
  }
  // Its pair may be over and its number another's by then: the leg stays.
  held_fates_.insert({event.decided_ns + (path_goes_on ? kNeighbourTellsNs : 0), {event, connection->legs.front().id.value()}});
  if (held_fates_.size() > kFatesHeldMax) release_fates(held_fates_.begin()->first + 1);
}

// Offline all are closed at the end: until then observations have yet to be stored.
void DetectorRunner::close_findings(int64_t before_ns) {
  if (!options_.offline) findings_.pass_time(std::min(before_ns, fired_before_ns_));
}

void DetectorRunner::release_fates(int64_t before_ns) {
  while (!held_fates_.empty() && held_fates_.begin()->first < before_ns) {
    close_findings(held_fates_.begin()->first);
    const HeldFate held = held_fates_.begin()->second;
    held_fates_.erase(held_fates_.begin());
    if (Connection* connection = store_.connection_of(held.leg_id)) tell_fate(*connection, held.event);
  }
}

// Null: the pairing has been taken back, or the connection was evicted.
const Crossing* DetectorRunner::crossing_of(const Connection& connection, const FateEvent& event) const {
  const auto it = std::find_if(connection.crossings.begin(), connection.crossings.end(), [&](const Crossing& c) {
    return c.is_followed && c.home == event.home && c.pair == event.pair && c.pair_generation == event.pair_generation;
  });
  return it == connection.crossings.end() ? nullptr : &*it;
}

// Then what was seen on one side of a device may have been seen beyond the other.
bool DetectorRunner::crosses_several(const Connection& connection) const {
  return options_.path.size() > 2 || connection.crossings.size() > 1;
}

void DetectorRunner::note_far_sighting(const Connection& connection, const FateEvent& event) {
  if (const Crossing* crossing = crossing_of(connection, event))
    far_sightings_.add(event, absent_leg(connection, *crossing, event).id.value());
}

// The packet passed the point where it was not seen: a point further on has seen it.
bool DetectorRunner::was_seen_beyond(const Connection& connection, const FateEvent& event) {
  const Crossing* crossing = crossing_of(connection, event);
  if (!crosses_several(connection) || crossing == nullptr) return false;
  const uint64_t leg = absent_leg(connection, *crossing, event).id.value();
  // Live a pair is over and forgotten when it may still be asked for.
  const auto stands = [&](uint8_t home, uint32_t pair) {
    FateEvent other{};
    other.home = home;
    other.pair = pair;
    return !options_.offline || owner_(other) != nullptr;
  };
  return far_sightings_.any(event, leg, options_.device_timeout_ns, stands);
}

// A leg was met in midstream under the names of the other, and the device renames these addresses: what was seen of it may be no
// more than packets that the device forgot to translate. The connection crosses under another name, of which the opening was
// missed.
bool DetectorRunner::is_leak(const Crossing& crossing, const Connection& connection) const {
  const LegState& a = connection.legs[crossing.client_leg];
  const LegState& b = connection.legs[crossing.server_leg];
  return crossing.method == PairingMethod::five_tuple && (a.midstream || b.midstream) &&
         (knowledge_.is_renamed(a.client.address) || knowledge_.is_renamed(a.server.address));
}

// What its home could not know: what other points saw, how other connections passed at that time, and what the device renames.
Doubt DetectorRunner::doubt_of(const Connection& connection, const FateEvent& event) {
  if (is_of_both_sides(event.type)) return Doubt::none;
  const Crossing* crossing = crossing_of(connection, event);
  const Doubt of_leak = crossing != nullptr && is_leak(*crossing, connection) ? Doubt::path_unknown : Doubt::none;
  if (event.type == FateEventType::left_untranslated) return was_seen_beyond(connection, event) ? Doubt::seen_beyond : of_leak;
  const PortDirection ports = absent_ports(connection, event);
  const int64_t time_ns = event.packet.order_ns;
  const bool of_reset = event.type == FateEventType::reset_by_device || event.type == FateEventType::reset_not_forwarded;
  // It may be all that its direction has shown, so that its pair cannot know that the point shows nothing of that direction.
  const bool shows_none =
      one_way_points_.misses(event.absent_at, ports) || knowledge_.misses(event.absent_at, ports, time_ns, time_ns);
  if (of_reset && shows_none) return Doubt::not_covered;
  if (was_seen_beyond(connection, event)) return Doubt::seen_beyond;
  if (event.is_unrepaired) return Doubt::acknowledged;  // as its sender's silence says
  if (strangers_.may_hide(event, connection, store_, options_.device_timeout_ns)) return Doubt::rival;
  if (knowledge_.is_blind(event.absent_at, ports, time_ns)) return Doubt::not_covered;
  return of_leak;
}

// What its home has counted as lost or made was not.
void DetectorRunner::clear(Connection& connection, const FateEvent& event) {
  if (options_.offline) missed_.insert({event.packet.port, event.packet.frame});
  if (event.type == FateEventType::reset_by_device) return;
  const auto [device, travel] = counted_at(event);
  ++tallies_.packets_cleared[device][travel];
  if (event.packet.payload_length == 0 && event.type != FateEventType::datagram_lost) return;
  ++tallies_.segments_cleared[device][travel];
  if (const Crossing* crossing = crossing_of(connection, event))
    ++connection.crossings[static_cast<size_t>(crossing - connection.crossings.data())].cleared[event.packet.from];
}

void DetectorRunner::tell_fate(Connection& connection, FateEvent event) {
  if (!is_of_both_sides(event.type) && strangers_.find(event, options_.device_timeout_ns)) {
    // It did enter: the stranger's peer has sent it.
    if (event.type == FateEventType::reset_by_device) return clear(connection, event);
    event.type = FateEventType::left_untranslated;
  }
  if (const Doubt doubt = doubt_of(connection, event); doubt != Doubt::none) {
    ++tallies_.unblamed[static_cast<size_t>(doubt)];
    return clear(connection, event);
  }
  if (event.type == FateEventType::left_untranslated) clear(connection, event);
  if (event.type == FateEventType::segment_lost || event.type == FateEventType::datagram_lost) {
    const auto [device, travel] = counted_at(event);
    ++tallies_.segments_lost[device][travel];
  }
  Verdicts found;
  for (const Detector* detector : asked_) {
    if (detector->fate_type == event.type) detector->fate(connection, event, view(now_ns_, finished_), found);
  }
  take(found);
}

// Of what was told of the connection, and of what is still to be: `which(kind, where)`.
template <typename Which>
void DetectorRunner::withdraw(Connection& connection, Which&& which) {
  std::erase_if(waiting_, [&](const auto& waiting) {
    const Observation& o = waiting.second;
    if (!which(o.kind, o.where) || store_.place_of(o.leg_id).connection_id != connection.id) return false;
    connection.told.erase(o.kind);
    return true;
  });
  std::erase_if(connection.finding_ids, [&](uint64_t id) {
    const FindingRecord* finding = findings_.find(id);
    if (finding == nullptr || !which(finding->kind, finding->where)) return false;
    const auto taken = findings_.withdraw(id, connection.id);
    if (!taken) return false;
    count_for_device(knowledge_, *finding, *taken, -1);
    if (is_refusal_of_device(*finding)) connection.told.erase(FindingKind::reset_by_device);
    connection.told.erase(finding->kind);
    return true;
  });
  // What was told of a kind that is off has left no finding by which to know it.
  for (const Detector* detector : detectors()) {
    if (settings_->off.contains(detector->kind) && which(detector->kind, Where{})) connection.told.erase(detector->kind);
  }
}

// What rests on a packet's fate is told of its place. A handshake is seen as a whole.
void DetectorRunner::take_back(Connection& connection, const Crossing& crossing) {
  const PointIndex a = connection.legs[crossing.client_leg].point, b = connection.legs[crossing.server_leg].point;
  withdraw(connection, [&](FindingKind kind, const Where& where) {
    const Detector* detector = detector_of(kind);
    if (detector == nullptr || !detector->fate_type) return true;
    return where.kind == Where::Kind::between && std::minmax(where.first, where.second) == std::minmax(a, b);
  });
  std::erase_if(held_fates_, [&](const auto& held) {
    const FateEvent& event = held.second.event;
    return crossing.is_followed && event.home == crossing.home && event.pair == crossing.pair &&
           event.pair_generation == crossing.pair_generation;
  });
}

void DetectorRunner::take(Verdicts& verdicts) {
  for (const Verdicts::Withdrawal& withdrawal : verdicts.withdrawn) {
    if (Connection* connection = store_.find(withdrawal.connection_id))
      withdraw(*connection, [&](FindingKind kind, const Where&) { return kind == withdrawal.kind; });
  }
  const Thresholds& thresholds = settings_->thresholds;
  for (Connection* scanned : scans_.take(verdicts.tried, thresholds, verdicts.told)) tell_as_scan(*scanned, verdicts.told);
  for (Verdicts::Hold& hold : verdicts.held)
    held_segments_.take(hold.direction, hold.segment, std::move(hold.observation), thresholds, verdicts.told);
  for (auto& [observation, is_answered] : verdicts.asked)
    service_silence_.take(std::move(observation), is_answered, thresholds, verdicts.told);
  for (auto& [observation, count] : verdicts.sent)
    datagram_floods_.take(std::move(observation), count, thresholds, verdicts.told);
  for (const Verdicts::Accepted& accepted : verdicts.accepted) {
    service_loads_.accepted(accepted.service, accepted.at_ns);
    opened_from_.accepted(accepted.client_side);
    scans_.served(accepted.client.address, accepted.service);
    source_drops_.passed(accepted.client.address, accepted.service, accepted.across, accepted.at_ns);
  }
  for (Verdicts::Opened& opened : verdicts.opened)
    rhythms_.take(std::move(opened.observation), opened.syn, thresholds, verdicts.told);
  const uint64_t begun = service_loads_.begun() + source_drops_.begun();
  for (Observation& observation : verdicts.told) {
    if (Connection* connection = store_.find(observation.connection_id)) {
      observation.leg_id = connection->legs.front().id.value();
      observation.client = connection->client_leg().client.address;
      connection->is_noted = true;
      if (observation.kind == FindingKind::syn_unanswered) count_as(Outcome::unanswered, *connection, tallies_);
      if (observation.kind == FindingKind::syn_refused) count_as(Outcome::refused, *connection, tallies_);
      opened_from_.take(observation, connection->client_outer ? PathSide::outer : PathSide::inner);
    }
    // What is the work of a saturated listener, or of a device that throttles, is told as theirs.
    if (!source_drops_.take(observation, thresholds)) service_loads_.take(observation, thresholds);
    if (observation.doubt != Doubt::none) ++tallies_.unblamed[static_cast<size_t>(observation.doubt)];
    if (options_.offline && !finished_) {
      const std::tuple order(observation.first_ns, observation.connection_id, observation.kind);
      waiting_.insert({order, std::move(observation)});
    } else {
      store(std::move(observation));
    }
  }
  if (service_loads_.begun() + source_drops_.begun() != begun) take_over_what_waits();
}

// A scan tells of it: live what was told of it before is taken back, offline it is not stored, nor as of many sources' scan.
void DetectorRunner::tell_as_scan(Connection& connection, const std::vector<Observation>& told) {
  if (options_.offline) {
    for (const Observation& o : told) {
      if (o.kind == FindingKind::fan_out && o.connection_id == connection.id)
        waiting_.erase({o.first_ns, o.connection_id, o.kind});
    }
    return;
  }
  const FindingKinds done = connection.told;
  withdraw(connection, [](FindingKind kind, const Where&) { return is_of_failed_opening(kind) || kind == FindingKind::fan_out; });
  connection.told = done;
}

// Offline: what was found before it was known that a listener is saturated, or a source throttled.
void DetectorRunner::take_over_what_waits() {
  std::vector<Observation> taken;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    const auto waiting = it++;
    if (!source_drops_.explain(waiting->second) && !service_loads_.explain(waiting->second)) continue;
    taken.push_back(std::move(waiting->second));
    waiting_.erase(waiting);
  }
  for (Observation& observation : taken) {
    const std::tuple order(observation.first_ns, observation.connection_id, observation.kind);
    waiting_.insert({order, std::move(observation)});
  }
}

// Packets come there, and not one of them could be read: its mirror cuts them, or takes them for something else.
bool DetectorRunner::is_unreadable(PointIndex point) const {
  if (store_.totals().legs_opened[point] > 0) return false;
  const auto& channels = sensor_.channels();
  return std::any_of(channels.begin(), channels.end(),
                     [point](const PortChannel* channel) { return channel->info.point == point && channel->hidden.lost() > 0; });
}

// What it rests on may be no absence: other connections tell that the point was blind then.
void DetectorRunner::doubt_blind_points(Observation& o) const {
  const auto is_blind = [this](const Absence& absence) {
    return is_unreadable(absence.point) || one_way_points_.misses(absence.point, absence.ports) ||
           knowledge_.is_blind(absence.point, absence.ports, absence.time_ns);
  };
  const auto blind = static_cast<uint64_t>(std::count_if(o.absences.begin(), o.absences.end(), is_blind));
  if (blind == 0) return;
  if (o.rests_on_any && blind < o.absences.size()) {
    o.proved = std::min(o.proved, o.absences.size() - blind);
    return;
  }
  const Absence& first = o.absences.front();
  o = without_blame(std::move(o), AbsenceProof(sensor_, first.point, first.ports).unless(true, Doubt::not_covered));
}

// As configured, as its detector says, or as its row says.
Severity DetectorRunner::severity_of(const Observation& observation) const {
  const auto configured = settings_->severities.find(observation.kind);
  if (configured != settings_->severities.end()) return configured->second;
  return observation.severity.value_or(detector_of(observation.kind)->severity);
}

// What follows from it is told by it.
void DetectorRunner::note_explained(const Observation& cause) {
  const Detector* detector = detector_of(cause.kind);
  Connection* connection = store_.find(cause.connection_id);
  if (detector->explains == nullptr || connection == nullptr) return;
  const FindingKinds explained = detector->explains(cause);
  bool is_any_told = false;  // seldom; and of a finding of very many connections to look what to take back costs
  explained.for_each([&](FindingKind kind) { is_any_told |= connection->told.contains(kind); });
  connection->explained |= explained;
  if (!is_any_told) return;
  const FindingKinds told = connection->told;
  withdraw(*connection, [&](FindingKind kind, const Where&) { return explained.contains(kind); });
  connection->told = told;
}

void DetectorRunner::charge_cause(const Observation& consequence) {
  const Connection* connection = store_.find(consequence.connection_id);
  if (!consequence.cause || connection == nullptr) return;
  for (const uint64_t id : connection->finding_ids) {
    const FindingRecord* cause = findings_.find(id);
    if (cause != nullptr && cause->kind == consequence.cause) findings_.charge(id, connection->id, consequence.time_lost_seconds);
  }
}

void DetectorRunner::store(Observation observation) {
  // Its connection may have become part of another since.
  if (const LegPlace place = store_.place_of(observation.leg_id); observation.connection_id != 0 && place.connection_id != 0)
    observation.connection_id = place.connection_id;
  note_explained(observation);
  charge_cause(observation);
  if (settings_->off.contains(observation.kind) || scans_.tells(observation)) return;
  doubt_blind_points(observation);
  // Nobody is harmed by an answer: without the device there is nothing to tell.
  if (observation.kind == FindingKind::answered_by_device && observation.doubt != Doubt::none) return;
  count_for_device(knowledge_, observation,
                   {.count = observation.count, .attempts = observation.attempts, .proved = observation.proved}, 1);
  const bool is_refusal = is_refusal_of_device(observation);
  if (is_reset(observation.kind) || is_refusal) ++tallies_.resets[static_cast<size_t>(observation.origin)];
  Connection* connection = store_.find(observation.connection_id);
  // The RST that ended it is told of with that, and the connection's record says whose it was.
  if (connection != nullptr && is_refusal && connection->client_leg().refused)
    connection->told.insert(FindingKind::reset_by_device);
  if (connection != nullptr && connection->explained.contains(observation.kind)) return;
  observation.severity = severity_of(observation);
  if (connection != nullptr) observation.legs = legs_of(*connection);
  const uint64_t id = findings_.observe(observation);
  for (const FindingStore::Merged& merged : findings_.take_merged()) {
    for (const uint64_t connection_id : merged.connection_ids) {
      if (Connection* known = store_.find(connection_id)) rename(known->finding_ids, merged.from, merged.into);
    }
  }
  if (connection == nullptr) return;
  auto& ids = connection->finding_ids;
  if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
}

bool DetectorRunner::finish_some(int64_t last_ns) {
  for (size_t i = 0; i < kEndedAtOnce && ending_ != Ending::done; ++i) {
    if (end_next(last_ns)) continue;
    ending_ = static_cast<Ending>(static_cast<int>(ending_) + 1);
    ended_id_ = 0;
  }
  return ending_ == Ending::done;
}

// In the order of their ids; null: all have had their turn.
Connection* DetectorRunner::next_connection() {
  const auto next = store_.all().upper_bound(ended_id_);
  if (next == store_.all().end()) return nullptr;
  ended_id_ = next->first;
  return &next->second;
}

// The next thing of what is to be done now; false: there is no more of it.
bool DetectorRunner::end_next(int64_t last_ns) {
  switch (ending_) {
    case Ending::timers:
      if (fire_next(last_ns)) return true;
      release_fates(kTimeMax);
      return false;
    case Ending::looks:
      if (Connection* connection = next_connection()) {
        look_last(*connection, last_ns);
        return true;
      }
      sum_up();
      finished_ = true;
      return false;
    case Ending::observations:
      if (waiting_.empty()) return false;
      store(std::move(waiting_.extract(waiting_.begin()).mapped()));
      return true;
    case Ending::fates:
      if (!fates_.empty()) {
        take_fate(fates_.extract(fates_.begin()).mapped());
        return true;
      }
      fates_told_ = true;
      return false;
    case Ending::aftermath:  // who sent the resets that no fate explains, and what losses have cost
      if (Connection* connection = next_connection()) {
        if (has_aftermath(*connection)) look_last(*connection, last_ns);
        return true;
      }
      if (options_.offline) findings_.close_all();
      return false;
    case Ending::done:
      break;
  }
  return false;
}

}  // namespace parallax
