// The Fast path and the slow path of a packet do the same to the leg, to its flow and to its times.
#include "analysis/tcp/fast_path.h"

#include <gtest/gtest.h>

#include <cstring>

#include "analysis/tcp/tcp_leg.h"
#include "tests/support/random.h"

namespace parallax {
namespace {

struct State {
  LegHot hot{};
  LegCold cold{};
  TcpFlow flow{};
};

template <typename T>
bool same_bytes(const T& a, const T& b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

// All that a flow knows; where its trouble is kept does not matter.
bool same_flow(const TcpFlow& a, const TcpFlow& b) {
  return same_bytes(a.half, b.half) && same_bytes(a.times, b.times) && a.base_seq == b.base_seq &&
         a.uncertain_before == b.uncertain_before && a.fin_us == b.fin_us && a.has_fin == b.has_fin &&
         same_bytes(a.trouble_so_far().hole, b.trouble_so_far().hole) &&
         same_bytes(a.trouble_so_far().again, b.trouble_so_far().again) &&
         same_bytes(a.trouble_so_far().standstill, b.trouble_so_far().standstill);
}

// A conversation in which most is in order, and anything may happen.
class Conversation {
 public:
  explicit Conversation(uint64_t seed)
      : random_(seed), next_{static_cast<uint32_t>(random_.next()), static_cast<uint32_t>(random_.next())} {}

  Side from() const { return from_; }
  Sighting next() {
    Sighting s{};
    const uint32_t step = step_++;
    from_ = step < 3 ? (step == 1 ? Side::server : Side::client) : random_.chance(0.5) ? Side::client : Side::server;
    const Side peer = opposite(from_);
    now_ns_ += static_cast<int64_t>(random_.chance(0.01) ? random_.below(400'000'000) : random_.below(3'000'000));
    s.time_ns = s.order_ns = now_ns_;
    s.protocol = ip_protocol::tcp;
    s.ttl = 64;
    s.seq = next_[from_];
    s.tcp_flags = step == 0 ? tcp_flag::syn : step == 1 ? tcp_flag::syn | tcp_flag::ack : tcp_flag::ack;
    s.ack = step == 0 ? 0 : next_[peer];
    s.window = 500;
    s.tsval = static_cast<uint32_t>(now_ns_ / 1'000'000);
    s.tsecr = tsval_[peer];
    s.flags = bit(SightingFlag::has_timestamps);
    s.options = step < 2 ? tcp_option::window_scale | tcp_option::timestamps : tcp_option::timestamps;
    s.window_scale = 3;
    if (step >= 3) disturb(s);
    const uint32_t end = s.seq + s.payload_length + ((s.tcp_flags & tcp_flag::syn) ? 1 : 0);
    if (static_cast<int32_t>(end - next_[from_]) > 0) next_[from_] = end;
    tsval_[from_] = s.tsval;
    return s;
  }

 private:
  void disturb(Sighting& s) {
    const uint32_t sizes[] = {0, 0, 1, 100, 100, 1460, 4000};
    s.payload_length = sizes[random_.below(std::size(sizes))];
    if (random_.chance(0.06)) s.seq -= static_cast<uint32_t>(random_.below(2) == 0 ? 1 : random_.below(3000));
    if (random_.chance(0.03)) s.seq += static_cast<uint32_t>(random_.below(3000));
    if (random_.chance(0.2)) s.ack -= static_cast<uint32_t>(random_.below(2000));
    if (random_.chance(0.02)) s.ack += static_cast<uint32_t>(random_.below(2000));
    if (random_.chance(0.05)) s.window = static_cast<uint16_t>(random_.below(2) == 0 ? 0 : 12);
    if (random_.chance(0.02)) s.options |= tcp_option::sack, s.sack = {s.ack - 10, s.ack, 0, 0, 0, 0};
    if (random_.chance(0.002)) s.tcp_flags |= tcp_flag::fin;
    if (random_.chance(0.001)) s.tcp_flags = tcp_flag::rst;
    if (random_.chance(0.001)) s.tcp_flags = tcp_flag::rst, s.ack = 0;
    if (random_.chance(0.01)) s.ack = static_cast<uint32_t>(random_.next());
    if (random_.chance(0.01)) s.ack ^= 0x80000000;  // as far away as can be
    if (random_.chance(0.002)) s.tcp_flags |= tcp_flag::syn;
    if (random_.chance(0.1)) s.tcp_flags |= tcp_flag::psh;
    // A segment that fills the window to the byte.
    if (random_.chance(0.05) && s.seq == next_[from_]) s.payload_length = 4000 - (s.seq - next_[from_]);
  }

  test::Random random_;
  PerSide<uint32_t> next_, tsval_{};
  int64_t now_ns_ = 1'700'000'000'000'000'000;
  uint32_t step_ = 0;
  Side from_ = Side::client;
};

void take_long(State& state, const Sighting& s, Side from) {
  uint8_t notes = 0;
  const TcpFlow::Half& own = state.flow.half[from];
  if (own.holes > 0 && fills_hole(state.flow, from, {s.seq, s.seq + s.payload_length})) notes |= times_note::fills_hole;
  const LegStep step = tcp_step(state.hot, state.cold, state.flow, s, from);
  if (step.what & leg_step::established) notes |= times_note::established;
  take_times(state.flow.times, state.hot, state.cold, s, from, step.labels, notes);
}

bool take_short(State& state, const Sighting& s, Side from) {
  const auto take = [&]<Side side>() {
    if (!take_on_fast_path<side>(state.hot, state.flow, s)) return false;
    take_times_on_fast_path<side>(
        state.flow.times, state.hot, [&]() -> const LegCold& { return state.cold; }, s);
    return true;
  };
  return from == Side::client ? take.operator()<Side::client>() : take.operator()<Side::server>();
}

TEST(PlainPacket, DoesWhatTheLongWayDoes) {
  uint64_t plain = 0, packets = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Conversation conversation(seed);
    State longer, shorter;
    longer.hot.flags = leg_flag::is_tcp;
    longer.hot.pair = {kNone, kNone};
    longer.cold.window_scale = {-1, -1};
    shorter = longer;
    for (int i = 0; i < 400; ++i, ++packets) {
      const Sighting s = conversation.next();
      const Side from = conversation.from();
      take_long(longer, s, from);
      if (take_short(shorter, s, from))
        ++plain;
      else
        take_long(shorter, s, from);
      ASSERT_TRUE(same_bytes(longer.hot, shorter.hot)) << "seed " << seed << " packet " << i;
      ASSERT_TRUE(same_bytes(longer.cold, shorter.cold)) << "seed " << seed << " packet " << i;
      ASSERT_TRUE(same_flow(longer.flow, shorter.flow)) << "seed " << seed << " packet " << i;
    }
  }
  EXPECT_GT(plain, packets / 10);  // the comparison is of something
}

TEST(PlainPacket, StandsStillNoMoreWhereTheFlowThatKnewWasTaken) {
  State state;
  state.hot.flags = leg_flag::is_tcp | leg_flag::standing;
  const Sighting s = Conversation(1).next();
  EXPECT_FALSE(standstill::take(state.flow, state.hot, s, Side::client, 0, false, 0));
  EXPECT_FALSE(state.hot.flags & leg_flag::standing) << "it takes the fast path again";
  EXPECT_FALSE(state.flow.trouble);
}

TEST(PlainPacket, LabelsNothing) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Conversation conversation(seed);
    State state;
    state.hot.flags = leg_flag::is_tcp;
    state.cold.window_scale = {-1, -1};
    for (int i = 0; i < 400; ++i) {
      const Sighting s = conversation.next();
      const Side from = conversation.from();
      State before = state;
      const LegStep step = tcp_step(state.hot, state.cold, state.flow, s, from);
      if (!take_short(before, s, from)) continue;
      EXPECT_TRUE(step.labels == 0 && step.what == 0 && !step.needless) << "seed " << seed << " packet " << i;
    }
  }
}

}  // namespace
}  // namespace parallax
