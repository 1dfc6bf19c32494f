#include "daemon/message/rpcs.h"

#include "config/enum_text.h"

namespace parallax {
namespace {

struct Row {
  std::string_view name;
  v1::Role role;
};

constexpr Row kRows[kRpcCount] = {
#define PARALLAX_RPC(name, request, answer, role) {#name, v1::ROLE_##role},
#define PARALLAX_RPC_STREAM PARALLAX_RPC
#include "daemon/message/rpcs.def"
#undef PARALLAX_RPC_STREAM
#undef PARALLAX_RPC
};

}  // namespace

std::string_view name_of(Rpc rpc) { return kRows[static_cast<size_t>(rpc)].name; }
v1::Role role_for(Rpc rpc) { return kRows[static_cast<size_t>(rpc)].role; }

std::string role_text(v1::Role role) {
  return role == v1::ROLE_UNSPECIFIED ? "none" : enum_text(*v1::Role_descriptor()->FindValueByNumber(role));
}

}  // namespace parallax
