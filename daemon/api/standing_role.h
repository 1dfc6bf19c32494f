// Whether the caller of a stream still has the role that it was admitted with: api.roles may have changed since.
//
// Belongs to one call. Costs a look at a number while nothing changes.
#pragma once

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <cstdint>

#include "daemon/api/callers.h"
#include "daemon/message/rpcs.h"

namespace parallax {

inline grpc::Status denied(Rpc rpc, const Caller& caller) {
  return {grpc::StatusCode::PERMISSION_DENIED,
          fmt::format("{} needs the role {}, and {} has {} (api.roles of the sensor)", name_of(rpc), role_text(role_for(rpc)),
                      caller.text, caller.role == v1::ROLE_UNSPECIFIED ? "none" : "the role " + role_text(caller.role))};
}

class StandingRole {
 public:
  // Both outlive it.
  StandingRole(Rpc rpc, const Callers& callers, const grpc::ServerContext& context)
      : rpc_(rpc),
        callers_(callers),
        context_(context),
        version_(callers.version()),
        has_(callers.of(context).role >= role_for(rpc)) {}

  bool holds() {
    if (const uint64_t version = callers_.version(); version != version_) {
      version_ = version;
      has_ = callers_.of(context_).role >= role_for(rpc_);
    }
    return has_;
  }
  grpc::Status denial() const { return denied(rpc_, callers_.of(context_)); }

 private:
  const Rpc rpc_;
  const Callers& callers_;
  const grpc::ServerContext& context_;
  uint64_t version_;
  bool has_;
};

}  // namespace parallax
