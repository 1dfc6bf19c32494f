// Slices: one packet has one id at all points, what the device did stands beside it, and what cannot be had is said.
#include "daemon/slice/slice.h"

#include <gtest/gtest.h>

#include "capture/core/bytes.h"
#include "capture/file/pcapng_blocks.h"
#include "daemon/slice/slice_packets.h"
#include "tests/support/packet_builder.h"
#include "tests/support/spool_fixture.h"

namespace parallax {
namespace {

using test::address;

constexpr int64_t kMs = 1'000'000;
enum Port : PortIndex { outside_in, outside_out, inside_in, inside_out };

std::vector<SpoolPort> four_ports() {
  std::vector<SpoolPort> ports(4);
  for (PortIndex i = 0; i < 4; ++i) {
    const PortDirection direction = i % 2 == 0 ? PortDirection::toward_inside : PortDirection::toward_outside;
    ports[i].info = {"tap" + std::to_string(i), static_cast<PointIndex>(i / 2), direction, "pcap:tap" + std::to_string(i)};
    ports[i].point = i < 2 ? "outside" : "inside";
  }
  return ports;
}

// Connections through a NAT, into a spool: 198.51.100.7 asks 203.0.113.1:80, which inside is 10.0.0.1 asking 10.0.0.80:8080.
class SliceTest : public ::testing::Test {
 protected:
  SliceTest() {
    SpoolOptions options = small_spool(directory_.path());
    options.limits.size = 64 << 20;
    options.lanes = 2;  // outside and inside
    spool_ = std::move(*Spool::open(options, four_ports()));
  }

  void append(PortIndex port, int64_t time_ns, const std::vector<uint8_t>& frame) {
    spool_->lane(port / 2).append(port, raw_packet(frame, time_ns));
    ++appended_;
  }

