// The pipeline over capture files: one rx worker that reads them all, and the engine, until everything is processed.
//
//   files -> rx worker -> (rings) -> analysis workers -> correlator
//
// It reads on where the correlator has nothing to do: what waits for it is larger than the packets that it is about.
//
// Made, run and asked by one thread. With one analysis worker everything runs on that thread; with more, the reader and the
// correlator stay on it and each analysis worker has a thread. The results do not depend on it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analysis/engine.h"
#include "capture/core/packet_source.h"
#include "capture/core/port.h"
#include "capture/decode/flow_filter.h"
#include "capture/rx/rx_worker.h"

namespace parallax {

struct OfflineInput {
  std::string name;  // of the file, as given
  PointIndex point = 0;
  std::unique_ptr<PacketSource> source;
  std::optional<RecordingPart> part = std::nullopt;
  std::vector<PortOutage> outages{}, silences{};  // known before it is read
};

class OfflinePipeline {
 public:
  // `filter` null: everything; outlives the pipeline. `key_from`: what of the outer headers is part of a leg's identity. Takes
  // options.workers for the number of analysis workers.
  OfflinePipeline(std::vector<OfflineInput> inputs, EngineOptions options, size_t ring_slots, const FlowFilter* filter,
                  KeyFrom key_from = KeyFrom::nothing);

  // Empty: all input has been processed. Otherwise what went wrong. `going_on`: called every so many rounds.
  std::string run(const std::function<void()>& going_on = {});

  // See Engine. From within `going_on`, or after run().
  std::vector<ConnectionRecord> take_handed_over() { return engine_->take_handed_over(); }

  const Engine& engine() const { return *engine_; }
  // By PortIndex: the inputs in their order.
  const std::vector<std::unique_ptr<PortChannel>>& channels() const { return channels_; }
  const PacketSource& source(PortIndex port) const { return rx_worker_->source(port); }

 private:
  std::string run_alone(const std::function<void()>& going_on);
  std::string run_threads(const std::function<void()>& going_on);

  const size_t workers_;
  std::vector<std::unique_ptr<PortChannel>> channels_;
  std::unique_ptr<RxWorker> rx_worker_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace parallax
