// The rx worker: what it publishes, in which order, and what it does when a ring is full.
#include "capture/rx/rx_worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <thread>

namespace parallax {
namespace {

// An Ethernet frame with IPv4 and UDP between two ports of fixed hosts.
std::vector<uint8_t> udp_frame(uint16_t source_port, uint16_t destination_port = 9) {
  std::vector<uint8_t> frame(60, 0);
  frame[12] = 0x08;
  uint8_t* ip = frame.data() + 14;
  ip[0] = 0x45;
  ip[3] = 46;
  ip[8] = 64;
  ip[9] = 17;
  ip[12] = 10, ip[15] = 1;
  ip[16] = 10, ip[19] = 2;
  uint8_t* udp = ip + 20;
  udp[0] = static_cast<uint8_t>(source_port >> 8), udp[1] = static_cast<uint8_t>(source_port);
  udp[2] = static_cast<uint8_t>(destination_port >> 8), udp[3] = static_cast<uint8_t>(destination_port);
  udp[5] = 26;
  return frame;
}

// A source whose packets, losses and watermark the test sets.
class FakeSource : public PacketSource {
 public:
  struct State {
    std::deque<std::pair<int64_t, std::vector<uint8_t>>> packets;
    std::deque<SourceLoss> losses;
    std::deque<PortOutage> outages;
    bool link_up = true;
    int64_t watermark_ns = kBeforeAllNs;  // live; a file's is its next packet's time
    bool ended = false;
    uint32_t uncertainty_ns = 0;
    int polls = 0;
    std::function<void()> while_losses_are_asked;
  };

  FakeSource(State& state, bool is_file) : state_(state), is_file_(is_file) {}

  size_t poll(std::span<RawPacket> burst) override {
    ++state_.polls;
    handed_out_.clear();
    while (handed_out_.size() < burst.size() && !state_.packets.empty()) {
      handed_out_.push_back(std::move(state_.packets.front()));
      state_.packets.pop_front();
    }
    for (size_t i = 0; i < handed_out_.size(); ++i) {
      const auto& [time_ns, bytes] = handed_out_[i];
      const auto length = static_cast<uint32_t>(bytes.size());
      burst[i] = {bytes.data(), length, length, time_ns, state_.uncertainty_ns, ++frame_, LinkType::ethernet};
    }
    return handed_out_.size();
  }
  int64_t watermark_ns() const override {
    if (!is_file_) return state_.watermark_ns;
    return state_.packets.empty() ? kAfterAllNs : state_.packets.front().first;
  }
  bool finished() const override { return is_file_ ? state_.packets.empty() : state_.ended; }
  bool is_file() const override { return is_file_; }
  std::optional<SourceLoss> take_loss() override {
    if (state_.while_losses_are_asked) state_.while_losses_are_asked();
    if (state_.losses.empty()) return std::nullopt;
    const SourceLoss loss = state_.losses.front();
    state_.losses.pop_front();
    return loss;
  }
  std::optional<PortOutage> take_outage() override {
    if (state_.outages.empty()) return std::nullopt;
    const PortOutage outage = state_.outages.front();
    state_.outages.pop_front();
    return outage;
  }
  bool link_up() const override { return state_.link_up; }
  LinkType link_type() const override { return LinkType::ethernet; }

 private:
  State& state_;
  const bool is_file_;
  std::vector<std::pair<int64_t, std::vector<uint8_t>>> handed_out_;
  uint32_t frame_ = 0;
};

// To port 53: its payload of 18 bytes, all `mark`, is handed on.
std::vector<uint8_t> dns_frame(uint16_t source_port, uint8_t mark) {
  std::vector<uint8_t> frame = udp_frame(source_port, 53);
  std::fill(frame.begin() + 42, frame.end(), mark);
  return frame;
}

// Ports with their sources, and one worker over them.
struct Bench {
  std::vector<std::unique_ptr<PortChannel>> channels;
  std::vector<std::unique_ptr<FakeSource::State>> states;
  std::vector<RxPort> ports;
  std::unique_ptr<RxWorker> worker;

