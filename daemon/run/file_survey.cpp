#include "daemon/run/file_survey.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

#include "capture/core/port_activity.h"
#include "capture/decode/decode.h"
#include "capture/source/file_source.h"

namespace parallax {

namespace {

constexpr uint64_t kPackedRatio = 10;

// Of the path itself, or without the #N that names an interface; empty: there is no such file.
std::string regular_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return S_ISREG(status.st_mode) ? path : "";
  const size_t hash = path.rfind('#');
  return hash == std::string::npos ? "" : regular_file(path.substr(0, hash));
}

void add_to(std::vector<PacketBurst>& bursts, int64_t time_ns) {
  if (bursts.empty() || time_ns / PortActivity::kTickNs > bursts.back().newest_ns / PortActivity::kTickNs) {
    bursts.push_back({time_ns, 1});
  } else {
    bursts.back().newest_ns = std::max(bursts.back().newest_ns, time_ns);
    ++bursts.back().packets;
  }
}

}  // namespace

bool can_be_surveyed(const std::string& path) { return path != "-" && !regular_file(path).empty(); }

uint64_t file_bytes(const std::string& path) {
  std::error_code error;
  const uintmax_t bytes = std::filesystem::file_size(regular_file(path), error);
  return error ? 0 : bytes;
}

uint64_t capture_bytes(const std::string& path) {
  std::ifstream in(regular_file(path), std::ios::binary);
  const int first = in.get(), second = in.get();
  const bool is_packed = (first == 0x1f && second == 0x8b) || (first == 0x28 && second == 0xb5);  // gzip, zstd
  return file_bytes(path) * (is_packed ? kPackedRatio : 1);
}

std::optional<FileSurvey> survey(const std::string& path, ClockSamples* samples, const std::function<void(uint64_t)>& read) {
  Result<std::unique_ptr<FileSource>> source = FileSource::open(path);
  if (!source.ok()) return std::nullopt;  // told where it is opened for the analysis
  std::optional<FileSurvey> found;
  std::array<RawPacket, 64> burst;
  for (uint32_t round = 0; !(*source)->finished(); ++round) {
    if (read && round % 1024 == 0) read((*source)->file().stored_bytes_read());
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
