// What goes in comes out, in order, wherever its begin stands when it grows.
#include "capture/core/fifo.h"

#include <gtest/gtest.h>

#include <deque>

#include "tests/support/random.h"

namespace parallax {
namespace {

TEST(Fifo, KeepsTheOrderHoweverItGrows) {
  for (const size_t at_start : {1u, 3u, 64u, 1024u, 4096u}) {
    test::Random random(at_start);
    Fifo<uint64_t> fifo(at_start, Fifo<uint64_t>::kUnbounded);
    std::deque<uint64_t> model;
    for (uint64_t next = 0; next < 200'000;) {
      for (uint64_t n = random.below(3'000); n > 0; --n) {
        ASSERT_TRUE(fifo.push(next));
        model.push_back(next++);
      }
      for (uint64_t n = random.below(2'900); n > 0 && !model.empty(); --n) {
        ASSERT_EQ(fifo.front(), model.front());
        fifo.pop();
        model.pop_front();
      }
      ASSERT_EQ(fifo.size(), model.size());
    }
    for (; !model.empty(); model.pop_front(), fifo.pop()) ASSERT_EQ(fifo.front(), model.front());
    EXPECT_TRUE(fifo.empty());
  }
}

TEST(Fifo, IsFullAtItsBound) {
  Fifo<int> fifo(4, 5'000);  // rounded up
  for (int i = 0; i < 8192; ++i) ASSERT_TRUE(fifo.push(i));
  EXPECT_FALSE(fifo.push(0));
  EXPECT_EQ(fifo.room(), 0u);
  fifo.pop();
  EXPECT_TRUE(fifo.push(8192));
  for (int i = 1; i <= 8192; ++i, fifo.pop()) ASSERT_EQ(fifo.front(), i);
}

}  // namespace
}  // namespace parallax
