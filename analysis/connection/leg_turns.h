// The newest exchanges of a leg, each a request and the response to it: when each of the two began and ended there.
//
// For what a proxy takes: no packet is the same on both sides of it, but its exchange with the server lies within the client's.
// Made of what a worker tells when a message begins (TurnMark): how long it was waited for says when the one before it ended. An
// exchange of which anything was missed or sent again is marked. The correlator's, one thread; bounded by kKept.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "analysis/event/events.h"

namespace parallax {

struct Exchange {
  int64_t request_ns = 0, request_end_ns = 0;    // first and last byte
  int64_t response_ns = 0, response_end_ns = 0;  // 0: not known yet
  uint32_t number = 0;                           // of the leg's turns
  uint32_t retransmissions = 0;                  // of the leg, when it began
  uint32_t uncertainty_ns = 0;                   // of its stamps, the largest
  bool is_disturbed = false;                     // something was missed or sent again, so that its times may be wrong
  bool is_compared = false;                      // with the other side of the proxy

  bool is_over() const { return response_end_ns != 0; }
};

class LegTurns {
 public:
  static constexpr size_t kKept = 4;

  // A message begins.
  void take(const LegEvent& event);
  // The leg as it stands: if a response goes on, its newest byte is taken for its last.
  void end(const LegSummary& summary);

  // Oldest first.
  std::span<Exchange> exchanges() { return {kept_.data(), size_}; }
  std::span<const Exchange> exchanges() const { return {kept_.data(), size_}; }

 private:
  void take_request(const LegEvent& event);
  void take_response(const LegEvent& event);

  std::array<Exchange, kKept> kept_{};
  size_t size_ = 0;
  PerSide<int64_t> waited_ns_{};  // in all, when the side's last message began
  uint32_t responses_ = 0;        // turns, when the last response began
};

}  // namespace parallax
