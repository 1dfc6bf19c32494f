// The only way to an RPC: what gRPC is given to serve. It asks once, at the beginning of a call, whether the caller has the role
// that the method needs (daemon/message/rpcs.def), and hands the call on to the service, which gRPC does not know. An RPC without
// a row is answered with UNIMPLEMENTED.
//
// Refused is PERMISSION_DENIED with the role that is missing and as whom the caller is seen; it is counted, and of a slice
// logged. Health, which is gRPC's own, and reflection answer whoever may connect: that the service is up, and what its messages
// are.
#pragma once

#include <atomic>
#include <type_traits>

#include "daemon/api/callers.h"
#include "daemon/api/standing_role.h"
#include "daemon/message/rpcs.h"
#include "daemon/run/log.h"
#include "daemon/run/sensor_state.h"
#include "daemon/slice/slice_selection.h"
#include "parallax/v1/sensor.grpc.pb.h"

namespace parallax {

class RoleGate final : public v1::Sensor::Service {
 public:
  // All of them outlive the gate.
  RoleGate(v1::Sensor::Service& served, const Callers& callers, ApiCounters& counters)
      : served_(served), callers_(callers), counters_(counters) {}

  uint64_t calls() const { return calls_; }

#define PARALLAX_RPC(method, request_type, answer_type, role)                                                            \
  grpc::Status method(grpc::ServerContext* context, const v1::request_type* request, v1::answer_type* answer) override { \
    const grpc::Status admitted = admit(Rpc::method, *context, *request);                                                \
    return admitted.ok() ? served_.method(context, request, answer) : admitted;                                          \
  }
#define PARALLAX_RPC_STREAM(method, request_type, answer_type, role)                                                           \
  grpc::Status method(grpc::ServerContext* context, const v1::request_type* request, grpc::ServerWriter<v1::answer_type>* out) \
      override {                                                                                                               \
    const grpc::Status admitted = admit(Rpc::method, *context, *request);                                                      \
    return admitted.ok() ? served_.method(context, request, out) : admitted;                                                   \
  }
#include "daemon/message/rpcs.def"
#undef PARALLAX_RPC_STREAM
#undef PARALLAX_RPC

 private:
  template <typename Request>
  grpc::Status admit(Rpc rpc, const grpc::ServerContext& context, const Request& request) {
    ++calls_;
    const Caller caller = callers_.of(context);
    if (caller.role >= role_for(rpc)) return grpc::Status::OK;
    counters_.denied[static_cast<size_t>(rpc)][caller.role].fetch_add(1, std::memory_order_relaxed);
    if constexpr (std::is_same_v<Request, v1::PullSliceRequest>)
      log_warning("slice of {} denied to {}, whose role is {}", asked_text(request), caller.text, role_text(caller.role));
    return denied(rpc, caller);
  }

  v1::Sensor::Service& served_;
  const Callers& callers_;
  ApiCounters& counters_;
  std::atomic<uint64_t> calls_{0};
};

}  // namespace parallax
