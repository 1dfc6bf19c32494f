// What the log hears of the spool, and how often.
#include "daemon/run/spool_log.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/support/spool_fixture.h"

namespace parallax {
namespace {

namespace fs = std::filesystem;

class SpoolLogTest : public ::testing::Test {
 protected:
  SpoolLogTest() {
    fs::create_directory(path_);
    spool_ = std::move(*Spool::open(small_spool(path_), two_spool_ports()));
    log_.emplace(*spool_, [this](LogLevel level, std::string_view text) {
      lines_ += (level == LogLevel::warning ? "warning: " : "") + std::string(text) + '\n';
    });
  }
  void append(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      const std::vector<uint8_t> frame = numbered_frame(i);
      spool_->lane(0).append(0, raw_packet(frame, kSpoolTestStartNs + static_cast<int64_t>(i) * 1000));
      if (i % 1000 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  bool becomes(const std::function<bool()>& condition) {
    for (int i = 0; i < 500 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return condition();
  }
  std::string lines() { return std::exchange(lines_, {}); }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/spool";
  std::unique_ptr<Spool> spool_;
  std::optional<SpoolLog> log_;
  std::string lines_;
};

TEST_F(SpoolLogTest, IsSilentWhereAllIsWell) {
  spool_->start();
  append(100);
  spool_->stop();
  log_->tell_faults();
  log_->tell_losses();
  EXPECT_EQ(lines(), "");
}

TEST_F(SpoolLogTest, AFaultIsToldOnceWithWhatItHasCost) {
  spool_->start();
  append(100);
  ASSERT_TRUE(becomes([&] { return spool_->status().packets_written == 100; }));
  fs::remove_all(directory_.path());
  ASSERT_TRUE(becomes([&] { return !spool_->status().error.empty(); }));
  log_->tell_faults();
  EXPECT_EQ(lines(),
            "warning: spool " + path_ +
                ": 1 file with 100 packets from 2023-11-14T22:13:20Z to 2023-11-14T22:13:20.000099Z was removed by others than "
                "parallaxd\nwarning: " +
                spool_->status().error + '\n');
  log_->tell_faults();
  EXPECT_EQ(lines(), "") << "once";

  append(50);
  ASSERT_TRUE(becomes([&] { return spool_->status().dropped_packets == 50; }));
  log_->tell_losses();
  EXPECT_EQ(lines(), "warning: spool " + path_ + ": dropped 50 packets\n");
  fs::create_directory(directory_.path());
  ASSERT_TRUE(becomes([&] {  // the directory is there a moment before the spool says so
    log_->tell_faults();
    return !lines_.empty();
  }));
  EXPECT_EQ(lines(), "spool opened: made directory " + path_ + ", which did not exist\n");
  for (int i = 0; i < 30 && !spool_->status().error.empty(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(500));
  log_->tell_faults();
  EXPECT_EQ(lines(), "spool " + path_ + ": in order again; 50 packets were dropped meanwhile\n");
}

TEST_F(SpoolLogTest, WhatALimitHasRemovedIsToldNowAndThenWithItsTime) {
  spool_->start();
  for (uint64_t written = 5'000; written <= 60'000; written += 5'000) {  // 9 MB into 4 MiB, as fast as the disk takes them
    append(5'000);
    ASSERT_TRUE(becomes([&] { return spool_->status().packets_written == written; }));
  }
  spool_->stop();
  log_->tell_faults();
  EXPECT_EQ(lines(), "");
  const SpoolRemoval removed = spool_->status().removals[static_cast<size_t>(SpoolRemovalReason::size)];
  log_->tell_losses();
  const std::string said = lines();
  EXPECT_TRUE(said.starts_with("spool " + path_ + ": " + std::to_string(removed.files) + " files with " +
                               std::to_string(removed.packets) + " packets from 2023-11-14T22:13:20Z to 2023-11-14T22:13:20."))
      << said;
  EXPECT_NE(said.find("were removed to keep to spool.size\n"), std::string::npos) << said;
  log_->tell_losses();
  EXPECT_EQ(lines(), "");
}

TEST_F(SpoolLogTest, PacketsForWhichThereIsNoBlockAreTold) {
  append(20'000);  // nobody takes them
  const uint64_t dropped = spool_->status().dropped_packets;
  ASSERT_GT(dropped, 0u);
  log_->tell_losses();
  EXPECT_EQ(lines(),
            "warning: spool " + path_ + ": dropped " + std::to_string(dropped) + " packets: the disk does not keep up\n");
}

}  // namespace
}  // namespace parallax