  FakeSource::State& add(bool is_file, size_t workers = 1, size_t ring_slots = 1024) {
    const auto index = static_cast<PortIndex>(channels.size());
    const std::string name = "port" + std::to_string(index);
    channels.push_back(std::make_unique<PortChannel>(
        PortInfo{.name = name, .point = static_cast<PointIndex>(index % 2), .source = {}}, workers, ring_slots));
    states.push_back(std::make_unique<FakeSource::State>());
    ports.push_back({index, channels.back().get(), std::make_unique<FakeSource>(*states.back(), is_file)});
    return *states.back();
  }
  FakeSource::State& add_live(size_t workers = 1, size_t ring_slots = 1024) { return add(false, workers, ring_slots); }
  FakeSource::State& add_file(size_t workers = 1, size_t ring_slots = 1024) { return add(true, workers, ring_slots); }
  RxWorker& started() {
    if (!worker) worker = std::make_unique<RxWorker>(std::move(ports), options);
    return *worker;
  }
  bool poll() { return started().poll(); }
  bool poll_burst() { return started().poll_burst(); }
  std::vector<Sighting> taken_from(size_t port, size_t ring = 0) {
    SpscRing<Sighting>& from = *channels[port]->rings[ring];
    std::vector<Sighting> sightings;
    for (auto items = from.peek(); !items.empty(); items = from.peek()) {
      sightings.insert(sightings.end(), items.begin(), items.end());
      from.pop(items.size());
    }
    return sightings;
  }
  // Of a port's ring, in step with its sightings.
  std::vector<uint8_t> marks_of(size_t port, const std::vector<Sighting>& sightings) {
    std::vector<uint8_t> marks;
    std::array<uint8_t, kExcerptBytesMax> buffer;
    for (const Sighting& sighting : sightings) {
      if (!sighting.has(SightingFlag::has_excerpt)) continue;
      const auto excerpt = channels[port]->excerpts[0]->pop(buffer);
      EXPECT_EQ(excerpt.size(), 18u);
      marks.push_back(excerpt.empty() ? 0 : excerpt.back());
    }
    return marks;
  }
  uint64_t drops(size_t port, DropReason reason) const {
    return channels[port]->counters.drops[static_cast<size_t>(reason)].get();
  }

