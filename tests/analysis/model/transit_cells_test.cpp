// What a pair's transit times come to, against the sorted list of them.
#include "analysis/model/transit_cells.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/random.h"

namespace parallax {
namespace {

struct Both {
  TransitCells cells;
  std::vector<int64_t> all;

  void add(int64_t ns) {
    cells.add(ns, transit::bucket_of(static_cast<uint64_t>(ns)));
    all.push_back(ns);
  }
  // The largest relative error of the quantiles; the rest must be exact.
  double error() {
    std::sort(all.begin(), all.end());
    const Distribution found = cells.distribution();
    EXPECT_EQ(found.min_ns, all.front());
    EXPECT_EQ(found.max_ns, all.back());
    EXPECT_EQ(found.count, all.size());
    const auto off = [&](int64_t ns, double q) {
      const auto right = static_cast<double>(all[transit::rank_of(q, all.size()) - 1]);
      return std::abs(static_cast<double>(ns) - right) / right;
    };
    return std::max(off(found.median_ns, 0.5), off(found.p99_ns, 0.99));
  }
};

int64_t log_uniform(test::Random& random, double from_ns, double to_ns) {
  const double part = static_cast<double>(random.below(1'000'000)) / 1e6;
  return static_cast<int64_t>(from_ns * std::pow(to_ns / from_ns, part));
}

TEST(TransitCells, OfOneConnectionWithinFivePercent) {
  test::Random random(1);
  Both both;
  for (int i = 0; i < 20'000; ++i) both.add(log_uniform(random, 20'000, 50'000));
  EXPECT_LE(both.error(), 0.051);
}

// A retransmission timer, a device that restarts: far out, and few.
TEST(TransitCells, ThoseFarOutDoNotBlurTheOthers) {
  test::Random random(2);
  Both both;
  for (int i = 0; i < 20'000; ++i) {
    both.add(log_uniform(random, 20'000, 40'000));
    if (i % 5'000 == 7) both.add(200'000'000 * (1 + i / 5'000));
  }
  EXPECT_LE(both.error(), 0.051);
}

TEST(TransitCells, WhereTheySpreadCellsAreWider) {
  test::Random random(3);
  Both three_octaves, seven_octaves;
  for (int i = 0; i < 20'000; ++i) {
    three_octaves.add(log_uniform(random, 20'000, 160'000));
    seven_octaves.add(log_uniform(random, 20'000, 2'000'000));
  }
  EXPECT_LE(three_octaves.error(), 0.05);
  EXPECT_LE(seven_octaves.error(), 0.1);
}

TEST(TransitCells, FromNothingToTheLongest) {
  Both both;
  for (int64_t ns = 1; ns < int64_t{200'000'000'000}; ns += 1 + ns / 50) both.add(ns);
  EXPECT_LE(both.error(), 1.5);  // an octave and more a cell, and a last one without an end
}

// Of a connection of a million packets a cell is full: the others keep their share.
TEST(TransitCells, FullCellsKeepTheirShares) {
  Both both;
  for (int i = 0; i < 1'000'000; ++i) both.add(i % 1'000 < 985 ? 30'000 : 90'000);
  EXPECT_LE(both.error(), 0.051);
  EXPECT_NEAR(static_cast<double>(both.cells.distribution().p99_ns), 90'000, 4'600);
}

TEST(TransitCells, OneAlone) {
  Both both;
  both.add(0);
  const Distribution found = both.cells.distribution();
  EXPECT_EQ(found.min_ns, 0);
  EXPECT_EQ(found.p99_ns, 0);
  EXPECT_EQ(found.count, 1u);
}

}  // namespace
}  // namespace parallax
