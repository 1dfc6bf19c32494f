// A capture file into a spool, as fast as the spool's writer takes it: what spool.py holds against tcpdump and dumpcap.
//
// usage: spool_copier FILE DIRECTORY SNAPLEN [plain]. Prints packets, bytes, and bytes past the page cache; waits rather than
// drops.
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>

#include "capture/source/open_source.h"
#include "capture/spool/spool.h"

namespace parallax {
namespace {

int fail(const std::string& why) {
  std::fprintf(stderr, "spool_copier: %s\n", why.c_str());
  return 1;
}

int copy(const std::string& file, SpoolOptions options) {
  Result<std::unique_ptr<PacketSource>> source = open_source("file:" + file, {});
  if (!source) return fail(source.error());
  SpoolPort port;
  port.info = {"tap0", 0, PortDirection::both, "file:" + file};
  port.point = "outside";
  port.link_type = (*source)->link_type();
  const uint64_t ahead = options.lane_bytes / 2 / (options.snaplen + 64);  // packets that the lane holds without a drop
  auto spool = Spool::open(std::move(options), {port});
  if (!spool) return fail(spool.error());
  if (const std::string error = (*spool)->start(); !error.empty()) return fail(error);
  PacketSink& lane = (*spool)->lane(0);
  std::array<RawPacket, 32> burst;
  uint64_t appended = 0, written = 0;
  while (!(*source)->finished()) {
    const size_t count = (*source)->poll(burst);
    for (size_t i = 0; i < count; ++i) lane.append(0, burst[i]);
    appended += count;
    while (appended > written + ahead && (written = (*spool)->status().packets_written) + ahead < appended)
      std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  (*spool)->stop();
  const SpoolStatus status = (*spool)->status();
  std::printf("%llu %llu %llu\n", static_cast<unsigned long long>(status.packets_written),
              static_cast<unsigned long long>(status.bytes_written),
              static_cast<unsigned long long>(status.bytes_written_direct));
  return status.dropped_packets == 0 ? 0 : fail("packets were dropped");
}

}  // namespace
}  // namespace parallax

int main(int count, char** arguments) {
  if (count < 4) return parallax::fail("usage: spool_copier FILE DIRECTORY SNAPLEN [plain]");
  parallax::SpoolOptions options;
  options.directory = arguments[2];
  options.limits.size = 64ull << 30;
  options.snaplen = static_cast<uint32_t>(std::atoi(arguments[3]));
  options.direct = count < 5 || std::strcmp(arguments[4], "plain") != 0;
  return parallax::copy(arguments[1], std::move(options));
}
