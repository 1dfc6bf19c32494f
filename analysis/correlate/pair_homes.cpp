#include "analysis/correlate/pair_homes.h"

#include <algorithm>

#include "analysis/correlate/pairer.h"
#include "analysis/fate/pair_table.h"

namespace parallax {

PairHomes::PairHomes(const EngineOptions& options, EngineLinks& links) : options_(options), homes_(links.workers()) {
  for (const auto& ring : links.commands) commands_.emplace_back(*ring, waiting_max::commands(options));
}

void PairHomes::flush() {
  for (auto& outbox : commands_) outbox.flush();
}

bool PairHomes::all_said() const {
  return std::all_of(commands_.begin(), commands_.end(), [](const auto& outbox) { return outbox.empty(); });
}

void PairHomes::open(Crossing& crossing, const Connection& connection, const SequenceOffsets& offsets, int64_t now_ns) {
  const LegState& client_side = connection.legs[crossing.client_leg];
  const LegState& server_side = connection.legs[crossing.server_leg];
  const size_t worker = client_side.id.worker();
  Home& home = homes_[worker];
  if (home.free.empty() && home.generations.size() >= pair_capacity(options_)) {
    ++refused_;
    return;
  }
  uint32_t number;
  if (home.free.empty()) {
    number = static_cast<uint32_t>(home.generations.size());
    home.generations.push_back(0);
  } else {
    number = home.free.back();
    home.free.pop_back();
    ++home.generations[number];
  }
  crossing.home = static_cast<uint8_t>(worker);
  crossing.pair = number;
  crossing.pair_generation = home.generations[number];
  crossing.is_followed = true;
  legs_[key_of(crossing.home, number)] = client_side.id.value();
  Command command{.effective_ns = (epoch_of(now_ns) + 2) * kEpochNs,
                  .connection_id = connection.id,
                  .leg = client_side.id,
                  .server_leg = server_side.id,
                  .pair = number,
                  .type = CommandType::open_pair,
                  .home = crossing.home,
                  .pair_generation = home.generations[number],
                  .client_point = client_side.point,
                  .server_point = server_side.point,
                  .device = crossing.device,
                  .end = Side::client,
                  .local = server_side.id.worker() == worker,
                  .datagrams = client_side.protocol == ip_protocol::udp,
                  .renamed = !same_ends(client_side, server_side),
                  .sequence_offset = offsets.offset,
                  .sequence_offset_known = offsets.known};
  bool said = commands_[worker].send(command);
  if (!command.local) {
    command.type = CommandType::join;
    said &= commands_[client_side.id.worker()].send(command);
    command.leg = server_side.id;
    command.end = Side::server;
    said &= commands_[server_side.id.worker()].send(command);
  }
  if (!said) ++refused_;
}

// The home may have closed the pair, and its number be another's.
bool PairHomes::follows(const Crossing& crossing, const LegState& client_side) const {
  if (!crossing.is_followed || homes_[crossing.home].generations[crossing.pair] != crossing.pair_generation) return false;
  const auto leg = legs_.find(key_of(crossing.home, crossing.pair));
  return leg != legs_.end() && leg->second == client_side.id.value();
}

void PairHomes::take_back(const Crossing& crossing, const LegState& client_side, const LegState& server_side, int64_t now_ns) {
  if (!follows(crossing, client_side)) return;
  legs_[key_of(crossing.home, crossing.pair)] = kTakenBack;
  leave(crossing, client_side, server_side, (epoch_of(now_ns) + 2) * kEpochNs);
}

bool PairHomes::is_taken_back(uint8_t home, uint32_t pair) const {
  const auto leg = legs_.find(key_of(home, pair));
  return leg != legs_.end() && leg->second == kTakenBack;
}

// May be lost where very many wait: then its legs leave the pair when they end, or join another.
void PairHomes::leave(const Crossing& crossing, const LegState& client_side, const LegState& server_side, int64_t effective_ns) {
  for (const LegState* leg : {&client_side, &server_side}) {
    const Command command{.effective_ns = effective_ns,
                          .connection_id = 0,
                          .leg = leg->id,
                          .server_leg = {},
                          .pair = crossing.pair,
                          .type = CommandType::leave,
                          .home = crossing.home,
                          .pair_generation = crossing.pair_generation,
                          .client_point = client_side.point,
                          .server_point = server_side.point,
                          .device = crossing.device,
                          .end = leg == &client_side ? Side::client : Side::server,
                          .local = server_side.id.worker() == crossing.home,
                          .datagrams = false};
    commands_[leg->id.worker()].send(command, options_.offline ? 0 : waiting_max::pairing_commands(options_));
  }
}

Connection* PairHomes::owner_of(const FateEvent& event, ConnectionStore& store) const {
  const auto leg = legs_.find(key_of(event.home, event.pair));
  return leg == legs_.end() ? nullptr : store.connection_of(leg->second);
}

PairHomes::Told PairHomes::take(const FateEvent& event, ConnectionStore& store) {
  Connection* connection = owner_of(event, store);
  Told told;
  if (connection != nullptr) {
    for (Crossing& crossing : connection->crossings) {
      if (!crossing.is_followed || crossing.home != event.home || crossing.pair != event.pair ||
          crossing.pair_generation != event.pair_generation)
        continue;
      crossing.stats = event.stats;
      crossing.is_closed |= event.type == FateEventType::closed;
      told = {connection, &crossing};
    }
  }
  // Offline late fates still find their connection by it: see forget().
  if (event.type != FateEventType::closed || options_.offline) return told;
  // The leg that stays must not take a later pair of that number for its own when generations have gone round.
  if (event.legs_left && told.crossing != nullptr)
    leave(*told.crossing, connection->legs[told.crossing->client_leg], connection->legs[told.crossing->server_leg], kTimeMin);
  if (legs_.erase(key_of(event.home, event.pair)) > 0) homes_[event.home].free.push_back(event.pair);
  return told;
}

void PairHomes::forget(const Crossing& crossing) {
  if (legs_.erase(key_of(crossing.home, crossing.pair)) > 0) homes_[crossing.home].free.push_back(crossing.pair);
}

}  // namespace parallax
