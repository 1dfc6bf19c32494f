// The `identity` section of the configuration, as capture/decode/decode.h wants it.
#pragma once

#include "capture/decode/decode.h"
#include "parallax/v1/config.pb.h"

namespace parallax {

inline KeyFrom key_from(const v1::IdentityConfig& identity) {
  const int vlan = identity.vlan() ? static_cast<int>(KeyFrom::vlan) : 0;
  const int tunnel = identity.tunnel() ? static_cast<int>(KeyFrom::tunnel) : 0;
  return static_cast<KeyFrom>(vlan | tunnel);
}

}  // namespace parallax
