#include "analysis/connection/leg_turns.h"

#include <algorithm>

namespace parallax {
namespace {

void note(Exchange& exchange, uint32_t retransmissions, bool is_whole) {
  exchange.is_disturbed |= !is_whole || retransmissions != exchange.retransmissions;
}

}  // namespace

void LegTurns::take(const LegEvent& event) {
  if (event.packet.from == Side::client) {
    take_request(event);
  } else {
    take_response(event);
  }
  waited_ns_[event.packet.from] = event.turn.waited_ns;
}

void LegTurns::take_request(const LegEvent& event) {
  const TurnMark& mark = event.turn;
  const int64_t now_ns = event.packet.time_ns;
  if (size_ > 0) {
    Exchange& last = kept_[size_ - 1];
    // Unless something in between was not told.
    if (last.response_ns != 0 && mark.turns == last.number + 1) {
      note(last, mark.retransmissions, mark.is_whole);
      last.response_end_ns = std::max(last.response_ns, now_ns - (mark.waited_ns - waited_ns_[Side::client]));
    }
  }
  if (size_ == kKept) {
    std::move(kept_.begin() + 1, kept_.end(), kept_.begin());
    --size_;
  }
  kept_[size_++] = {.request_ns = now_ns,
                    .number = mark.turns,
                    .retransmissions = mark.retransmissions,
                    .uncertainty_ns = event.packet.stamp_uncertainty_ns,
                    .is_disturbed = !mark.is_whole};
}

void LegTurns::take_response(const LegEvent& event) {
  const TurnMark& mark = event.turn;
  const bool is_next = mark.turns == responses_ + 1;
  responses_ = mark.turns;
  if (size_ == 0) return;  // a greeting
  Exchange& last = kept_[size_ - 1];
  if (!is_next || last.response_ns != 0 || mark.turns != last.number + 1) return;
  note(last, mark.retransmissions, mark.is_whole);
  last.response_ns = event.packet.time_ns;
  last.request_end_ns = std::max(last.request_ns, last.response_ns - (mark.waited_ns - waited_ns_[Side::server]));
  last.uncertainty_ns = std::max(last.uncertainty_ns, event.packet.stamp_uncertainty_ns);
}

void LegTurns::end(const LegSummary& summary) {
  if (size_ == 0) return;
  Exchange& last = kept_[size_ - 1];
  if (last.response_ns == 0 || last.is_over() || !summary.times.is_answering || summary.times.turns != last.number + 1) return;
  note(last, summary.retransmissions[Side::client] + summary.retransmissions[Side::server],
       summary.is_whole[Side::client] && summary.is_whole[Side::server]);
  last.response_end_ns = std::max(last.response_ns, summary.times.last_data_ns);
}

}  // namespace parallax
