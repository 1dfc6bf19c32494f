// The whole pipeline on frames in memory: sources, rx worker, rings, engine. And what came out, as text that can be compared.
#pragma once

#include <string>
#include <vector>

#include "analysis/engine.h"
#include "capture/decode/decode.h"
#include "capture/rx/drop_hook.h"
#include "tests/support/memory_source.h"

namespace parallax::test {

struct InputPort {
  PortInfo info;
  std::vector<TimedFrame> frames;     // in the order in which the port handed them out
  std::vector<SourceLoss> losses;     // in order of their end
  std::vector<PortOutage> outages{};  // as if they had been known beforehand
  bool as_file = false;               // read from a capture file of these frames, as `analyze` does
};

struct PipelineInput {
  EngineOptions options;  // workers is set by run()
  std::vector<InputPort> ports;
  KeyFrom key_from = KeyFrom::nothing;
  std::string filter{};  // BPF, for the analysis; empty: everything
  DropHook drop_hook;    // what the sensor is to lose on purpose, and report as its own
};

struct PipelineOutput {
  std::vector<ConnectionRecord> connections;
  std::vector<ConnectionRecord> handed_over;  // before the input had ended
  std::vector<FindingRecord> findings;
  std::vector<DeviceRecord> devices;
  std::vector<PointRecord> points;
  std::vector<PacketRecord> packets;
  SummaryRecord summary;
  EngineCounters counters;
  bool finished = false;  // false: it came to a standstill with input left, and the rest holds what there was

  // Everything, one record a line: equal texts mean equal results.
  std::string text(const std::vector<std::string>& path) const;
};

std::string describe(const FindingRecord& finding, const std::vector<std::string>& path);
std::string describe(const ConnectionRecord& connection, const std::vector<std::string>& path);
std::string describe(const Where& where, const std::vector<std::string>& path);

// Runs all stages on the calling thread, in turn, until the engine has finished.
PipelineOutput run(const PipelineInput& input, size_t workers);
// One thread a stage, as in the daemon.
PipelineOutput run_threaded(const PipelineInput& input, size_t workers);

}  // namespace parallax::test
