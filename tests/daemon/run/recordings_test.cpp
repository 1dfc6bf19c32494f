// Which files of a point are one port: by their times.
#include "daemon/run/recordings.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

constexpr int64_t kMs = 1'000'000;

std::vector<uint32_t> recordings(const std::vector<std::pair<int64_t, int64_t>>& files_ms) {
  std::vector<TimeSpan> spans;
  for (const auto& [from, to] : files_ms) spans.push_back({from * kMs, to * kMs});
  std::vector<uint32_t> result;
  for (const RecordingPart& part : recordings_of(spans, 7)) result.push_back(part.recording);
  return result;
}

}  // namespace

TEST(Recordings, FilesThatFollowOneAnotherAreOne) {
  EXPECT_EQ(recordings({{0, 1000}, {1001, 2000}, {9000, 9500}}), (std::vector<uint32_t>{7, 7, 7}));
  EXPECT_EQ(recordings({{0, 1000}, {995, 2000}}), (std::vector<uint32_t>{7, 7}));        // rotated a little late
  const std::vector<RecordingPart> parts = recordings_of({{5000, 6000}, {0, 1000}}, 0);  // whatever their order
  EXPECT_EQ(parts[0].index, 1u);
  EXPECT_EQ(parts[1].index, 0u);
}

TEST(Recordings, FilesThatOverlapAreParallelPorts) {
  EXPECT_EQ(recordings({{0, 1000}, {500, 900}}), (std::vector<uint32_t>{7, 8}));
  EXPECT_EQ(recordings({{0, 1000}, {1, 1000}, {1001, 2000}, {1002, 2000}}), (std::vector<uint32_t>{7, 8, 7, 8}));
}

}  // namespace parallax
