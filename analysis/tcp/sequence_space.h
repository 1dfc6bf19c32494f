// The sequence space of a leg that ended for lack of packets, on its way to the leg that goes on with the same numbers.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "analysis/leg/leg.h"
#include "analysis/tcp/tcp_flow.h"

namespace parallax {

struct SequenceSpace {
  TcpFlow flow;
  PerSide<uint32_t> next_seq, max_ack;
  uint8_t seen;
  bool client_is_low;

  SequenceSpace(const LegHot& hot, const TcpFlow& its_flow)
      : flow(its_flow),
        next_seq(hot.next_seq),
        max_ack(hot.max_ack),
        seen(static_cast<uint8_t>(hot.seen & leg_seen::known)),
        client_is_low((hot.flags & leg_flag::client_is_low) != 0) {}

  // The new leg may have taken the other side for the client.
  void hand_to(LegHot& hot, TcpFlow& new_flow) {
    if (client_is_low != ((hot.flags & leg_flag::client_is_low) != 0)) {
      flow.swap_sides();
      next_seq.flip();
      max_ack.flip();
      seen = leg_seen::flip(seen);
    }
    hot.next_seq = next_seq;
    hot.max_ack = max_ack;
    hot.seen = seen;
    new_flow = flow;
    new_flow.times = {};  // the old leg has told them
  }
};

}  // namespace parallax
