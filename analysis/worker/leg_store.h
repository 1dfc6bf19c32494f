// The legs of one analysis worker, and what belongs to them: their flows, and the traces of what the capture did to them.
//
// Shared by the worker's parts, all on its thread. LegTracker changes legs as packets come, LegLifecycle adds and removes them,
// PairForwarder keeps in them where their packets go.
#pragma once

#include <algorithm>

#include "analysis/event/events.h"
#include "analysis/leg/leg_table.h"
#include "analysis/model/engine_options.h"
#include "analysis/tcp/capture_trace.h"
#include "analysis/tcp/tcp_flow_pool.h"

namespace parallax {

struct LegStore {
  static constexpr size_t kLegsPerTrace = 16, kTracesLeast = 256, kLegsAtFirst = 4096;

  LegStore(size_t worker, const EngineOptions& options)
      : worker(worker),
        legs(at_first(options), !options.bounds_legs()),
        flows(std::max<size_t>(at_first(options), 64), options.offline),
        traces(options.offline ? 0 : std::max(options.legs / kLegsPerTrace, kTracesLeast), options.offline) {}

  static size_t at_first(const EngineOptions& options) {
    return options.bounds_legs() ? options.legs : std::min(options.legs, kLegsAtFirst);
  }

  LegId id_of(uint32_t leg) const { return LegId::make(worker, leg, legs.generation(leg)); }
  bool is_alive(LegId id) const { return legs.live(id.index) && id_of(id.index) == id; }
  // Null: none is kept for it.
  TcpFlow* flow_of(uint32_t leg) { return legs.flow(leg) == kNone ? nullptr : &flows[legs.flow(leg)]; }

  // What has no packet of its own comes after those of its time and point, and then in the order of the keys.
  PacketFacts no_packet(uint32_t leg, int64_t now_ns) const {
    PacketFacts facts{};
    facts.order_ns = now_ns;
    facts.point = legs.key(leg).point;
    facts.port = 0xffff;
    facts.frame = hash_of(legs.key(leg));
    return facts;
  }

  const size_t worker;
  LegTable legs;
  TcpFlowPool flows;
  CaptureTraces traces;
};

}  // namespace parallax
