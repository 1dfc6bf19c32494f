// Server reflection: which services there are, and what their messages look like, for clients that know nothing of them.
//
// Not gRPC's own, whose streams nobody counts: each holds a thread for as long as its client likes, and a caller with enough of
// them would keep out all others. Here a stream takes one of the caller's places for watches. Called by gRPC's threads.
#pragma once

#include "daemon/api/call_bounds.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"

namespace parallax {

class Reflection final : public grpc::reflection::v1alpha::ServerReflection::Service {
 public:
  // The bounds outlive it.
  explicit Reflection(CallBounds& bounds) : bounds_(bounds) {}

  using Request = grpc::reflection::v1alpha::ServerReflectionRequest;
  using Response = grpc::reflection::v1alpha::ServerReflectionResponse;
  grpc::Status ServerReflectionInfo(grpc::ServerContext* context, grpc::ServerReaderWriter<Response, Request>* stream) override;
  // What is answered. Pure.
  static Response answer(const Request& request);

 private:
  CallBounds& bounds_;
};

}  // namespace parallax
