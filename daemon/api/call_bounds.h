// The limits of api.limits that calls meet: places for streams and slices, in all and for each caller. A reload may change them.
//
// Any thread. Who gets no place is answered RESOURCE_EXHAUSTED, with when to try again, and counted by the limit.
#pragma once

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <string>

#include "daemon/api/call_places.h"
#include "daemon/api/callers.h"
#include "daemon/api/limits_in_force.h"
#include "daemon/run/sensor_state.h"

namespace parallax {

class CallBounds {
 public:
  // Both outlive it.
  CallBounds(const Callers& callers, ApiCounters& counters, const v1::ApiLimitsConfig& limits)
      : callers_(callers), counters_(counters), limits_(limits) {}

  void set(const v1::ApiLimitsConfig& limits) { limits_.set(limits); }
  v1::ApiLimitsConfig limits() const { return limits_.get(); }

  // What `serve` says, which has a place meanwhile.
  grpc::Status watch(grpc::ServerContext& context, const auto& serve) {
    const v1::ApiLimitsConfig limits = limits_.get();
    return in_place(context, kWatches, watches_, CallPlaces::Limits::of(limits.watches(), limits.watches_per_caller()), serve);
  }
  grpc::Status slice(grpc::ServerContext& context, const auto& serve) {
    const v1::ApiLimitsConfig limits = limits_.get();
    return in_place(context, kSlices, slices_, CallPlaces::Limits::of(limits.slices(), limits.slices_per_caller()), serve);
  }

 private:
  // What goes on for long, by how api.limits calls it.
  struct Bounded {
    ApiLimit in_all, per_caller;
    const char* text;
  };
  static constexpr Bounded kWatches{ApiLimit::watches, ApiLimit::watches_per_caller, "watchers"};
  static constexpr Bounded kSlices{ApiLimit::slices, ApiLimit::slices_per_caller, "slices"};
  static constexpr int kRetryMs = 1000;

  grpc::Status in_place(grpc::ServerContext& context, const Bounded& what, CallPlaces& places, CallPlaces::Limits limits,
                        const auto& serve) {
    const CallPlaces::Place place(places, callers_.of(context).account, limits);
    if (place) return serve();
    const bool are_all_taken = place.outcome() == CallPlaces::Outcome::all_are_taken;
    counters_.count(are_all_taken ? what.in_all : what.per_caller);
    context.AddTrailingMetadata("grpc-retry-pushback-ms", std::to_string(kRetryMs));
    return {grpc::StatusCode::RESOURCE_EXHAUSTED,
            fmt::format("{} {} at a time are served{}; try again in {} s", are_all_taken ? limits.in_all : limits.per_caller,
                        what.text, are_all_taken ? "" : " to one caller, and you have as many", kRetryMs / 1000)};
  }

  const Callers& callers_;
  ApiCounters& counters_;
  LimitsInForce limits_;
  CallPlaces watches_, slices_;
};

}  // namespace parallax