  enum class Crossing { forwarded, lost };
  // A segment at both points, unless the device lost it. Returns when it was.
  int64_t segment(bool from_client, uint16_t port, test::Tcp tcp, Crossing crossing = Crossing::forwarded, uint32_t bytes = 0) {
    now_ns_ += kMs;
    const std::vector<uint8_t> payload = test::stream_bytes(from_client ? 1 : 2, tcp.seq, bytes);
    test::Ip outside{address("198.51.100.7"), address("203.0.113.1"), 60, ++ip_id_};
    test::Ip inside{address("10.0.0.1"), address("10.0.0.80"), 59, ip_id_};
    test::Tcp inner = tcp;
    tcp.source_port = port, tcp.destination_port = 80;
    inner.source_port = static_cast<uint16_t>(port + 20'000), inner.destination_port = 8080;
    if (!from_client) {
      std::swap(outside.source, outside.destination), std::swap(inside.source, inside.destination);
      std::swap(outside.ttl, inside.ttl);
      std::swap(tcp.source_port, tcp.destination_port), std::swap(inner.source_port, inner.destination_port);
    }
    const bool at_outside = crossing == Crossing::forwarded || from_client;
    const bool at_inside = crossing == Crossing::forwarded || !from_client;
    const int64_t later_ns = now_ns_ + 50'000;
    if (at_outside)
      append(from_client ? outside_in : outside_out, from_client ? now_ns_ : later_ns, test::tcp_frame(outside, tcp, payload));
    if (at_inside)
      append(from_client ? inside_in : inside_out, from_client ? later_ns : now_ns_, test::tcp_frame(inside, inner, payload));
    return now_ns_;
  }

  // 10 packets, 20 sightings; where a segment is lost 21, with its retransmission.
  void connection(uint16_t port, bool with_loss) {
    const uint32_t c = port * 1000u, s = port * 2000u;
    using namespace tcp_flag;
    segment(true, port, {.seq = c, .flags = syn, .mss = 1460});
    segment(false, port, {.seq = s, .ack = c + 1, .flags = syn | ack, .mss = 1460});
    segment(true, port, {.seq = c + 1, .ack = s + 1, .flags = ack});
    if (with_loss) {
      lost_ns_ = segment(true, port, {.seq = c + 1, .ack = s + 1, .flags = ack | psh}, Crossing::lost, 100);
      now_ns_ += 300 * kMs;
    }
    segment(true, port, {.seq = c + 1, .ack = s + 1, .flags = ack | psh}, Crossing::forwarded, 100);
    segment(false, port, {.seq = s + 1, .ack = c + 101, .flags = ack});
    segment(false, port, {.seq = s + 1, .ack = c + 101, .flags = ack | psh}, Crossing::forwarded, 300);
    segment(true, port, {.seq = c + 101, .ack = s + 301, .flags = ack});
    segment(true, port, {.seq = c + 101, .ack = s + 301, .flags = fin | ack});
    segment(false, port, {.seq = s + 301, .ack = c + 102, .flags = fin | ack});
    segment(true, port, {.seq = c + 102, .ack = s + 302, .flags = ack});
  }

  // Time goes on for a while, so that what is absent is absent for good.
  void much_later() {
    now_ns_ += 10'000 * kMs;
    connection(40'999, false);
  }

  void write_out() {
    spool_->start();
    spool_->stop();
  }

  // More than the lanes hold is written while it comes.
  void write_out_part() {
    if (!writing_) spool_->start();
    writing_ = true;
    const auto in_memory = [&] { return appended_ - spool_->status().packets_written - spool_->status().dropped_packets; };
    while (in_memory() > 1000) usleep(1000);
  }
  void stop_writing() { spool_->stop(); }

  SliceResult pull(const SliceRequest& request) {
    slice_.clear();
    return make_slice(*spool_, request, [&](std::span<const uint8_t> chunk) {
      EXPECT_LE(chunk.size(), kSliceChunkBytes);
      slice_.insert(slice_.end(), chunk.begin(), chunk.end());
      return true;
    });
  }

  struct Written {
    uint32_t interface;
    int64_t time_ns;
    uint64_t packet_id = 0;
    std::string comment;
  };
  static void read_options(std::span<const uint8_t> options,
                           const std::function<void(uint16_t, std::span<const uint8_t>)>& each) {
    while (options.size() >= 4) {
      const auto code = load_native<uint16_t>(options.data()), length = load_native<uint16_t>(options.data() + 2);
      if (code == 0) return;
      each(code, options.subspan(4, length));
      options = options.subspan(4 + pcapng::padded(length));
    }
  }
  std::vector<Written> packets() const {
    std::vector<Written> all;
    std::span<const uint8_t> rest = slice_;
    while (const auto block = first_block(rest)) {
      if (block->type == pcapng::kEnhancedPacket) {
        const auto view = *enhanced_packet(*block);
        Written packet{view.interface, view.time_ns, 0, {}};
        const size_t head = pcapng::kPacketHeaderBytes + pcapng::padded(static_cast<uint32_t>(view.data.size()));
        read_options(block->bytes.subspan(head, block->bytes.size() - head - 4),
                     [&](uint16_t code, std::span<const uint8_t> value) {
                       if (code == pcapng::kPacketId) packet.packet_id = load_native<uint64_t>(value.data());
                       if (code == pcapng::kOptionComment) packet.comment.assign(value.begin(), value.end());
                     });
        all.push_back(packet);
      }
      rest = rest.subspan(block->bytes.size());
    }
    EXPECT_TRUE(rest.empty());
    return all;
  }
  std::string section_comments() const {
    std::string text;
    const auto block = first_block(slice_);
    read_options(block->bytes.subspan(24, block->bytes.size() - 28), [&](uint16_t code, std::span<const uint8_t> value) {
      if (code == pcapng::kOptionComment) text += std::string(value.begin(), value.end()) + '\n';
    });
    return text;
  }
  uint64_t with_comment(std::string_view part) const {
    uint64_t count = 0;
    for (const Written& packet : packets()) count += packet.comment.find(part) != std::string::npos;
    return count;
  }

  static SliceLeg leg(PointIndex point, uint16_t port) {
    if (point == 0) return {0, ip_protocol::tcp, {address("198.51.100.7"), port}, {address("203.0.113.1"), 80}};
    return {1, ip_protocol::tcp, {address("10.0.0.1"), static_cast<uint16_t>(port + 20'000)}, {address("10.0.0.80"), 8080}};
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Spool> spool_;
  int64_t now_ns_ = kSpoolTestStartNs, lost_ns_ = 0;
  uint16_t ip_id_ = 100;
  uint64_t appended_ = 0;
  bool writing_ = false;
  std::vector<uint8_t> slice_;
};

TEST_F(SliceTest, TheSightingsOfOnePacketHaveOneIdAndTheLostOneHasACommentInstead) {
  connection(40'001, true);
  much_later();
  write_out();
  ASSERT_EQ(pull({}).message, "");
  const std::vector<Written> all = packets();
  ASSERT_EQ(all.size(), 41u);
  std::map<uint64_t, std::vector<Written>> by_id;
  for (const Written& packet : all) by_id[packet.packet_id].push_back(packet);
  EXPECT_EQ(by_id.size(), 21u);  // 20 that crossed, and none
  for (const auto& [id, sightings] : by_id) {
    if (id == 0) {
      ASSERT_EQ(sightings.size(), 1u);
      EXPECT_EQ(sightings[0].time_ns, lost_ns_);
      EXPECT_EQ(sightings[0].comment.rfind("parallax: lost in device: seen at outside, never at inside within 1 s", 0), 0u)
          << sightings[0].comment;
      continue;
    }
    ASSERT_EQ(sightings.size(), 2u);
    EXPECT_EQ(sightings[1].time_ns - sightings[0].time_ns, 50'000);
    EXPECT_EQ(sightings[0].interface % 2, sightings[1].interface % 2);
    EXPECT_NE(sightings[0].interface, sightings[1].interface);
    EXPECT_EQ(sightings[0].comment.find("lost in device"), std::string::npos);
  }
  const TemporaryFile file("slice.pcapng", slice_);
  expect_opens_without_warning(file.path(), 41);
}

TEST_F(SliceTest, TenantsThatTheDaemonTellsApartByVlanAreToldApart) {
  for (const uint16_t vlan : {10, 20}) {
    test::Ip ip{address("198.51.100.7"), address("203.0.113.1"), 60, 1};
    ip.vlan = vlan;
    append(outside_in, now_ns_ += kMs, test::tcp_frame(ip, {.source_port = 40'001, .destination_port = 80}));
  }
  write_out();
  SliceRequest request;
  request.key_from = KeyFrom::vlan;
  const auto snapshot = spool_->snapshot(request.from_ns, request.to_ns);
  ASSERT_TRUE(snapshot.ok()) << snapshot.error();
  const std::vector<std::optional<PointIndex>> points((*snapshot)->interfaces().size(), PointIndex{0});
  const std::function<bool()> go_on = [] { return true; };
  SlicePackets packets(**snapshot, request, points, true, go_on);
  SlicePacket packet;
  for (const uint32_t vlan : {10, 20}) {
    ASSERT_TRUE(packets.next(packet));
    EXPECT_EQ(packet.sighting.key, vlan);
  }
}

TEST_F(SliceTest, LegsCutTheirConnectionOutAndKnownPairingsJoinWhatHadBegunBefore) {
  connection(40'001, false);
  connection(40'002, false);
  write_out();
  SliceRequest request;
  request.comments = {"finding 7"};
  request.legs = {leg(0, 40'002), leg(1, 40'002)};
  ASSERT_EQ(pull(request).message, "");
  EXPECT_EQ(packets().size(), 20u);
  EXPECT_EQ(section_comments(), "finding 7\n");
  request.legs = {leg(0, 40'003)};
  ASSERT_EQ(pull(request).message, "");
  EXPECT_TRUE(packets().empty());
}

// Cut out alone, a SYN and its RST do not tell who refused it: the daemon had seen more.
TEST_F(SliceTest, ThePacketsThatAFindingsEvidenceNamesHaveItsWordsAndNotTheSlicesOwn) {
  using namespace tcp_flag;
  const int64_t syn_ns = segment(true, 40'001, {.seq = 1000, .flags = syn, .mss = 1460}, Crossing::lost);
  const int64_t rst_ns = now_ns_ + kMs;
  append(outside_out, rst_ns,
         test::tcp_frame({address("203.0.113.1"), address("198.51.100.7"), 64, 1},
                         {.source_port = 80, .destination_port = 40'001, .seq = 0, .ack = 1001, .flags = rst | ack}));
  append(inside_out, rst_ns, test::tcp_frame({address("203.0.113.1"), address("198.51.100.7"), 64, 1}, {.flags = ack}));
  write_out();
  SliceRequest request;
  request.legs = {leg(0, 40'001)};
  request.spool_filtered = true;
  ASSERT_EQ(pull(request).message, "");
  EXPECT_EQ(with_comment("Nobody is accused"), 1u);

  FindingRecord finding;
  finding.kind = FindingKind::syn_refused;
  finding.direction = FindingDirection::client_to_server;
  finding.where = {Where::Kind::between, 0, 1};
  finding.summary = "The device between outside and inside refused 1 connection.";
  finding.evidence = {
      {.kind = "present_at", .point = 0, .port = outside_in, .frame = 900, .time_ns = syn_ns, .detail = "the SYN"},
      {.kind = "present_at", .point = 0, .port = outside_out, .frame = 901, .time_ns = rst_ns, .detail = "RST to the client"},
      {.kind = "ttl", .point = 0, .port = outside_out, .frame = 901, .time_ns = rst_ns, .detail = "ttl 64"},
      {.kind = "absent_at", .point = 1, .port = std::nullopt, .frame = 0, .time_ns = syn_ns, .detail = "no SYN"}};
  request.findings = {finding};
  ASSERT_EQ(pull(request).message, "");
  const std::string words = "parallax: syn_refused: The device between outside and inside refused 1 connection. ";
  const std::vector<Written> all = packets();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].comment, words + "Here: the SYN");
  EXPECT_EQ(all[1].comment, words + "Here: RST to the client; ttl 64");
}

TEST_F(SliceTest, AFilterLimitsWhatIsWrittenAndAccusesNobody) {
  connection(40'001, true);
  much_later();
  write_out();
  SliceRequest request;
  request.filter = "host 198.51.100.7";
  ASSERT_EQ(pull(request).message, "");
  EXPECT_EQ(packets().size(), 21u);
  EXPECT_EQ(with_comment("lost in device"), 1u);
  EXPECT_EQ(with_comment("injected"), 0u);
}

TEST_F(SliceTest, ABadFilterIsToldWithWhatIsWrongAndBeforeAnythingIsSent) {
  connection(40'001, false);
  write_out();
  SliceRequest request;
  request.filter = "tcp port eighty nine";
  const SliceResult error = pull(request);
  EXPECT_EQ(error.code, SliceCode::invalid_argument);
  EXPECT_NE(error.message.find("eighty"), std::string::npos) << error.message;
  EXPECT_TRUE(slice_.empty());
}

// libpcap would find this one without asking anybody outside.
TEST_F(SliceTest, AHostNameInAFilterIsRefusedWithItsPositionAndNotLookedUp) {
  write_out();
  SliceRequest request;
  request.filter = "tcp port 80 and host localhost";
  const SliceResult refused = pull(request);
  EXPECT_EQ(refused.code, SliceCode::invalid_argument);
  EXPECT_EQ(
      refused.message,
      "filter 'tcp port 80 and host localhost': 'localhost' is no word of pcap-filter(7), and host names are not looked up: "
      "give an address, at position 21");
  EXPECT_TRUE(slice_.empty());
}

TEST_F(SliceTest, AnEmptyLinkIsNoErrorAndGivesAPcapngWithoutPackets) {
  write_out();
  const SliceResult result = pull({});
  ASSERT_EQ(result.message, "");
  EXPECT_TRUE(packets().empty());
  ASSERT_EQ(result.summary.points.size(), 2u);
  EXPECT_EQ(result.summary.points[0].packets, 0u);
  EXPECT_GT(result.summary.first_ns, result.summary.last_ns);
  EXPECT_TRUE(result.summary.missing.empty());
  const TemporaryFile file("slice.pcapng", slice_);
  expect_opens_without_warning(file.path(), 0);
  SliceRequest before;
  before.to_ns = kSpoolTestStartNs;
  EXPECT_EQ(pull(before).code, SliceCode::out_of_range) << "of that time it knows nothing";
}

TEST_F(SliceTest, ATimeSinceWhichNothingHasPassedIsNoError) {
  connection(40'001, false);
  write_out();
  SliceRequest request;
  request.from_ns = now_ns_ + 1000 * kMs;
  EXPECT_EQ(pull(request).message, "");
  EXPECT_TRUE(packets().empty());
}

TEST_F(SliceTest, TheSummarySaysWhatWasWrittenAtEachPointAndWhatTheSensorLost) {
  connection(40'001, true);
  const int64_t last_ns = now_ns_ + 50'000;
  spool_->lane(inside_in / 2).append_gap(inside_in, lost_ns_ - 5 * kMs, lost_ns_ + 5 * kMs);
  while (spool_->status().dropped_packets < 7) {
    append(inside_out, now_ns_, test::udp_frame({address("10.0.0.7"), address("10.0.0.8")}, {5000, 53}));
  }
  write_out_part();
  connection(40'002, false);
  stop_writing();
  SliceRequest request;
  request.filter = "tcp";
  request.to_ns = last_ns;
  const SliceSummary summary = pull(request).summary;
  ASSERT_EQ(summary.points.size(), 2u);
  EXPECT_EQ(summary.points[0].name, "outside");
  EXPECT_EQ(summary.points[0].packets, 11u);
  EXPECT_EQ(summary.points[0].lost, 0u);
  EXPECT_EQ(summary.points[1].name, "inside");
  EXPECT_EQ(summary.points[1].packets, 10u);
  EXPECT_EQ(summary.points[1].lost, 7u);
  EXPECT_TRUE(summary.loss_is_uncounted) << "in the gap";
  EXPECT_EQ(summary.first_ns, kSpoolTestStartNs + kMs);
  EXPECT_EQ(summary.last_ns, last_ns);
}

TEST_F(SliceTest, PayloadThatARuleCutAtOnePointIsNotHeldAgainstTheDeviceAndTheSliceSaysThatItIsCut) {
  connection(40'001, true);
  much_later();
  write_out();
  ASSERT_EQ(pull({}).message, "");
  const std::vector<Written> whole = packets();
  const TemporaryDirectory other;
  SpoolOptions options = small_spool(other.path());
  options.lanes = 2;
  options.snap_rules = *SpoolSnapRules::compile({{"net 10.0.0.0/8", {}, 0}});  // the inside alone
  spool_ = std::move(*Spool::open(options, four_ports()));
  now_ns_ = kSpoolTestStartNs;
  ip_id_ = 100;
  connection(40'001, true);
  much_later();
  write_out();
  ASSERT_EQ(pull({}).message, "");
  const std::vector<Written> cut = packets();
  ASSERT_EQ(cut.size(), whole.size());
  for (size_t i = 0; i < cut.size(); ++i) {
    EXPECT_EQ(cut[i].packet_id, whole[i].packet_id) << i;
    EXPECT_EQ(cut[i].comment, whole[i].comment) << i;
  }
  const std::string text(slice_.begin(), slice_.end());
  EXPECT_NE(text.find("packets were cut before the snap length"), std::string::npos);
  EXPECT_NE(text.find("2 packets were cut before"), std::string::npos) << "of the client to the inside: one of each connection";
}

TEST_F(SliceTest, FilesThatOthersRemovedAreToldAndHeldAgainstNobody) {
  connection(40'001, true);
  write_out();
  const std::string path = directory_.path() + '/' + spool_files(directory_.path())[0];
  std::filesystem::remove(path);
  const SliceResult gone = pull({});
  EXPECT_EQ(gone.code, SliceCode::out_of_range);
  EXPECT_TRUE(
      gone.message.starts_with("files of the spool from 2023-11-14T22:13:20.001Z to 2023-11-14T22:13:20.311050Z were "
                               "removed by others than parallaxd"))
      << gone.message;
}

TEST_F(SliceTest, ATimeThatTheSpoolDoesNotHoldIsOutOfRangeAndItSaysWhatItHolds) {
  connection(40'001, false);
  write_out();
  SliceRequest request;
  request.to_ns = kSpoolTestStartNs;
  const SliceResult error = pull(request);
  EXPECT_EQ(error.code, SliceCode::out_of_range);
  EXPECT_EQ(error.message, "the spool holds packets from 2023-11-14T22:13:20.001Z to 2023-11-14T22:13:20.010050Z");
  EXPECT_TRUE(slice_.empty());
}

TEST_F(SliceTest, WhereTheSpoolHoldsAPartTheSliceHasItAndSaysSo) {
  connection(40'001, false);
  write_out();
  SliceRequest request;
  request.from_ns = kSpoolTestStartNs - 3'600'000 * kMs;
  request.to_ns = kSpoolTestStartNs + 2 * kMs;
  const SliceResult result = pull(request);
  ASSERT_EQ(result.message, "");
  EXPECT_EQ(packets().size(), 3u);
  EXPECT_EQ(section_comments(),
            "asked for packets from 2023-11-14T21:13:20Z; the spool holds none before 2023-11-14T22:13:20.001Z\n");
  EXPECT_EQ(result.summary.missing,
            std::vector<std::string>{
                "asked for packets from 2023-11-14T21:13:20Z; the spool holds none before 2023-11-14T22:13:20.001Z"});
}

TEST_F(SliceTest, BeyondTheBoundPacketsAreWrittenWithoutIdsAndTheSliceSaysSo) {
  connection(40'001, false);
  connection(40'002, false);
  write_out();
  SliceRequest request;
  request.packets_max = 20;
  ASSERT_EQ(pull(request).message, "");
  const std::vector<Written> all = packets();
  ASSERT_EQ(all.size(), 40u);
  EXPECT_NE(all[4].packet_id, 0u);
  for (size_t i = 20; i < 40; ++i) EXPECT_EQ(all[i].packet_id, 0u);
  EXPECT_EQ(section_comments(), "packet ids and comments end after the first 20 packets, the bound of a slice\n");
}

TEST_F(SliceTest, WhatTheSpoolLostIsNotHeldAgainstTheDevice) {
  // The inside lane runs out of blocks while a segment crosses, and has some again afterwards.
  using namespace tcp_flag;
  segment(true, 40'001, {.seq = 1000, .flags = syn, .mss = 1460});
  segment(false, 40'001, {.seq = 2000, .ack = 1001, .flags = syn | ack, .mss = 1460});
  segment(true, 40'001, {.seq = 1001, .ack = 2001, .flags = ack});
  uint64_t others = 0;
  while (spool_->status().dropped_packets == 0) {
    append(inside_in, now_ns_, test::udp_frame({address("10.0.0.7"), address("10.0.0.8")}, {5000, 53}));
    ++others;
  }
  segment(true, 40'001, {.seq = 1001, .ack = 2001, .flags = ack | psh}, Crossing::forwarded, 100);
  EXPECT_EQ(spool_->status().dropped_packets, 2u);
  spool_->start();
  while (spool_->status().packets_written < others + 6) usleep(1000);
  much_later();
  spool_->stop();
  ASSERT_EQ(pull({}).message, "");
  EXPECT_EQ(packets().size(), 6 + others - 1 + 1 + 20);
  EXPECT_EQ(with_comment("lost in device"), 0u);
  EXPECT_EQ(with_comment("injected"), 0u);
}

// A link that was down, or the sensor held up: of that time the port proves nothing, and the spool has it from the rx worker.
TEST_F(SliceTest, OutageOfAPortIsNotHeldAgainstTheDevice) {
  connection(40'001, true);
  ASSERT_NE(lost_ns_, 0);
  spool_->lane(inside_in / 2).append_gap(inside_in, lost_ns_ - 5 * kMs, lost_ns_ + 5 * kMs);
  much_later();
  write_out();
  ASSERT_EQ(pull({}).message, "");
  EXPECT_EQ(packets().size(), 41u);
  EXPECT_EQ(with_comment("lost in device"), 0u);
  EXPECT_EQ(with_comment("injected"), 0u);
}

TEST_F(SliceTest, AReceiverThatGoesAwayStopsIt) {
  for (uint16_t port = 30'000; port < 30'200; ++port) connection(port, false);
  write_out();
  for (int chunks = 0; chunks < 3; ++chunks) {
    int taken = 0;
    const SliceResult error = make_slice(*spool_, {}, [&](std::span<const uint8_t>) { return taken++ < chunks; });
    EXPECT_EQ(error.code, SliceCode::cancelled);
    EXPECT_EQ(taken, chunks + 1);
  }
}

// Wherever the work is, somebody asks every few milliseconds whether it is still wanted, and stops where it is not.
TEST_F(SliceTest, AReceiverThatGoesAwayIsNoticedInEachPartOfTheWork) {
  for (int i = 0; i < 40'000; ++i) {
    now_ns_ += kMs / 10;
    append(outside_in, now_ns_, test::udp_frame({address("198.51.100.7"), address("203.0.113.1")}, {5000, 53}));
    if (i % 1000 == 0) write_out_part();
  }
  connection(40'001, false);
  stop_writing();
  const auto questions = [&](const SliceRequest& request, int until) {
    int asked = 0;
    const SliceResult error = make_slice(*spool_, request, [&](std::span<const uint8_t>) { return asked++ < until; });
    EXPECT_EQ(error.code, asked > until ? SliceCode::cancelled : SliceCode::ok) << error.message;
    return asked;
  };
  SliceRequest one_leg;
  one_leg.legs = {leg(0, 40'001), leg(1, 40'001)};
  const int of_one_leg = questions(one_leg, 1'000'000), of_all = questions({}, 1'000'000);
  EXPECT_GE(of_one_leg, 2);  // what was not asked for is passed over unread
  EXPECT_GE(of_all, 2 * 40'000 / 1024 + 4);
  for (const int until : {0, 1, of_one_leg / 2, of_one_leg - 2}) EXPECT_EQ(questions(one_leg, until), until + 1);
  for (const int until : {0, 20, 38, 39, 40, 41, 42, 43, of_all / 2, of_all - 2}) EXPECT_EQ(questions({}, until), until + 1);
}

TEST_F(SliceTest, ManyPacketsOfOneTimeStampDoNotStopTheAnalysis) {
  for (int i = 0; i < 5000; ++i) {
    append(outside_in, kSpoolTestStartNs, test::udp_frame({address("198.51.100.7"), address("203.0.113.1")}, {5000, 53}));
    if (i % 3000 == 2999) now_ns_ += kMs;
  }
  write_out();
  ASSERT_EQ(pull({}).message, "");
  EXPECT_EQ(packets().size(), 5000u);
  EXPECT_EQ(section_comments(), "");
}

}  // namespace
}  // namespace parallax
