// The rx worker: what it publishes, in which order, and what it does when a ring is full.
#include "tests/support/rx_bench.h"

namespace parallax {
namespace {

using namespace test;

TEST(RxWorker, SightingsCarryWhatOnlyTheCaptureKnows) {
  Bench bench;
  bench.add_live();
  FakeSource::State& state = bench.add_live();
  state.uncertainty_ns = 7;
  state.packets.push_back({1'000, udp_frame(1)});
  state.packets.push_back({2'000, udp_frame(2)});
  state.watermark_ns = 2'500;
  EXPECT_TRUE(bench.poll());
  const std::vector<Sighting> sightings = bench.taken_from(1);
  ASSERT_EQ(sightings.size(), 2u);
  EXPECT_EQ(sightings[1].time_ns, 2'000);
  EXPECT_EQ(sightings[1].order_ns, 2'000);
  EXPECT_EQ(sightings[1].frame, 2u);
  EXPECT_EQ(sightings[1].port, 1);
  EXPECT_EQ(sightings[1].point, 1);
  EXPECT_EQ(sightings[1].stamp_uncertainty_ns, 7u);
  EXPECT_EQ(sightings[1].source_port, 2);
  EXPECT_EQ(bench.channels[1]->counters.packets.get(), 2u);
  EXPECT_EQ(bench.channels[1]->counters.bytes.get(), 120u);
  EXPECT_FALSE(bench.poll());
}

TEST(RxWorker, WatermarkAndCoverageFollowTheSource) {
  Bench bench;
  FakeSource::State& state = bench.add_live();
  state.watermark_ns = 500;
  bench.poll();
  PortChannel& channel = *bench.channels[0];
  EXPECT_EQ(channel.watermark_ns, 500);
  EXPECT_EQ(channel.covered_from_ns, 500);
  state.watermark_ns = 900;
  state.packets.push_back({1'200, udp_frame(1)});
  bench.poll();
  EXPECT_EQ(channel.watermark_ns, 900);
  EXPECT_EQ(channel.covered_from_ns, 500);
  EXPECT_EQ(channel.covered_to_ns, 1'200);
  state.watermark_ns = 100;
  bench.poll();
  EXPECT_EQ(channel.watermark_ns, 900) << "a watermark never goes back";
  state.ended = true;
  bench.poll();
  EXPECT_EQ(channel.watermark_ns, kTimeMax);
  EXPECT_EQ(channel.covered_to_ns, 1'200);
  EXPECT_TRUE(bench.worker->finished());
}

TEST(RxWorker, LossesAreKnownBeforeTheBurstIsReleased) {
  Bench bench;
  FakeSource::State& state = bench.add_live();
  PortChannel& channel = *bench.channels[0];
  state.packets.push_back({2'000, udp_frame(1)});
  state.losses.push_back({DropReason::nic, 3, 1'000, 1'900});
  state.losses.push_back({DropReason::socket, 2, 1'000, 1'900});
  state.watermark_ns = 2'500;
  state.while_losses_are_asked = [&] {
    EXPECT_EQ(channel.rings[0]->size(), 0u);
    EXPECT_EQ(channel.watermark_ns, kTimeMin);
  };
  bench.poll_burst();
  EXPECT_EQ(bench.drops(0, DropReason::nic), 3u);
  EXPECT_EQ(bench.drops(0, DropReason::socket), 2u);
  EXPECT_EQ(channel.loss.lost(), 5u);
  EXPECT_TRUE(channel.loss.losing(1'500, 1'600));
  EXPECT_FALSE(channel.loss.losing(2'000'000'000, 3'000'000'000));
}

TEST(RxWorker, WhatARingHasNoRoomForWaitsInTheSource) {
  Bench bench;
  FakeSource::State& state = bench.add_live(1, 4);
  for (int i = 1; i <= 6; ++i) state.packets.push_back({i, udp_frame(1)});
  bench.poll();
  PortChannel& channel = *bench.channels[0];
  EXPECT_EQ(channel.counters.packets.get(), 4u);
  EXPECT_EQ(state.packets.size(), 2u);
  EXPECT_EQ(channel.counters.held_back.get(), 0u) << "it took as many as it had room for";
  bench.poll();
  bench.poll();
  EXPECT_EQ(channel.counters.held_back.get(), 1u) << "once, however long it lasts";
  EXPECT_EQ(bench.taken_from(0).size(), 4u);
  bench.poll();
  EXPECT_EQ(bench.taken_from(0).size(), 2u) << "it goes on once there is room";
  EXPECT_EQ(channel.counters.packets.get(), 6u);
  EXPECT_EQ(channel.loss.lost(), 0u);
}

TEST(RxWorker, WhatTheSourceLosesMeanwhileIsKnown) {
  Bench bench;
  FakeSource::State& state = bench.add_live(1, 4);
  for (int i = 1; i <= 6; ++i) state.packets.push_back({i, udp_frame(1)});
  bench.poll();
  state.losses.push_back({DropReason::socket, 7, 5, 9});
  bench.poll();
  EXPECT_EQ(bench.drops(0, DropReason::socket), 7u);
  EXPECT_TRUE(bench.channels[0]->loss.losing(5, 9));
}

TEST(RxWorker, OneFullRingHoldsBackItsPortAndNoOther) {
  Bench bench;
  FakeSource::State& full = bench.add_live(2, 4);
  FakeSource::State& other = bench.add_live(2, 4);
  for (uint16_t i = 0; i < 8; ++i) full.packets.push_back({i + 1, udp_frame(1000)});  // of one flow: all for one worker
  bench.poll();
  bench.poll();
  EXPECT_EQ(full.packets.size(), 4u);
  other.packets.push_back({1, udp_frame(1000)});
  bench.poll();
  EXPECT_TRUE(other.packets.empty());
  EXPECT_EQ(bench.channels[1]->counters.held_back.get(), 0u);
}

// The source's own watermark stays below what it handed out, by as long as the kernel may take. A ring that is full of that would
// never empty.
TEST(RxWorker, WhatIsInAFullRingMayBeProcessed) {
  Bench bench;
  FakeSource::State& state = bench.add_live(1, 4);
  for (int i = 1; i <= 6; ++i) state.packets.push_back({i * 1'000'000, udp_frame(1)});
  state.watermark_ns = 500'000;
  state.losses_known_ns = 3'500'000;
  bench.poll();
  PortChannel& channel = *bench.channels[0];
  EXPECT_EQ(channel.watermark_ns, 500'000);
  bench.poll();
  EXPECT_EQ(channel.watermark_ns, 3'500'000) << "no further than losses are known";
  state.losses_known_ns = 9'000'000;
  bench.poll();
  EXPECT_EQ(channel.watermark_ns, 4'000'000) << "all that was handed out";
  EXPECT_FALSE(channel.may_lack(0, 9'000'000));
}

TEST(RxWorker, WherePacketsWaitLongNothingIsProvedByTheirAbsence) {
  Bench bench;
  FakeSource::State& state = bench.add_live(1, 4);
  for (int i = 1; i <= 6; ++i) state.packets.push_back({i * 10'000'000, udp_frame(1)});
  state.watermark_ns = 15'000'000;
  bench.poll();
  bench.poll();
  EXPECT_EQ(bench.channels[0]->watermark_ns, 40'000'000);
  EXPECT_TRUE(bench.channels[0]->may_lack(20'000'000, 39'000'000));
  EXPECT_FALSE(bench.channels[0]->may_lack(0, 14'000'000));
}

TEST(RxWorker, PayloadPrefixesHoldBackAsWell) {
  Bench bench;
  FakeSource::State& state = bench.add_live(1, 1024);
  PayloadPrefixRing& prefixes = *bench.channels[0]->payload_prefixes[0];
  for (size_t i = 0; i <= prefixes.capacity() / 2; ++i) prefixes.push(std::vector<uint8_t>(18, 9));
  state.packets.push_back({1, dns_frame(1, 1)});
  bench.poll();
  EXPECT_EQ(state.packets.size(), 1u);
  EXPECT_EQ(bench.channels[0]->counters.held_back.get(), 1u);
}

// After a pause each port has its backlog, the shorter one of it in later packets.
TEST(RxWorker, AfterAPausePacketsComeInTheOrderOfTheirStamps) {
  Bench bench;
  FakeSource::State& longer = bench.add_live(1, 4096);
  FakeSource::State& shorter = bench.add_live(1, 4096);
  longer.stamped_on_arrival = shorter.stamped_on_arrival = true;
  for (int i = 1; i <= 2'000; ++i) longer.packets.push_back({i * 100'000, udp_frame(1)});
  for (int i = 1; i <= 100; ++i) shorter.packets.push_back({i * 2'000'000, udp_frame(2)});
  longer.watermark_is_handed_out = shorter.watermark_is_handed_out = true;
  int64_t ahead_ns = 0;
  while (!longer.packets.empty()) {
    bench.poll_burst();
    if (!longer.packets.empty() && !shorter.packets.empty())
      ahead_ns = std::max(ahead_ns, shorter.handed_out_ns - longer.handed_out_ns);
  }
  EXPECT_LT(ahead_ns, 64'000'000 + 5'000'000) << "a burst, and what does not matter";
  EXPECT_EQ(bench.channels[1]->counters.held_back.get(), 0u) << "that was no want of room";
  for (int i = 0; i < 10; ++i) bench.poll_burst();
  EXPECT_TRUE(shorter.packets.empty());
}

TEST(RxWorker, PacketsThatAreStampedWhenTheyAreTakenDoNotWaitForOthers) {
  Bench bench;
  FakeSource::State& longer = bench.add_live(1, 4096);
  FakeSource::State& polled = bench.add_live(1, 4096);
  for (int i = 1; i <= 1'000; ++i) longer.packets.push_back({i * 100'000, udp_frame(1)});
  longer.stamped_on_arrival = longer.watermark_is_handed_out = true;
  polled.watermark_ns = 1'000'000'000;
  bench.poll_burst();
  polled.packets.push_back({1'000'000'000, udp_frame(2)});
  bench.poll_burst();
  EXPECT_TRUE(polled.packets.empty());
}

// Its watermark may stand still as long as it is never emptied.
TEST(RxWorker, NobodyWaitsForAPortThatIsStampedWhenItIsPolled) {
  Bench bench;
  FakeSource::State& polled = bench.add_live(1, 4096);
  FakeSource::State& other = bench.add_live(1, 4096);
  for (int i = 1; i <= 1'000; ++i) polled.packets.push_back({1'000'000'000, udp_frame(1)});
  polled.watermark_ns = 1'000;
  other.stamped_on_arrival = true;
  other.watermark_ns = 1'000'000'000;
  bench.poll_burst();
  other.packets.push_back({1'000'000'000, udp_frame(2)});
  bench.poll_burst();
  EXPECT_TRUE(other.packets.empty());
}

TEST(RxWorker, RestsLongerWhereTheKernelWakesItsThread) {
  Bench bench;
  FakeSource::State& first = bench.add_live();
  FakeSource::State& second = bench.add_live();
  first.descriptor = 7, second.descriptor = 8;
  first.stamped_on_arrival = second.stamped_on_arrival = true;
  const Rest woken = bench.started().rest();
  EXPECT_EQ(woken.longest_us, 2'000u);
  EXPECT_EQ(std::vector<int>(woken.descriptors.begin(), woken.descriptors.end()), (std::vector<int>{7, 8}));
  second.stamped_on_arrival = false;
  EXPECT_LE(bench.started().rest().longest_us, 1'000u) << "the whole sleep is its uncertainty";
  second.descriptor = -1;
  const Rest polled = bench.started().rest();
  EXPECT_LE(polled.longest_us, 180u) << "to stamp a packet within 250 us";
  EXPECT_EQ(std::vector<int>(polled.descriptors.begin(), polled.descriptors.end()), std::vector<int>{7});
}

TEST(RxWorker, FilesAreNeverDropped) {
  Bench bench;
  FakeSource::State& state = bench.add_file(1, 4);
  for (int i = 1; i <= 100; ++i) state.packets.push_back({i, udp_frame(static_cast<uint16_t>(i))});
  std::vector<Sighting> all;
  for (int round = 0; round < 1'000 && !(bench.worker && bench.worker->finished()); ++round) {
    bench.poll();
    const int64_t watermark_ns = bench.channels[0]->watermark_ns;
    const std::vector<Sighting> some = bench.taken_from(0);
    all.insert(all.end(), some.begin(), some.end());
    if (watermark_ns != kTimeMin && watermark_ns != kTimeMax) {
      EXPECT_EQ(watermark_ns, static_cast<int64_t>(all.size()) + 1) << "the time of the next packet";
    }
  }
  ASSERT_EQ(all.size(), 100u);
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].source_port, i + 1);
  EXPECT_EQ(bench.channels[0]->watermark_ns, kTimeMax);
  EXPECT_EQ(bench.channels[0]->covered_from_ns, 1);
  EXPECT_EQ(bench.channels[0]->covered_to_ns, 100);
}

TEST(RxWorker, ABlockedFileSaysThatNothingWasDone) {
  Bench bench;
  FakeSource::State& state = bench.add_file(1, 4);
  for (int i = 1; i <= 100; ++i) state.packets.push_back({i, udp_frame(1)});
  EXPECT_TRUE(bench.poll());
  EXPECT_FALSE(bench.poll()) << "so that its thread can rest or run the analysis";
}

TEST(RxWorker, TheFileFurthestBehindIsReadFirst) {
  Bench bench;
  FakeSource::State& early = bench.add_file();
  FakeSource::State& late = bench.add_file();
  for (int i = 0; i < 320; ++i) early.packets.push_back({1'000 + i, udp_frame(1)});
  for (int i = 0; i < 320; ++i) late.packets.push_back({5'000 + i, udp_frame(2)});
  for (int round = 0; round < 9; ++round) bench.poll_burst();
  EXPECT_EQ(early.polls, 9);
  EXPECT_EQ(late.polls, 0);
  while (!bench.worker->finished()) bench.poll();
  EXPECT_EQ(bench.taken_from(0).size(), 320u);
  EXPECT_EQ(bench.taken_from(1).size(), 320u);
}

TEST(RxWorker, FilesAtTheSameTimeAreBothReadWhenOneIsBlocked) {
  Bench bench;
  FakeSource::State& first = bench.add_file(1, 4);
  FakeSource::State& second = bench.add_file(1, 1024);
  for (int i = 0; i < 64; ++i) first.packets.push_back({1'000, udp_frame(1)});
  for (int i = 0; i < 64; ++i) second.packets.push_back({1'000, udp_frame(2)});
  for (int round = 0; round < 10; ++round) bench.poll();
  EXPECT_EQ(bench.taken_from(1).size(), 64u);
}

// Files of a rotation: the merge must not wait for the second one while the first fills its ring.
TEST(RxWorker, AFileThatBeginsLaterIsKnownToBeginLater) {
  Bench bench;
  FakeSource::State& first = bench.add_file(1, 4);
  FakeSource::State& second = bench.add_file(1, 4);
  FakeSource::State& empty = bench.add_file(1, 4);
  for (int i = 0; i < 64; ++i) first.packets.push_back({1'000 + i, udp_frame(1)});
  second.packets.push_back({5'000, udp_frame(2)});
  empty.ended = true;
  for (int round = 0; round < 10; ++round) bench.poll();
  EXPECT_EQ(second.polls, 0);
  EXPECT_EQ(bench.channels[1]->watermark_ns, 5'000);
  EXPECT_EQ(bench.channels[1]->covered_from_ns, 5'000);
  EXPECT_EQ(bench.channels[2]->watermark_ns, kTimeMax);
}

TEST(RxWorker, TimeThatRunsBackwardsKeepsTheOrderOfTheFile) {
  Bench bench;
  FakeSource::State& state = bench.add_file();
  for (const int64_t time_ns : {100, 300, 200, 400}) state.packets.push_back({time_ns, udp_frame(1)});
  bench.poll();
  const std::vector<Sighting> sightings = bench.taken_from(0);
  ASSERT_EQ(sightings.size(), 4u);
  EXPECT_EQ(sightings[2].time_ns, 200);
  EXPECT_EQ(sightings[2].order_ns, 300);
  EXPECT_EQ(sightings[3].order_ns, 400);
}

// A merge releases what is before the watermarks of all ports.
TEST(RxWorker, FilesOfASingleTimeDoNotBlockAMergeForEver) {
  for (const size_t files : {1, 2}) {
    Bench bench;
    for (size_t port = 0; port < files; ++port) {
      FakeSource::State& state = bench.add_file(2, 64);
      for (uint16_t i = 0; i < 1'000; ++i) state.packets.push_back({0, udp_frame(port == 0 ? 1 : i)});
    }
    size_t released = 0;
    for (int round = 0; round < 10'000 && released < 1'000 * files; ++round) {
      bench.poll();
      int64_t safe_ns = kTimeMax;
      for (auto& channel : bench.channels) safe_ns = std::min(safe_ns, channel->watermark_ns.load());
      for (auto& channel : bench.channels) {
        for (auto& ring : channel->rings) {
          for (auto items = ring->peek(); !items.empty() && items.front().order_ns < safe_ns; items = ring->peek()) {
            ring->pop(1);
            ++released;
          }
        }
      }
    }
    EXPECT_EQ(released, 1'000 * files);
  }
}

TEST(RxWorker, AnalysisAndSpoolHaveFiltersOfTheirOwn) {
  Result<FlowFilter> analysis = FlowFilter::compile("udp dst port 53");
  Result<FlowFilter> spool = FlowFilter::compile("udp src port 7");
  ASSERT_TRUE(analysis.ok()) << analysis.error();
  ASSERT_TRUE(spool.ok()) << spool.error();
  FakeSink sink;
  Bench bench;
  bench.options = {.filters = {&*analysis, &*spool}, .spool = &sink};
  FakeSource::State& state = bench.add_live();
  state.packets.push_back({1, udp_frame(7, 99)});
  state.packets.push_back({2, udp_frame(8, 53)});
  state.packets.push_back({3, udp_frame(7, 53)});
  bench.poll();
  EXPECT_EQ(sink.packets, (std::vector<std::pair<PortIndex, int64_t>>{{0, 1}, {0, 3}}));
  EXPECT_EQ(bench.taken_from(0).size(), 2u);
  EXPECT_EQ(bench.channels[0]->counters.filtered.get(), 1u);
}

TEST(RxWorker, AFilterThatIsWrongIsAnError) {
  const Result<FlowFilter> filter = FlowFilter::compile("udp port port");
  EXPECT_FALSE(filter.ok());
  EXPECT_FALSE(filter.error().empty());
  const std::array required{LinkType::raw_ip};
  EXPECT_FALSE(FlowFilter::compile("ether host 00:00:00:00:00:01", required).ok());
  EXPECT_TRUE(FlowFilter::compile("ether host 00:00:00:00:00:01").ok());
}

TEST(RxWorker, WhatCannotBeDecodedIsCountedByReason) {
  Bench bench;
  FakeSource::State& state = bench.add_live();
  state.packets.push_back({1, std::vector<uint8_t>(5, 0)});
  bench.poll();
  uint64_t errors = 0;
  for (const Counter& counter : bench.channels[0]->counters.decode_errors) errors += counter.get();
  EXPECT_EQ(errors, 1u);
  EXPECT_EQ(bench.channels[0]->counters.packets.get(), 1u);
  EXPECT_TRUE(bench.taken_from(0).empty());
}

TEST(RxWorker, DropsOnPurposeGoThroughTheSameAccounts) {
  for (const DropStage stage : {DropStage::nic, DropStage::ring}) {
    FakeSink sink;
    Bench bench;
    bench.options.spool = &sink;
    bench.options.drop_hook = [stage](DropStage at, PortIndex, const RawPacket& packet) {
      return at == stage && packet.frame == 2;
    };
    FakeSource::State& state = bench.add_live();
    for (int i = 1; i <= 3; ++i) state.packets.push_back({i * 1'000'000'000LL, udp_frame(1)});
    bench.poll();
    EXPECT_EQ(bench.taken_from(0).size(), 2u);
    EXPECT_EQ(bench.drops(0, DropReason::test), 1u);
    EXPECT_EQ(bench.channels[0]->loss.lost(), 1u);
    EXPECT_TRUE(bench.channels[0]->loss.losing(2'000'000'000, 2'000'000'000));
    EXPECT_FALSE(bench.channels[0]->loss.losing(1'000'000'000, 1'000'000'000));
    EXPECT_EQ(sink.packets.size(), stage == DropStage::nic ? 2u : 3u);
  }
}

TEST(RxWorker, PayloadPrefixesKeepStepWithTheirSightings) {
  Bench bench;
  FakeSource::State& state = bench.add_live();
  state.packets.push_back({1, dns_frame(1, 11)});
  state.packets.push_back({2, udp_frame(2, 99)});
  state.packets.push_back({3, dns_frame(3, 13)});
  bench.poll();
  const std::vector<Sighting> sightings = bench.taken_from(0);
  ASSERT_EQ(sightings.size(), 3u);
  EXPECT_FALSE(sightings[1].has(SightingFlag::has_payload_prefix));
  EXPECT_EQ(bench.marks_of(0, sightings), (std::vector<uint8_t>{11, 13}));
  EXPECT_EQ(bench.channels[0]->counters.payload_prefixes.get(), 2u);
}

TEST(RxWorker, DropsOnPurposeTakeTheirPayloadPrefixesAlong) {
  Bench bench;
  bench.options.drop_hook = [](DropStage stage, PortIndex, const RawPacket& packet) {
    return packet.frame == (stage == DropStage::nic ? 2u : 3u);
  };
  FakeSource::State& state = bench.add_live();
  for (uint8_t i = 1; i <= 4; ++i) state.packets.push_back({i, dns_frame(i, i)});
  bench.poll();
  EXPECT_EQ(bench.marks_of(0, bench.taken_from(0)), (std::vector<uint8_t>{1, 4}));
  EXPECT_EQ(bench.channels[0]->payload_prefixes[0]->chunks_waiting(), 0u);
}

// Its payload prefix is as long as one can be.
std::vector<uint8_t> long_request() {
  std::vector<uint8_t> frame = udp_frame(1);
  frame.resize(14 + 20 + 20 + 9'000, 'x');
  frame[16] = static_cast<uint8_t>((frame.size() - 14) >> 8), frame[17] = static_cast<uint8_t>(frame.size() - 14);
  frame[23] = 6;     // TCP
  frame[46] = 0x50;  // no options
  std::copy_n("GET /", 5, frame.begin() + 54);
  return frame;
}

TEST(RxWorker, LiveAPacketGoesOnWithoutAnPayloadPrefixThatDoesNotFit) {
  Bench bench;
  FakeSource::State& state = bench.add_live(1, 64);
  for (int i = 1; i <= 32; ++i) state.packets.push_back({i, long_request()});
  bench.poll();
  const std::vector<Sighting> sightings = bench.taken_from(0);
  ASSERT_EQ(sightings.size(), 32u);
  EXPECT_TRUE(sightings[0].has(SightingFlag::has_payload_prefix));
  EXPECT_FALSE(sightings[31].has(SightingFlag::has_payload_prefix));
  EXPECT_EQ(bench.channels[0]->counters.payload_prefixes_dropped.get(), 29u) << "three fit";
  EXPECT_EQ(bench.channels[0]->loss.lost(), 0u) << "no packet was lost";
}

TEST(RxWorker, FilesWaitForRoomForTheirPayloadPrefixes) {
  Bench bench;
  FakeSource::State& state = bench.add_file(1, 64);
  std::vector<uint8_t> expected, marks;
  for (int i = 1; i <= 3'000; ++i) {
    expected.push_back(static_cast<uint8_t>(i));
    state.packets.push_back({i, dns_frame(static_cast<uint16_t>(i), expected.back())});
  }
  PayloadPrefixRing& ring = *bench.channels[0]->payload_prefixes[0];
  for (size_t i = 0; i < ring.capacity() - 7; ++i) ring.push(std::vector<uint8_t>(18, 9));
  bench.poll();
  std::vector<Sighting> sightings = bench.taken_from(0);
  EXPECT_EQ(sightings.size(), 7u) << "there was room for so many";
  EXPECT_FALSE(bench.poll()) << "blocked";
  std::array<uint8_t, kPayloadPrefixBytesMax> buffer;
  for (size_t i = 0; i < ring.capacity() - 7; ++i) ring.pop(buffer);
  for (int round = 0; round < 1'000; ++round) {
    const auto some = bench.marks_of(0, sightings);
    marks.insert(marks.end(), some.begin(), some.end());
    bench.poll();
    sightings = bench.taken_from(0);
  }
  EXPECT_EQ(marks, expected);
  EXPECT_EQ(bench.channels[0]->counters.payload_prefixes_dropped.get(), 0u);
}

// PayloadPrefixes as long as they come, all of one time: see FilesOfASingleTimeDoNotBlockAMergeForEver.
TEST(RxWorker, LongPayloadPrefixesOfASingleTimeDoNotBlockAMergeForEver) {
  Bench bench;
  FakeSource::State& state = bench.add_file(1, 64);
  for (int i = 0; i < 200; ++i) state.packets.push_back({0, long_request()});
  std::array<uint8_t, kPayloadPrefixBytesMax> buffer;
  size_t released = 0;
  for (int round = 0; round < 10'000 && released < 200; ++round) {
    bench.poll();
    const int64_t safe_ns = bench.channels[0]->watermark_ns;
    SpscRing<Sighting>& ring = *bench.channels[0]->rings[0];
    for (auto items = ring.peek(); !items.empty() && items.front().order_ns < safe_ns; items = ring.peek()) {
      ASSERT_TRUE(items.front().has(SightingFlag::has_payload_prefix));
      ASSERT_EQ(bench.channels[0]->payload_prefixes[0]->pop(buffer).size(), kPayloadPrefixBytesMax);
      ring.pop(1);
      ++released;
    }
  }
  EXPECT_EQ(released, 200u);
}

TEST(DropHook, IsReadFromText) {
  const std::vector<std::string> ports{"tap0", "tap1"};
  Result<DropHook> hook = parse_drop_hook("stage=ring, port=tap1, one_in=4, seed=9", ports);
  ASSERT_TRUE(hook.ok()) << hook.error();
  int dropped = 0;
  for (uint32_t frame = 1; frame <= 4'000; ++frame) {
    const RawPacket packet{nullptr, 0, 0, 0, 0, frame, LinkType::ethernet};
    EXPECT_FALSE((*hook)(DropStage::nic, 1, packet));
    EXPECT_FALSE((*hook)(DropStage::ring, 0, packet));
    dropped += (*hook)(DropStage::ring, 1, packet) ? 1 : 0;
  }
  EXPECT_NEAR(dropped, 1'000, 120);
  for (const char* wrong : {"stage=table", "port=tap9", "one_in=0", "one_in=x", "seed=", "drop=all", "nic"}) {
    EXPECT_FALSE(parse_drop_hook(wrong, ports).ok()) << wrong;
  }
}

// A reader that sees a watermark must find every sighting before it in the ring, and every loss in the log.
TEST(RxWorker, ReadersSeeLossesAndSightingsBeforeTheWatermark) {
  constexpr int64_t kPackets = 20'000;
  Bench bench;
  FakeSource::State& state = bench.add_live(1, 64);
  state.watermark_is_handed_out = true;
  PortChannel& channel = *bench.channels[0];
  std::thread reader([&] {
    int64_t seen = 0;
    int64_t lost = 0;
    for (int64_t watermark_ns = 0; watermark_ns != kTimeMax;) {
      watermark_ns = channel.watermark_ns.load(std::memory_order_acquire);
      lost = static_cast<int64_t>(channel.loss.lost());
      for (auto items = channel.rings[0]->peek(); !items.empty(); items = channel.rings[0]->peek()) {
        seen += static_cast<int64_t>(items.size());
        channel.rings[0]->pop(items.size());
      }
      if (watermark_ns != kTimeMax && watermark_ns != kTimeMin) {
        EXPECT_GE(seen + static_cast<int64_t>(channel.loss.lost()), watermark_ns - 1);
      }
    }
    EXPECT_EQ(seen + lost, kPackets);
  });
  for (int64_t next = 1; next <= kPackets;) {
    for (int i = 0; i < 32 && next <= kPackets; ++i, ++next)
      state.packets.push_back({next, udp_frame(static_cast<uint16_t>(next))});
    for (; !state.packets.empty(); std::this_thread::yield()) bench.poll();
  }
  state.ended = true;
  bench.poll();
  reader.join();
}

}  // namespace
}  // namespace parallax
