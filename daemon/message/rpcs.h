// The RPCs of parallax.v1.Sensor, and which role each needs (rpcs.def).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "parallax/v1/config.pb.h"

namespace parallax {

enum class Rpc : uint8_t {
#define PARALLAX_RPC(name, request, answer, role) name,
#define PARALLAX_RPC_STREAM PARALLAX_RPC
#include "daemon/message/rpcs.def"
#undef PARALLAX_RPC_STREAM
#undef PARALLAX_RPC
};

inline constexpr size_t kRpcCount = 0
#define PARALLAX_RPC(name, request, answer, role) +1
#define PARALLAX_RPC_STREAM PARALLAX_RPC
#include "daemon/message/rpcs.def"
#undef PARALLAX_RPC_STREAM
#undef PARALLAX_RPC
    ;

std::string_view name_of(Rpc rpc);
// The least that may call it; the roles are in the order of what they include.
v1::Role role_for(Rpc rpc);

// As the configuration writes it; "none" for ROLE_UNSPECIFIED.
std::string role_text(v1::Role role);

}  // namespace parallax
