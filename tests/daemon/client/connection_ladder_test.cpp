// The ladder of a connection, from the engine's records and the files.
#include "daemon/client/connection_ladder.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/support/capture_bytes.h"
#include "tests/support/command.h"
#include "tests/support/packet_builder.h"

namespace parallax {
namespace {

// The client's segments of 100 bytes, each with its number.
std::string capture_of(const std::vector<uint32_t>& numbers) {
  test::CaptureBytes bytes(false);
  bytes.pcap_header(0xa1b2c3d4);
  for (const uint32_t number : numbers) {
    test::Ip ip;
    ip.source = test::address("198.51.100.7");
    ip.destination = test::address("192.0.2.80");
    test::Tcp tcp;
    tcp.source_port = 40000;
    tcp.destination_port = 80;
    tcp.seq = number;
    tcp.ack = 7000;
    tcp.flags = tcp_flag::ack;
    const test::Frame frame = test::tcp_frame(ip, tcp, std::vector<uint8_t>(100, 'x'));
    bytes.pcap_packet(1'709'210'096, 0, frame, static_cast<uint32_t>(frame.size()));
  }
  return {bytes.bytes().begin(), bytes.bytes().end()};
}

LegRecord leg_at(PointIndex point) {
  LegRecord leg;
  leg.point = point;
  leg.client = {test::address("198.51.100.7"), 40000};
  leg.server = {test::address("192.0.2.80"), 80};
  return leg;
}

PacketRecord packet(uint8_t point, uint32_t frame, uint64_t packet_id) {
  PacketRecord record;
  record.connection_id = 1;
  record.point = point;
  record.port = point;
  record.frame = frame;
  record.leg_index = point;
  record.packet_id = packet_id;
  record.time_ns = 1'000'000 * static_cast<int64_t>(packet_id) + point;
  return record;
}

// Met in midstream, where neither point saw the initial numbers. The inside, which has another numbering, begins with the second
// segment.
TEST(ConnectionLadder, ByteHasOneRelativeNumberAtAllPoints) {
  const TemporaryDirectory directory;
  const std::vector<std::string> files{directory.path() + "/a.pcap", directory.path() + "/b.pcap"}, points{"outside", "inside"};
  std::ofstream(files[0], std::ios::binary) << capture_of({5000, 5100, 5200});
  std::ofstream(files[1], std::ios::binary) << capture_of({95100, 95200});
  ConnectionRecord connection;
  connection.id = 1;
  connection.protocol = Protocol::tcp;
  connection.legs = {leg_at(0), leg_at(1)};
  const Ladders ladders = ladders_of(
      {connection}, {packet(0, 1, 1), packet(0, 2, 2), packet(1, 1, 2), packet(0, 3, 3), packet(1, 2, 3)}, {}, {files, points});
  const Ladder& ladder = ladders.at(1);
  ASSERT_EQ(ladder.steps.size(), 3u);
  EXPECT_FALSE(ladder.steps[0].sightings[1]);
  for (const size_t step : {1u, 2u}) {
    EXPECT_EQ(ladder.steps[step].sightings[0]->relative_seq, 100 * step);
    EXPECT_EQ(ladder.steps[step].sightings[1]->relative_seq, 100 * step);
  }
  EXPECT_EQ(ladder.files, files);
  EXPECT_EQ(ladder.steps[1].sightings[1]->packet.port, 1);
}

// The finding names a time and no frame.
TEST(ConnectionLadder, ClosedWindowsOfAZeroWindowStallAreDecisive) {
  const TemporaryDirectory directory;
  const std::vector<std::string> files{directory.path() + "/a.pcap"}, points{"outside"};
  std::ofstream(files[0], std::ios::binary) << capture_of({5000, 5100});
  FindingRecord stall;
  stall.id = 7;
  stall.kind = FindingKind::zero_window_stall;
  ConnectionRecord connection;
  connection.id = 1;
  connection.protocol = Protocol::tcp;
  connection.legs = {leg_at(0)};
  PacketRecord closed = packet(0, 2, 2);
  closed.labels = bit(PacketLabel::zero_window);
  const auto is_marked = [&](const ConnectionRecord& of) {
    return ladders_of({of}, {packet(0, 1, 1), closed}, {stall}, {files, points}).at(1).steps.at(1).decisive;
  };
  EXPECT_FALSE(is_marked(connection)) << "the finding is another connection's";
  connection.finding_ids = {stall.id};
  EXPECT_TRUE(is_marked(connection));
  EXPECT_FALSE(ladders_of({connection}, {packet(0, 1, 1), closed}, {stall}, {files, points}).at(1).steps.at(0).decisive);
}

}  // namespace
}  // namespace parallax
