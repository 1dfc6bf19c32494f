// What the tests of pinned files share: the place of a spool, and a pin of numbered packets.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "daemon/message/to_proto.h"
#include "daemon/run/pinned_files.h"
#include "tests/support/spool_fixture.h"

namespace parallax::test {

// A slice of so many numbered packets, at two points in turn; bytes, as make_slice() would send them.
inline PcapngBuffer numbered_slice(uint64_t packets) {
  PcapngBuffer bytes;
  append_section_header(bytes, section_of_this_machine("test"));
  append_interface(bytes, {"tap0", "outside, toward inside", LinkType::ethernet, 256});
  append_interface(bytes, {"tap1", "inside, toward inside", LinkType::ethernet, 256});
  for (uint64_t i = 0; i < packets; ++i) {
    const std::vector<uint8_t> frame = numbered_frame(i);
    append_packet(bytes, {static_cast<uint32_t>(i % 2), kSpoolTestStartNs + static_cast<int64_t>(i), frame,
                          static_cast<uint32_t>(frame.size()), PortDirection::toward_inside, i + 1, "a comment"});
  }
  for (uint32_t interface = 0; interface < 2; ++interface)
    append_statistics(bytes, {interface, kSpoolTestStartNs, kSpoolTestStartNs + 1, packets, 0, packets / 2, packets / 2, {}});
  return bytes;
}

class PinnedFilesTest : public ::testing::Test {
 protected:
  PinnedFilesTest() { std::ofstream(directory_.path() + "/parallax.lock") << "1\n"; }

  PinnedFilesOptions options(uint64_t size = 16 << 20) const { return {.spool = directory_.path(), .size = size}; }
  std::string pinned_directory() const { return directory_.path() + "/pinned"; }
  std::string file(uint64_t id) const { return pinned_directory() + "/finding-" + std::to_string(id) + ".pcapng"; }

  static v1::Finding finding(uint64_t id) {
    v1::Finding finding;
    finding.set_id(id);
    finding.set_kind(v1::FINDING_KIND_SEGMENT_LOSS);
    finding.set_severity(v1::SEVERITY_WARNING);
    finding.set_state(v1::FINDING_STATE_OPEN);
    finding.set_summary("The device lost it.");
    return finding;
  }
  static v1::PinnedSlice described(uint64_t id, uint64_t packets) {
    v1::PinnedSlice slice;
    *slice.mutable_finding() = finding(id);
    *slice.mutable_pinned() = to_timestamp(kSpoolTestStartNs + static_cast<int64_t>(id) * 1'000'000'000);
    *slice.mutable_from() = to_timestamp(kSpoolTestStartNs - 1'000'000'000);
    *slice.mutable_to() = to_timestamp(kSpoolTestStartNs + 1'000'000'000);
    for (const char* name : {"outside", "inside"}) {
      v1::SlicePoint& point = *slice.mutable_summary()->add_points();
      point.set_name(name);
      point.set_packets(packets / 2);
    }
    *slice.mutable_summary()->mutable_first_packet() = to_timestamp(kSpoolTestStartNs);
    *slice.mutable_summary()->mutable_last_packet() = to_timestamp(kSpoolTestStartNs + static_cast<int64_t>(packets));
    return slice;
  }
  // Pins so many packets of a finding. Empty, or why not.
  static std::string pin(PinnedFiles& files, uint64_t id, uint64_t packets) {
    PinFailure failure{};
    const auto writer = files.begin(id, failure);
    if (!writer) return writer.error();
    const PcapngBuffer bytes = numbered_slice(packets);
    for (size_t at = 0; at < bytes.size(); at += 1000) {
      if (!(*writer)->write(std::span(bytes).subspan(at, std::min<size_t>(1000, bytes.size() - at)))) return (*writer)->error();
    }
    return (*writer)->keep(described(id, packets)) ? std::string() : (*writer)->error();
  }

  static std::vector<uint8_t> bytes_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void overwrite(const std::string& path, std::span<const uint8_t> bytes) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }

  TemporaryDirectory directory_;
};

}  // namespace parallax::test
