#include "daemon/run/file_silences.h"

#include <algorithm>

#include "capture/core/port_activity.h"

namespace parallax {

std::vector<std::vector<PortOutage>> silences_of(const std::vector<FileActivity>& files) {
  std::vector<std::vector<PortOutage>> silences(files.size());
  std::vector<PortActivity::Port> ports;
  for (const FileActivity& file : files) ports.push_back({file.point, PortDirection::both});
  std::vector<size_t> next(files.size());
  // When the next packets come, of whichever file; kTimeMax: none.
  const auto next_ns = [&] {
    int64_t earliest_ns = kTimeMax;
    for (size_t i = 0; i < files.size(); ++i) {
      if (next[i] < files[i].bursts.size()) earliest_ns = std::min(earliest_ns, files[i].bursts[next[i]].newest_ns);
    }
    return earliest_ns;
  };
  if (next_ns() == kTimeMax) return silences;
  PortActivity activity(std::move(ports), next_ns());
  for (int64_t coming_ns = next_ns(); coming_ns != kTimeMax; coming_ns = next_ns()) {
    // Where all pause, it begins anew.
    const int64_t until_ns = std::max(activity.tick_end_ns(), coming_ns - PortActivity::kTickNs);
    for (size_t i = 0; i < files.size(); ++i) {
      const auto port = static_cast<PortIndex>(i);
      const auto& bursts = files[i].bursts;
      for (; next[i] < bursts.size() && bursts[next[i]].newest_ns < until_ns; ++next[i])
        activity.count(port, bursts[next[i]].packets, bursts[next[i]].newest_ns);
      if (next[i] == bursts.size()) activity.end(port);
    }
    for (const PortActivity::Change& change : activity.advance(until_ns)) {
      auto& of = silences[change.port];
      if (!of.empty() && of.back().goes_on()) of.pop_back();
      of.push_back(change.silence);
    }
  }
  return silences;
}

}  // namespace parallax
