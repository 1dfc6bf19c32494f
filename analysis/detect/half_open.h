// A handshake that came to its end on the client's side of a device, and not beyond it.
#pragma once

#include "analysis/connection/connection.h"

namespace parallax {

struct HalfOpen {
  const LegState *near = nullptr, *far = nullptr;  // neighbours; near: the client's acknowledgement was seen there. Null: none
};

inline HalfOpen half_open(const Connection& c) {
  HalfOpen found;
  for (const Crossing& crossing : c.crossings) {
    const LegState &near = c.legs[crossing.client_leg], &far = c.legs[crossing.server_leg];
    if (crossing.is_proxied || !near.established || near.established->from != Side::client || far.established || !far.syn_ack ||
        near.point == far.point)
      continue;
    if (found.near == nullptr || c.is_behind(*found.near, near)) found = {&near, &far};
  }
  return found;
}

}  // namespace parallax