  RxWorkerOptions options;
};

class FakeSink : public PacketSink {
 public:
  std::vector<std::pair<PortIndex, int64_t>> packets;
  std::vector<std::tuple<PortIndex, int64_t, int64_t>> gaps;
  void append(PortIndex port, const RawPacket& packet) override { packets.emplace_back(port, packet.time_ns); }
  void append_gap(PortIndex port, int64_t from_ns, int64_t to_ns) override { gaps.emplace_back(port, from_ns, to_ns); }
};

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
  EXPECT_EQ(channel.watermark_ns, kAfterAllNs);
  EXPECT_EQ(channel.covered_to_ns, 1'200);
  EXPECT_TRUE(bench.worker->finished());
}

TEST(RxWorker, OutagesAreKnownAndSpooledBeforeTheBurst) {
  Bench bench;
  FakeSink sink;
  bench.options.spool = &sink;
  FakeSource::State& state = bench.add_live();
  PortChannel& channel = *bench.channels[0];
  state.link_up = false;
  state.outages.push_back({OutageCause::link_down, 1'000, 1'500});
  state.watermark_ns = 1'500;
  bench.poll();
  EXPECT_FALSE(channel.link_up);
  ASSERT_TRUE(channel.current_outage());
  EXPECT_EQ(channel.current_outage()->from_ns, 1'000);
  EXPECT_TRUE(channel.may_lack(1'200, 1'300));
  EXPECT_EQ(channel.loss.lost(), 0u) << "nothing is said to have been lost by the sensor";
  state.link_up = true;
  state.outages.push_back({OutageCause::link_down, 1'000, 2'000});
  state.packets.push_back({3'000, udp_frame(1)});
  bench.poll();
  EXPECT_TRUE(channel.link_up);
  EXPECT_FALSE(channel.current_outage());
  EXPECT_TRUE(channel.may_lack(1'900, 5'000));
  EXPECT_FALSE(channel.may_lack(2'001, 5'000));
  EXPECT_EQ(channel.outages.total(), 1u);
  const std::vector<std::tuple<PortIndex, int64_t, int64_t>> gaps{{0, 1'000, 1'500}, {0, 1'000, 2'000}};
  EXPECT_EQ(sink.gaps, gaps);
}

TEST(RxWorker, SilenceFoundElsewhereIsSpooledWhileItGoesOn) {
  Bench bench;
  FakeSink sink;
  bench.options.spool = &sink;
  FakeSource::State& state = bench.add_live();
  state.watermark_ns = 1'000'000'000;
  bench.poll();
  EXPECT_TRUE(sink.gaps.empty());
  bench.channels[0]->silences.add({OutageCause::silent, 500, PortOutage::kGoesOn});
  bench.poll();
  bench.poll();
  ASSERT_EQ(sink.gaps.size(), 1u) << "not with each poll";
  state.watermark_ns = 2'000'000'000;
  bench.poll();
  bench.channels[0]->silences.add({OutageCause::silent, 500, 2'000'000'300});
  bench.poll();
  bench.poll();
  const std::vector<std::tuple<PortIndex, int64_t, int64_t>> gaps{
      {0, 500, 1'000'000'000}, {0, 500, 2'000'000'000}, {0, 500, 2'000'000'300}};
  EXPECT_EQ(sink.gaps, gaps);
}

TEST(RxWorker, TellsTheWorstStampOfTheLastSecond) {
  Bench bench;
  FakeSource::State& state = bench.add_live();
  PortChannel& channel = *bench.channels[0];
  const auto packet_at = [&](int64_t time_ns, uint32_t uncertainty_ns) {
    state.uncertainty_ns = uncertainty_ns;
    state.packets.push_back({time_ns, udp_frame(1)});
    bench.poll();
    bench.taken_from(0);
  };
  packet_at(1'000, 7);
  EXPECT_EQ(channel.stamp_uncertainty_ns, 7u) << "at once after the first packet";
  packet_at(2'000, 900);
  packet_at(3'000, 8);
  packet_at(1'000'002'000, 9);
  EXPECT_EQ(channel.stamp_uncertainty_ns, 900u);
  EXPECT_EQ(channel.last_packet_ns, 1'000'002'000);
  packet_at(2'000'003'000, 9);
  EXPECT_EQ(channel.stamp_uncertainty_ns, 9u);
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
    EXPECT_EQ(channel.watermark_ns, kBeforeAllNs);
  };
  bench.poll_burst();
  EXPECT_EQ(bench.drops(0, DropReason::nic), 3u);
  EXPECT_EQ(bench.drops(0, DropReason::socket), 2u);
  EXPECT_EQ(channel.loss.lost(), 5u);
  EXPECT_TRUE(channel.loss.losing(1'500, 1'600));
  EXPECT_FALSE(channel.loss.losing(2'000'000'000, 3'000'000'000));
}

TEST(RxWorker, AFullRingDropsAndCountsAndSaysWhen) {
  Bench bench;
  FakeSource::State& state = bench.add_live(1, 4);
  state.uncertainty_ns = 10;
  for (int i = 1; i <= 6; ++i) state.packets.push_back({i * 10'000'000, udp_frame(1)});
  bench.poll();
  PortChannel& channel = *bench.channels[0];
  EXPECT_EQ(bench.drops(0, DropReason::ring_full), 2u);
  EXPECT_EQ(channel.loss.lost(), 2u);
  EXPECT_EQ(channel.counters.packets.get(), 6u);
  EXPECT_EQ(bench.taken_from(0).size(), 4u);
  EXPECT_FALSE(channel.loss.losing(40'000'001, 49'999'989));
  EXPECT_TRUE(channel.loss.losing(49'999'990, 49'999'991)) << "it may have arrived that much before its stamp";
  EXPECT_TRUE(channel.loss.losing(60'000'000, 60'000'000));
  EXPECT_FALSE(channel.loss.losing(60'000'001, 70'000'000));
  state.packets.push_back({80'000'000, udp_frame(1)});
  bench.poll();
  EXPECT_EQ(bench.taken_from(0).size(), 1u) << "it goes on once there is room";
}

TEST(RxWorker, OneFullRingLeavesTheOthersAlone) {
  Bench bench;
  FakeSource::State& state = bench.add_live(2, 4);
  for (uint16_t i = 0; i < 32; ++i)
    state.packets.push_back({i + 1, udp_frame(static_cast<uint16_t>(i % 2 == 0 ? 1000 : 1000 + i))});
  bench.poll();
  const size_t got = bench.taken_from(0, 0).size() + bench.taken_from(0, 1).size();
  EXPECT_EQ(got + bench.drops(0, DropReason::ring_full), 32u);
  EXPECT_EQ(got, 8u);
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
    if (watermark_ns != kBeforeAllNs && watermark_ns != kAfterAllNs) {
      EXPECT_EQ(watermark_ns, static_cast<int64_t>(all.size()) + 1) << "the time of the next packet";
    }
  }
  ASSERT_EQ(all.size(), 100u);
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].source_port, i + 1);
  EXPECT_EQ(bench.drops(0, DropReason::ring_full), 0u);
  EXPECT_EQ(bench.channels[0]->watermark_ns, kAfterAllNs);
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
      int64_t safe_ns = kAfterAllNs;
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
  bench.options = {.analysis_filter = &*analysis, .spool_filter = &*spool, .spool = &sink};
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

TEST(RxWorker, ExcerptsKeepStepWithTheirSightings) {
  Bench bench;
  FakeSource::State& state = bench.add_live();
  state.packets.push_back({1, dns_frame(1, 11)});
  state.packets.push_back({2, udp_frame(2, 99)});
  state.packets.push_back({3, dns_frame(3, 13)});
  bench.poll();
  const std::vector<Sighting> sightings = bench.taken_from(0);
  ASSERT_EQ(sightings.size(), 3u);
  EXPECT_FALSE(sightings[1].has(SightingFlag::has_excerpt));
  EXPECT_EQ(bench.marks_of(0, sightings), (std::vector<uint8_t>{11, 13}));
  EXPECT_EQ(bench.channels[0]->counters.excerpts.get(), 2u);
}

TEST(RxWorker, SightingsThatARingRefusesTakeTheirExcerptsAlong) {
  Bench bench;
  FakeSource::State& state = bench.add_live(1, 4);
  for (uint8_t i = 1; i <= 6; ++i) state.packets.push_back({i, dns_frame(i, i)});
  bench.poll();
  EXPECT_EQ(bench.marks_of(0, bench.taken_from(0)), (std::vector<uint8_t>{1, 2, 3, 4}));
  EXPECT_EQ(bench.channels[0]->excerpts[0]->chunks_waiting(), 0u);
  state.packets.push_back({7, dns_frame(7, 7)});
  bench.poll();
  EXPECT_EQ(bench.marks_of(0, bench.taken_from(0)), (std::vector<uint8_t>{7}));
}

TEST(RxWorker, DropsOnPurposeTakeTheirExcerptsAlong) {
  Bench bench;
  bench.options.drop_hook = [](DropStage stage, PortIndex, const RawPacket& packet) {
    return packet.frame == (stage == DropStage::nic ? 2u : 3u);
  };
  FakeSource::State& state = bench.add_live();
  for (uint8_t i = 1; i <= 4; ++i) state.packets.push_back({i, dns_frame(i, i)});
  bench.poll();
  EXPECT_EQ(bench.marks_of(0, bench.taken_from(0)), (std::vector<uint8_t>{1, 4}));
  EXPECT_EQ(bench.channels[0]->excerpts[0]->chunks_waiting(), 0u);
}

TEST(RxWorker, LiveAPacketGoesOnWithoutAnExcerptThatDoesNotFit) {
  Bench bench;
  FakeSource::State& state = bench.add_live(1, 1024);
  const uint32_t room = static_cast<uint32_t>(bench.channels[0]->excerpts[0]->capacity());  // each takes one chunk
  for (uint32_t i = 0; i < room; ++i) bench.channels[0]->excerpts[0]->push(std::vector<uint8_t>(18, 9));
  state.packets.push_back({1, dns_frame(1, 1)});
  state.packets.push_back({2, dns_frame(2, 2)});
  bench.poll();
  const std::vector<Sighting> sightings = bench.taken_from(0);
  ASSERT_EQ(sightings.size(), 2u);
  EXPECT_FALSE(sightings[0].has(SightingFlag::has_excerpt));
  EXPECT_EQ(bench.channels[0]->counters.excerpts_dropped.get(), 2u);
  EXPECT_EQ(bench.channels[0]->loss.lost(), 0u) << "no packet was lost";
}

TEST(RxWorker, FilesWaitForRoomForTheirExcerpts) {
  Bench bench;
  FakeSource::State& state = bench.add_file(1, 64);
  std::vector<uint8_t> expected, marks;
  for (int i = 1; i <= 3'000; ++i) {
    expected.push_back(static_cast<uint8_t>(i));
    state.packets.push_back({i, dns_frame(static_cast<uint16_t>(i), expected.back())});
  }
  ExcerptRing& ring = *bench.channels[0]->excerpts[0];
  for (size_t i = 0; i < ring.capacity() - 7; ++i) ring.push(std::vector<uint8_t>(18, 9));
  bench.poll();
  std::vector<Sighting> sightings = bench.taken_from(0);
  EXPECT_EQ(sightings.size(), 7u) << "there was room for so many";
  EXPECT_FALSE(bench.poll()) << "blocked";
  std::array<uint8_t, kExcerptBytesMax> buffer;
  for (size_t i = 0; i < ring.capacity() - 7; ++i) ring.pop(buffer);
  for (int round = 0; round < 1'000; ++round) {
    const auto some = bench.marks_of(0, sightings);
    marks.insert(marks.end(), some.begin(), some.end());
    bench.poll();
    sightings = bench.taken_from(0);
  }
  EXPECT_EQ(marks, expected);
  EXPECT_EQ(bench.channels[0]->counters.excerpts_dropped.get(), 0u);
}

// Excerpts as long as they come, all of one time: see FilesOfASingleTimeDoNotBlockAMergeForEver.
TEST(RxWorker, LongExcerptsOfASingleTimeDoNotBlockAMergeForEver) {
  Bench bench;
  FakeSource::State& state = bench.add_file(1, 64);
  std::vector<uint8_t> frame = udp_frame(1);
  frame.resize(14 + 20 + 20 + 9'000, 'x');
  frame[16] = static_cast<uint8_t>((frame.size() - 14) >> 8), frame[17] = static_cast<uint8_t>(frame.size() - 14);
  frame[23] = 6;     // TCP
  frame[46] = 0x50;  // no options
  std::copy_n("GET /", 5, frame.begin() + 54);
  for (int i = 0; i < 200; ++i) state.packets.push_back({0, frame});
  std::array<uint8_t, kExcerptBytesMax> buffer;
  size_t released = 0;
  for (int round = 0; round < 10'000 && released < 200; ++round) {
    bench.poll();
    const int64_t safe_ns = bench.channels[0]->watermark_ns;
    SpscRing<Sighting>& ring = *bench.channels[0]->rings[0];
    for (auto items = ring.peek(); !items.empty() && items.front().order_ns < safe_ns; items = ring.peek()) {
      ASSERT_TRUE(items.front().has(SightingFlag::has_excerpt));
      ASSERT_EQ(bench.channels[0]->excerpts[0]->pop(buffer).size(), kExcerptBytesMax);
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
  constexpr int64_t kPackets = 50'000;
  Bench bench;
  FakeSource::State& state = bench.add_live(1, 64);
  PortChannel& channel = *bench.channels[0];
  std::thread reader([&] {
    int64_t seen = 0;
    int64_t lost = 0;
    for (int64_t watermark_ns = 0; watermark_ns != kAfterAllNs;) {
      watermark_ns = channel.watermark_ns.load(std::memory_order_acquire);
      lost = static_cast<int64_t>(channel.loss.lost());
      for (auto items = channel.rings[0]->peek(); !items.empty(); items = channel.rings[0]->peek()) {
        seen += static_cast<int64_t>(items.size());
        channel.rings[0]->pop(items.size());
      }
      if (watermark_ns != kAfterAllNs && watermark_ns != kBeforeAllNs) {
        EXPECT_GE(seen + static_cast<int64_t>(channel.loss.lost()), watermark_ns - 1);
      }
    }
    EXPECT_EQ(seen + lost, kPackets);
  });
  for (int64_t next = 1; next <= kPackets;) {
    for (int i = 0; i < 32 && next <= kPackets; ++i, ++next)
      state.packets.push_back({next, udp_frame(static_cast<uint16_t>(next))});
    state.watermark_ns = next;
    bench.poll();
  }
  state.ended = true;
  bench.poll();
  reader.join();
}

}  // namespace
}  // namespace parallax
