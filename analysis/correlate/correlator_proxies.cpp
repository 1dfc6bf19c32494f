// Which legs beyond a proxy carry a client's messages on: paired, or shared with it.
#include <algorithm>

#include "analysis/correlate/correlator.h"

namespace parallax {
namespace {

constexpr size_t kLegsMax = 64;  // of one connection: a client's may go on over any number of others beyond a proxy

}  // namespace

void Correlator::pair_by_turns(const TurnPairer::Match& match, int64_t now_ns) {
  const uint64_t leg_id = match.client_leg_id;
  // Of several exchanges of one leg the first has paired it.
  if (match.leg_id == 0 || store_.place_of(leg_id).connection_id == store_.place_of(match.leg_id).connection_id) return;
  const PairingMethod method = match.asks_the_same ? PairingMethod::payload : PairingMethod::timing;
  const bool is_full = store_.connection_of(leg_id)->legs.size() + store_.connection_of(match.leg_id)->legs.size() > kLegsMax;
  if (match.is_shared || is_full) {
    if (store_.connection_of(leg_id)->side_basis == SideBasis::guessed) return;
    LegState &client = *store_.leg(leg_id), &beyond = *store_.leg(match.leg_id);
    if (!store_.share(client, beyond, {method, match.confidence, match.rivals})) return;
    services_.of(client.server).learn_pairing(beyond.server, method);
    ++tallies_.pairings[static_cast<size_t>(method)];
    return;
  }
  const LegState &client = *store_.leg(leg_id), &beyond = *store_.leg(match.leg_id);
  if (beyond.paired[path_side(beyond.point, client.point)]) return;  // of those told at once, an earlier one has it
  pair(leg_id, {match.leg_id, method, match.keeps_packets, match.confidence, match.rivals}, now_ns);
  runner_.schedule(*store_.connection_of(leg_id));
}

void Correlator::pair_by_streams(uint64_t leg_id, const LegEvent& event) {
  for (const TurnPairer::Match& match : stream_pairer_.take(*store_.leg(leg_id), event.packet, options_.path.size()))
    pair_by_turns(match, event.packet.order_ns);
}

// The leg that has shown the message first is nearer to who sent it. A connection beyond the proxy that carries messages of
// others already is shared with them, also where it is older than the client, and they are not known; a client's may go on over
// several.
void Correlator::pair_by_message(const MessagePairer::Match& match, int64_t now_ns) {
  const uint64_t leg_id = match.shown_again_by;
  if (store_.place_of(leg_id).connection_id == store_.place_of(match.leg_id).connection_id) return;
  LegState &leg = *store_.leg(leg_id), &first = *store_.leg(match.leg_id);
  const Connection& connection = *store_.connection_of(leg_id);
  const bool is_request = match.from == Side::client;
  const LegState &client = is_request ? first : leg, &beyond = is_request ? leg : first;
  const bool is_taken = leg.paired[path_side(leg.point, first.point)];
  const bool first_is_taken = first.paired[path_side(first.point, leg.point)];
  const bool is_anothers = is_opened_for_another(client, beyond);
  // Which way the message went is not known.
  if (connection.side_basis == SideBasis::guessed && (is_taken || first_is_taken || is_anothers)) return;
  const bool is_full = connection.legs.size() + store_.connection_of(match.leg_id)->legs.size() > kLegsMax;
  if (!is_full && !is_anothers && (!is_taken || (!first_is_taken && !is_request))) {
    pair(leg_id, {match.leg_id, match.method, match.keeps_packets, match.confidence, match.rivals}, now_ns);
    runner_.schedule(*store_.connection_of(leg_id));
    return;
  }
  if (!store_.share(first, leg, {match.method, match.confidence, match.rivals})) return;
  services_.of(client.server).learn_pairing(beyond.server, match.method);
  ++tallies_.pairings[static_cast<size_t>(match.method)];
}

// A pairing by times alone gives way where a request beyond the proxy names another client, as it does to an access log.
void Correlator::take_back_what_names_another(const RecognitionEvent& event) {
  const uint64_t leg_id = event.leg.value();
  const std::vector<Address> named = named_clients(event);
  const auto is_named = [&named](const LegState& client) {
    return std::find(named.begin(), named.end(), client.client.address) != named.end();
  };
  // A client that is a proxy itself is not the one that its requests name.
  const auto names_others = [](const LegState& client) {
    if (!client.recognised) return false;
    const auto& requests = client.recognised->requests;
    return std::any_of(requests.begin(), requests.end(), [](const RecognisedRequest& request) {
      return !request.forwarded_for.empty() || !request.forwarded.empty();
    });
  };
  const Connection& connection = *store_.connection_of(leg_id);
  for (size_t i = 0; i < connection.crossings.size(); ++i) {
    const Crossing& crossing = connection.crossings[i];
    if (connection.legs[crossing.server_leg].id.value() != leg_id || crossing.method != PairingMethod::timing) continue;
    const LegState& client = connection.legs[crossing.client_leg];
    if (named.empty() || is_named(client) || names_others(client)) continue;
    return take_back(*store_.connection_of(leg_id), i, event.order_ns);  // it has one of its own at the most
  }
}

// At the end, when it is known of every request what was answered, and what else might be meant.
void Correlator::join_access_log() {
  AccessLogJoin log(*options_.access_log, store_, options_.path.size());
  for (const AccessLogJoin::Join& join : log.joins()) {
    const AccessLogJoin::ClientLeg match = log.client_leg_of(join);
    if (match.client_leg_id == 0) continue;
    if (store_.place_of(match.leg_id).connection_id == store_.place_of(match.client_leg_id).connection_id) {
      ++log.record().pairings_confirmed;
    } else if (pair_by_log(log, match)) {
      ++log.record().pairings;
    }
  }
  access_log_ = log.record();
}

// A pairing by times alone gives way where the log names another client, and never the one that was found.
bool Correlator::pair_by_log(AccessLogJoin& log, const AccessLogJoin::ClientLeg& match) {
  const Connection& connection = *store_.connection_of(match.leg_id);
  for (size_t i = 0; i < connection.crossings.size(); ++i) {
    const Crossing& crossing = connection.crossings[i];
    if (connection.legs[crossing.server_leg].id.value() != match.leg_id || crossing.method != PairingMethod::timing) continue;
    if (log.names(match.leg_id, connection.legs[crossing.client_leg].client.address)) continue;
    take_back(*store_.connection_of(match.leg_id), i, now_ns_);
    ++log.record().pairings_taken_back;
    break;
  }
  const uint64_t before = tallies_.pairings[static_cast<size_t>(PairingMethod::forwarded_header)];
  pair_by_message({match.client_leg_id, match.leg_id, PairingMethod::forwarded_header, match.confidence}, now_ns_);
  return tallies_.pairings[static_cast<size_t>(PairingMethod::forwarded_header)] > before;
}

}  // namespace parallax
