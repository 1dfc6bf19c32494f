#include "analysis/connection/successors.h"

namespace parallax {

uint64_t Successors::key_of(const LegState& leg) {
  return KeyedHash().add(uint64_t{leg.point}).add(leg.client.address).add(leg.server).value();
}

void Successors::note_reset(const LegState& leg) {
  if (!leg.established || leg.reset_after_fin) return;
  const bool is_given_up = leg.in_vain(Side::client).end == StandstillEnd::reset_by_client;
  if (leg.reset->from == Side::client && !is_given_up) return;
  failed_.use(key_of(leg)) = {leg.id.value(), leg.reset->order_ns};
}

void Successors::note_opening(const LegState& leg, ConnectionStore& store) {
  const uint64_t key = key_of(leg);
  const Failed* failed = failed_.find(key);
  if (failed == nullptr) return;
  LegState* before = store.leg(failed->leg_id);
  if (before != nullptr && leg.attempts.front().order_ns - failed->at_ns <= kWithinNs) {
    before->successor = leg.id.value();
    store.connection_of(leg.id.value())->is_noted = true;
  }
  failed_.erase(key);
}

}  // namespace parallax
