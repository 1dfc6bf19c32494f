// What the tests of the spool share: a directory, two ports of a TAP, packets that carry a number, and reading them back.
#pragma once

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "capture/spool/spool.h"
#include "capture/spool/spool_reader.h"
#include "tests/support/command.h"

namespace parallax {

inline constexpr int64_t kSpoolTestStartNs = 1'700'000'000'000'000'000;  // 2023-11-14T22:13:20Z

// An Ethernet frame of a type for experiments, with a number in it.
inline std::vector<uint8_t> numbered_frame(uint64_t number, size_t length = 112) {
  std::vector<uint8_t> frame(length, static_cast<uint8_t>(number));
  const uint8_t head[14] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};
  std::memcpy(frame.data(), head, sizeof(head));
  std::memcpy(frame.data() + sizeof(head), &number, sizeof(number));
  return frame;
}

inline uint64_t number_of(const RawPacket& packet) {
  uint64_t number = 0;
  std::memcpy(&number, packet.data + 14, sizeof(number));
  return number;
}

inline RawPacket raw_packet(const std::vector<uint8_t>& frame, int64_t time_ns) {
  return {frame.data(),      static_cast<uint32_t>(frame.size()), static_cast<uint32_t>(frame.size()), time_ns, 0, 1,
          LinkType::ethernet};
}

inline std::vector<SpoolPort> two_spool_ports() {
  std::vector<SpoolPort> ports(2);
  ports[0].info = {"tap0", 0, PortDirection::toward_inside, "pcap:tap0"};
  ports[0].point = "outside";
  ports[1].info = {"span0", 1, PortDirection::both, "pcap:span0"};
  ports[1].point = "inside";
  return ports;
}

inline SpoolOptions small_spool(const std::string& directory) {
  SpoolOptions options;
  options.directory = directory;
  options.limits.size = kSpoolSizeMin;
  options.file_size = 1 << 20;
  options.block_bytes = 64 << 10;
  options.lane_bytes = 1 << 20;
  options.flush_interval_ns = 0;
  return options;
}

struct ReadBack {
  std::vector<uint64_t> numbers;
  std::vector<int64_t> times;
  std::vector<uint16_t> interfaces;
  uint64_t out_of_order = 0, damaged = 0;
};

inline ReadBack read_snapshot(const SpoolSnapshot& snapshot) {
  ReadBack back;
  SpoolReader reader(snapshot);
  for (SpooledPacket packet; reader.next(packet);) {
    back.numbers.push_back(number_of(packet.packet));
    back.times.push_back(packet.packet.time_ns);
    back.interfaces.push_back(packet.interface);
  }
  back.out_of_order = reader.packets_out_of_order();
  back.damaged = reader.chunks_damaged();
  return back;
}

inline ReadBack read_spool(const Spool& spool, int64_t from_ns = kTimeMin, int64_t to_ns = kTimeMax) {
  return read_snapshot(*spool.snapshot(from_ns, to_ns).value());
}

// Names of the pcapng files in the directory, sorted.
inline std::vector<std::string> spool_files(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".pcapng") names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace parallax
