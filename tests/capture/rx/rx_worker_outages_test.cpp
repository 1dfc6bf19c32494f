// What an rx worker makes of outages and of the uncertainty of stamps.
#include "tests/support/rx_bench.h"

namespace parallax {
namespace {

using namespace test;

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
  EXPECT_EQ(channel.first_packet_ns, 1'000);
  EXPECT_EQ(channel.last_packet_ns, 1'000'002'000);
  packet_at(2'000'003'000, 9);
  EXPECT_EQ(channel.stamp_uncertainty_ns, 9u);
}

}  // namespace
}  // namespace parallax
