#include "daemon/run/file_survey.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "capture/core/port_activity.h"
#include "capture/decode/decode.h"
#include "capture/source/file_source.h"

namespace parallax {

bool can_be_surveyed(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return S_ISREG(status.st_mode);
  const size_t hash = path.rfind('#');
  return hash != std::string::npos && ::stat(path.substr(0, hash).c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

namespace {

void add_to(std::vector<PacketBurst>& bursts, int64_t time_ns) {
  if (bursts.empty() || time_ns / PortActivity::kTickNs > bursts.back().newest_ns / PortActivity::kTickNs) {
    bursts.push_back({time_ns, 1});
  } else {
    bursts.back().newest_ns = std::max(bursts.back().newest_ns, time_ns);
    ++bursts.back().packets;
  }
}

}  // namespace

std::optional<FileSurvey> survey(const std::string& path, ClockSamples* samples) {
  Result<std::unique_ptr<FileSource>> source = FileSource::open(path);
  if (!source.ok()) return std::nullopt;  // told where it is opened for the analysis
  std::optional<FileSurvey> found;
  std::array<RawPacket, 64> burst;
  while (!(*source)->finished()) {
    const size_t count = (*source)->poll(burst);
    for (size_t i = 0; i < count; ++i) {
      const RawPacket& packet = burst[i];
      if (!found) found = {.span = {packet.time_ns, packet.time_ns}};
      TimeSpan& span = found->span;
      if (found->stepped_ns == kTimeMax && packet.time_ns < span.to_ns - TimeOrder::kWindowNs) found->stepped_ns = packet.time_ns;
      span.from_ns = std::min(span.from_ns, packet.time_ns);
      span.to_ns = std::max(span.to_ns, packet.time_ns);
      // Once the time has gone back it is another clock's.
      if (found->stepped_ns != kTimeMax) continue;
      add_to(found->bursts, packet.time_ns);
      if (samples == nullptr) continue;
      DecodedFrame frame;
      if (decode({packet.data, packet.captured_length, packet.wire_length, packet.link_type}, frame) == DecodeError::none)
        samples->add(frame, packet.time_ns);
    }
  }
  return found;
}

}  // namespace parallax
