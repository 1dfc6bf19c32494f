// The correlator's part that keeps what messages have said.
#include "analysis/correlate/correlator.h"

namespace parallax {

void Correlator::take(const RecognitionEvent& event) {
  const auto place = places_.find(event.leg.value());
  if (place == places_.end()) return;  // its connection was evicted
  Connection& connection = connections_.at(place->second.connection_id);
  LegState& leg = connection.legs[place->second.leg];
  if (!options_.offline && recognised_bytes_ >= options_.recognised_bytes) {
    ++totals_.recognitions_refused;
    return;
  }
  if (!leg.recognised) {
    leg.recognised = std::make_unique<Recognised>();
    recognised_bytes_ += sizeof(Recognised);
  }
  const size_t before = leg.recognised->bytes();
  if (!leg.recognised->take(event)) ++totals_.messages_over;
  recognised_bytes_ += leg.recognised->bytes() - before;
}

void Correlator::forget_recognised(const Connection& connection) {
  for (const LegState& leg : connection.legs) {
    if (leg.recognised) recognised_bytes_ -= sizeof(Recognised) + leg.recognised->bytes();
  }
}

}  // namespace parallax
