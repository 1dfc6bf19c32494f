#include "daemon/api/finding_list.h"

#include <algorithm>
#include <utility>

#include "daemon/history/history.h"

namespace parallax {

std::vector<ListedFinding> listed_findings(const SensorState& state, uint64_t after_id, size_t limit, bool this_run) {
  if (this_run && state.history != nullptr) after_id = std::max(after_id, state.history->first_ids().finding - 1);
  std::vector<FindingRecord> known = state.engine->findings(after_id, limit);
  std::vector<RecalledFinding> recalled;
  if (state.history != nullptr) recalled = state.history->recall(after_id, limit, History::Runs::all);
  std::vector<ListedFinding> listed;
  auto from_engine = known.begin();
  auto from_history = recalled.begin();
  while (listed.size() < limit && (from_engine != known.end() || from_history != recalled.end())) {
    const bool engine_first =
        from_history == recalled.end() || (from_engine != known.end() && from_engine->id <= from_history->id);
    if (engine_first) {
      if (from_history != recalled.end() && from_history->id == from_engine->id) ++from_history;
      listed.push_back({from_engine->id, std::move(*from_engine)});
      ++from_engine;
    } else {
      listed.push_back({from_history->id, std::move(*from_history)});
      ++from_history;
    }
  }
  return listed;
}

v1::Finding to_proto(const ListedFinding& listed, const MessageNames& names) {
  if (const auto* const record = std::get_if<FindingRecord>(&listed.finding)) return to_proto(*record, names);
  return std::get<RecalledFinding>(listed.finding).remembered.finding();
}

std::vector<v1::Device> listed_devices(const SensorState& state, const MessageNames& names) {
  std::vector<v1::Device> devices;
  for (const DeviceRecord& record : state.engine->devices()) devices.push_back(to_proto(record, names));
  if (state.history == nullptr) return devices;
  for (v1::Device& before : state.history->learned_before()) {
    const auto same = std::find_if(devices.begin(), devices.end(), [&](const v1::Device& device) {
      return std::equal(device.between().begin(), device.between().end(), before.between().begin(), before.between().end());
    });
    if (same == devices.end()) {
      devices.push_back(std::move(before));
    } else {
      *same->mutable_learned_before() = before.learned_before();
    }
  }
  return devices;
}

}  // namespace parallax
