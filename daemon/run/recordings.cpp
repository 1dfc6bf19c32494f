#include "daemon/run/recordings.h"

#include <algorithm>
#include <numeric>

namespace parallax {

std::vector<RecordingPart> recordings_of(const std::vector<TimeSpan>& files, uint32_t first_recording) {
  constexpr int64_t kOverlapNsMax = 10'000'000;
  struct Recording {
    int64_t end_ns;
    uint32_t parts;
  };
  std::vector<size_t> by_time(files.size());
  std::iota(by_time.begin(), by_time.end(), size_t{0});
  std::stable_sort(by_time.begin(), by_time.end(), [&](size_t a, size_t b) { return files[a].from_ns < files[b].from_ns; });
  std::vector<Recording> recordings;
  std::vector<RecordingPart> parts(files.size());
  for (const size_t file : by_time) {
    size_t latest = recordings.size();
    for (size_t i = 0; i < recordings.size(); ++i) {
      if (recordings[i].end_ns - kOverlapNsMax > files[file].from_ns) continue;
      if (latest == recordings.size() || recordings[i].end_ns > recordings[latest].end_ns) latest = i;
    }
    if (latest == recordings.size()) recordings.push_back({files[file].to_ns, 0});
    Recording& recording = recordings[latest];
    recording.end_ns = std::max(recording.end_ns, files[file].to_ns);
    parts[file] = {first_recording + static_cast<uint32_t>(latest), recording.parts++};
  }
  return parts;
}

}  // namespace parallax
