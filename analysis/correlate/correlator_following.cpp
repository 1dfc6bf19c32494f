// Which pairs of legs are followed packet by packet, and what comes of it.
#include <algorithm>

#include "analysis/connection/device_changes.h"
#include "analysis/correlate/correlator.h"
#include "analysis/correlate/hairpin.h"

namespace parallax {
namespace {

constexpr size_t kConnectionsAtOnce = 16384;  // that are only passed by

// As the handshakes tell, which the home may not be shown where legs pair late: what was logged of them may not have been kept.
SequenceOffsets offsets_between(const LegState& client_side, const LegState& server_side) {
  SequenceOffsets offsets;
  const bool one_offer = client_side.attempt_count == 1 && server_side.attempt_count == 1;
  if (!one_offer || !client_side.syn_ack || !server_side.syn_ack || !client_side.has_syn() || !server_side.has_syn())
    return offsets;
  offsets.offset = {server_side.attempts.back().seq - client_side.attempts.back().seq,
                    client_side.syn_ack->seq - server_side.syn_ack->seq};
  offsets.known = {true, true};
  return offsets;
}

bool is_shared_likely(const LegState& leg) {
  return std::all_of(leg.shared_with.begin(), leg.shared_with.end(),
                     [](const Sharing& sharing) { return is_likelihood(sharing.basis.method); });
}

// What was taken for one connection though nothing shows it but its addresses, and though both legs showed ample data of one
// direction: none of it was seen at both, and one leg carried more than twice what the other did. No device does that. (The same
// amount on both, and no packet the same, is what a device makes of it that rewrites more than we understand.)
bool never_matched(const Connection& connection, const Crossing& crossing) {
  constexpr uint64_t kPacketsLeast = 32, kBytesLeast = 16 * 1024, kTimes = 2;
  if (!crossing.is_followed) return false;
  const CrossingStats stats = crossing.stats.get();
  if (stats.matched[Side::client] + stats.matched[Side::server] > 0) return false;
  const LegSummary& client_side = connection.legs[crossing.client_leg].summary;
  const LegSummary& server_side = connection.legs[crossing.server_leg].summary;
  for (const Side sender : kSides) {
    const PacketFates& fates = stats.packets[sender];
    const auto [less, more] = std::minmax(client_side.bytes[sender], server_side.bytes[sender]);
    if (fates.entered >= kPacketsLeast && fates.injected + fates.unexplained >= kPacketsLeast && less >= kBytesLeast &&
        more > kTimes * less)
      return true;
  }
  return false;
}

}  // namespace

// Paired as through a proxy, by what its messages say or by when they come; and now its packets prove to be the same on both
// sides.
void Correlator::raise_what_passes(uint64_t leg_id, int64_t now_ns) {
  Connection& connection = *store_.connection_of(leg_id);
  const LegState& leg = *store_.leg(leg_id);
  for (Crossing& crossing : connection.crossings) {
    const LegState* other = connection.other_end(crossing, leg);
    if (other == nullptr || !(crossing.is_proxied || crossing.is_likely())) continue;
    const Pairer::Match match = pairer_.surer(leg, *other, pairing_trigger::packet);
    if (match.leg_id != 0 && is_shared_likely(leg) && is_shared_likely(*other)) raise(connection, crossing, match, now_ns);
  }
}

// What was told of it as of a proxy's does not stand; what is followed already, as the turns showed the same numbers, is only
// known by more.
void Correlator::raise(Connection& connection, Crossing& crossing, const Pairer::Match& match, int64_t now_ns) {
  if (crossing.is_proxied) {
    const LegState &a = connection.legs[crossing.client_leg], &b = connection.legs[crossing.server_leg];
    std::vector<uint64_t> freed;
    share_no_more(a.id.value(), b.point, freed);
    share_no_more(b.id.value(), a.point, freed);
    runner_.take_back(connection, crossing);
    if (crossing.is_learned) knowledge_.has_not_crossed(a, b, connection.client_outer, true);
    crossing.is_proxied = false;
    crossing.turn_transits = {};
    crossing.turn_shift.reset();
    settle_client_side(connection);  // packets that are the same tell more of it than when either leg was met
    for (Crossing& each : connection.crossings) {
      if (!each.is_followed) orient(each, connection);
    }
    const LegState &client_side = connection.legs[crossing.client_leg], &server_side = connection.legs[crossing.server_leg];
    const bool is_known = connection.side_basis != SideBasis::guessed;
    crossing.is_learned = is_known;
    if (is_known) knowledge_.crossed(client_side, server_side, connection.client_outer, false);
  }
  const bool was_proxied = !crossing.is_followed;
  crossing.method = match.method;
  crossing.confidence = match.confidence;
  crossing.rivals = match.rivals;
  if (was_proxied && connection.side_basis != SideBasis::guessed) follow(crossing, connection, now_ns);
  runner_.schedule(connection);
}

void Correlator::follow(Crossing& crossing, const Connection& connection, int64_t now_ns) {
  if (!can_be_followed(connection, crossing)) return;
  const LegState &client_side = connection.legs[crossing.client_leg], &server_side = connection.legs[crossing.server_leg];
  const bool is_within = client_side.point == server_side.point;
  const std::optional<PathSide> device =
      is_within ? side_of_hairpin(client_side, server_side) : std::optional(path_side(client_side.point, server_side.point));
  if (!device) return homes_.refuse();
  crossing.device = *device;
  SequenceOffsets offsets;
  if (client_side.midstream && server_side.midstream) {
    offsets = knowledge_.offsets_of(client_side, server_side);
  } else if (crossing.method == PairingMethod::payload && client_side.protocol == ip_protocol::tcp) {
    offsets = offsets_between(client_side, server_side);
  }
  homes_.open(crossing, connection, offsets, now_ns);
}

// The pairing stands; what was told of its packets does not.
void Correlator::follow_no_more(Connection& connection, Crossing& crossing, int64_t now_ns) {
  runner_.take_back(connection, crossing);
  homes_.take_back(crossing, connection.legs[crossing.client_leg], connection.legs[crossing.server_leg], now_ns);
  crossing.is_followed = false;
  crossing.stats = CrossingStats{};
}

// What a QUIC leg's partner sends no longer passes on it once another goes on with its connection: a NAT between the two has
// given it another port.
void Correlator::take_quic(const RecognitionEvent& event) {
  LegState& leg = *store_.leg(event.leg.value());
  const LegState* before = quic_clients_.take(leg, event, store_);
  if (before == nullptr) return;
  Connection& connection = *store_.connection_of(before->id.value());
  for (Crossing& crossing : connection.crossings) {
    const LegState &a = connection.legs[crossing.client_leg], &b = connection.legs[crossing.server_leg];
    const LegState* partner = a.id == before->id ? &b : b.id == before->id ? &a : nullptr;
    if (partner == nullptr || !crossing.is_followed) continue;
    const bool has_moved_itself = partner->successor != 0 || !connection.is_behind(*before, *partner);
    if (!has_moved_itself) follow_no_more(connection, crossing, event.order_ns);
  }
}

// What of the two legs' packets is missing on one side must have been there to be seen.
bool Correlator::can_be_followed(const Connection& connection, const Crossing& crossing) const {
  // Of two sides that bear the same names one does not show how it began: what was seen there may be no more than packets that
  // the device forgot to translate, while a filter hides the others under their own names.
  const LegState &client_side = connection.legs[crossing.client_leg], &server_side = connection.legs[crossing.server_leg];
  const bool is_leak = crossing.method == PairingMethod::five_tuple && (client_side.midstream || server_side.midstream);
  return !(options_.filtered && is_leak && knowledge_.may_rename(client_side.point, server_side.point)) &&
         !turns_back(connection, client_side, server_side) && !is_spread(client_side, server_side);
}

void Correlator::take(const FateEvent& event) {
  if (event.type == FateEventType::progress || event.type == FateEventType::closed) {
    const auto [connection, crossing] = homes_.take(event, store_);
    if (crossing == nullptr) return;
    const LegState& client_side = connection->legs[crossing->client_leg];
    const LegState& server_side = connection->legs[crossing->server_leg];
    knowledge_.device_changed(client_side.point, server_side.point, changes_between(client_side, server_side, event.stats));
    if (event.type == FateEventType::closed) {
      knowledge_.offsets_learned(client_side, server_side, event.stats);
      for (const Side sender : kSides)
        knowledge_.transits_learned(client_side.point, server_side.point, connection->direction_of(sender),
                                    event.stats.transit[sender]);
    }
    // Offline at the end: how far the homes are by now depends on their number.
    if (!options_.offline && never_matched(*connection, *crossing))
      take_back(*connection, static_cast<size_t>(crossing - connection->crossings.data()), now_ns_);
  } else if (event.type == FateEventType::passage) {
    knowledge_.passed(event.passage);
    runner_.take_passage(event.passage);
  } else {
    runner_.take_fate(event);
  }
}

// True: there is no more of it.
bool Correlator::take_back_what_never_matched() {
  auto it = store_.all().upper_bound(matched_id_);
  for (size_t passed = 0; it != store_.all().end(); ++it) {  // what is cut off gets an id above all others, and its turn
    if (++passed > kConnectionsAtOnce) return false;
    matched_id_ = it->first;
    Connection& connection = it->second;
    for (size_t i = 0; i < connection.crossings.size();) {
      if (never_matched(connection, connection.crossings[i])) {
        take_back(connection, i, now_ns_);
      } else {
        ++i;
      }
    }
  }
  return true;
}

}  // namespace parallax
