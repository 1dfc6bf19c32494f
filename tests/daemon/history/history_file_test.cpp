// The history's database: findings of earlier runs come back as they were, it keeps to its bounds, and damage is seen wherever it
// is.
#include "daemon/history/history_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "daemon/history/history_salvage.h"
#include "daemon/message/to_proto.h"
#include "tests/support/child_process.h"

namespace parallax {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kNs = 1'000'000'000, kStartNs = 1'700'000'000 * kNs;

v1::RememberedFinding finding(uint64_t id, v1::Severity severity = v1::SEVERITY_WARNING, size_t summary_bytes = 40) {
  v1::RememberedFinding message;
  v1::Finding& its = *message.mutable_finding();
  its.set_id(id);
  its.set_kind(v1::FINDING_KIND_SEGMENT_LOSS);
  its.set_severity(severity);
  its.set_state(v1::FINDING_STATE_OPEN);
  its.set_count(id * 10);
  its.set_summary(std::string(summary_bytes, 'x'));
  its.add_connection_ids(id + 1000);
  return message;
}

class HistoryFileTest : public ::testing::Test {
 protected:
  std::string path() const { return directory_ / "history.db"; }
  std::unique_ptr<HistoryFile> open(int64_t run = 1, HistoryBounds bounds = {}) const {
    ::close(::open(path().c_str(), O_RDWR | O_CREAT, 0640));
    return std::make_unique<HistoryFile>(path(), bounds, HistoryRun{kStartNs + run * 1000 * kNs, "1.2"});
  }
  static void put(HistoryFile& file, uint64_t first, uint64_t last, v1::Severity severity = v1::SEVERITY_WARNING,
                  int64_t now_ns = kStartNs, size_t summary_bytes = 40) {
    for (uint64_t id = first; id <= last;) {
      Transaction change = file.begin();
      for (int i = 0; i < 200 && id <= last; ++i, ++id) file.put(finding(id, severity, summary_bytes), now_ns);
      change.commit();
      file.keep_bounds(now_ns);
    }
  }
  static std::vector<uint64_t> ids(HistoryFile& file) {
    std::vector<uint64_t> found;
    for (const RecalledFinding& one : file.recall(0, 1'000'000, false)) found.push_back(one.id);
    return found;
  }
  static void check(HistoryFile& file) {
    while (file.check_some(100)) {
    }
  }
  static uint64_t salvage(const std::string& aside, HistoryFile& into, uint64_t below_id = 1'000'000) {
    HistorySalvage salvage(aside, into, below_id);
    while (salvage.step(into, 100, kStartNs)) {
    }
    return salvage.taken();
  }
  DatabaseError::Cause cause_of_opening() const {
    try {
      open(9);
    } catch (const DatabaseError& error) {
      return error.cause();
    }
    return DatabaseError::Cause::other;
  }

  test::TemporaryDirectory directory_;
};

TEST_F(HistoryFileTest, FindingsOfAnEarlierRunComeBackWithTheirIdsAndSayWhatEndedIt) {
  {
    const auto file = open(1);
    put(*file, 7, 8);
    v1::RememberedFinding closed = finding(9);
    closed.mutable_finding()->set_state(v1::FINDING_STATE_CLOSED);
    file->put(closed, kStartNs);
    file->note_alive(kStartNs + 60 * kNs, true);
    for (const RecalledFinding& own : file->recall(0, 10, false)) EXPECT_FALSE(own.remembered.finding().has_earlier_run());
    EXPECT_TRUE(file->recall(0, 10, true).empty());
  }
  const auto file = open(2);
  EXPECT_EQ(file->highest_id(), 9u);
  EXPECT_EQ(file->earlier_findings(), 3u);
  const std::vector<RecalledFinding> found = file->recall(6, 10, true);
  ASSERT_EQ(found.size(), 3u);
  const v1::Finding& open_one = found[0].remembered.finding();
  EXPECT_EQ(open_one.id(), 7u);
  EXPECT_EQ(open_one.count(), 70u);
  EXPECT_EQ(open_one.connection_ids(0), 1007u);
  EXPECT_EQ(open_one.state(), v1::FINDING_STATE_CLOSED) << "nothing can join it any more";
  EXPECT_EQ(from_timestamp(open_one.earlier_run().started()), kStartNs + 1000 * kNs);
  EXPECT_EQ(from_timestamp(open_one.earlier_run().ended()), kStartNs + 60 * kNs);
  EXPECT_FALSE(open_one.earlier_run().was_killed());
  EXPECT_EQ(open_one.earlier_run().note(),
            "Of an earlier run of the sensor, which was stopped at 2023-11-14T22:14:20Z while this was open: what happened from "
            "then until the next start was not seen, so that nothing tells whether it went on.");
  EXPECT_EQ(found[2].remembered.finding().earlier_run().note(), "Of an earlier run of the sensor.");
}

TEST_F(HistoryFileTest, ARunThatWasKilledIsToldAsSuch) {
  {
    const auto file = open(1);
    put(*file, 1, 1);
    file->note_alive(kStartNs + 30 * kNs, false);
  }
  const auto file = open(2);
  const v1::EarlierRun run = file->recall(0, 1, true).at(0).remembered.finding().earlier_run();
  EXPECT_TRUE(run.was_killed());
  EXPECT_NE(run.note().find("was cut off after 2023-11-14T22:13:50Z"), std::string::npos) << run.note();
}

TEST_F(HistoryFileTest, AFindingIsKeptInItsLatestStateAndAWithdrawnOneIsGone) {
  const auto file = open();
  put(*file, 1, 3);
  v1::RememberedFinding more = finding(2);
  more.mutable_finding()->set_count(99);
  file->put(more, kStartNs);
  file->erase(3);
  file->erase(77);
  EXPECT_EQ(ids(*file), (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(file->findings(), 2u);
  EXPECT_EQ(file->recall(1, 1, false).at(0).remembered.finding().count(), 99u);
}

TEST_F(HistoryFileTest, TheSameRunThatOpensItAgainIsNoEarlierOne) {
  { put(*open(1), 1, 2); }
  EXPECT_EQ(open(1)->earlier_findings(), 0u);
  EXPECT_EQ(open(2)->earlier_findings(), 2u);
}

TEST_F(HistoryFileTest, WhatIsRolledBackWasNeverThere) {
  const auto file = open();
  put(*file, 1, 1);
  {
    Transaction change = file->begin();
    file->put(finding(2), kStartNs);
  }
  EXPECT_EQ(ids(*file), std::vector<uint64_t>{1});
}

TEST_F(HistoryFileTest, OfTooManyTheLeastSevereGoFirstAndOfThoseTheOldest) {
  const auto file = open(1, {.findings = 100});
  put(*file, 1, 50, v1::SEVERITY_CRITICAL);
  put(*file, 51, 100, v1::SEVERITY_INFO);
  put(*file, 101, 130, v1::SEVERITY_INFO);
  EXPECT_EQ(file->findings(), 100u);
  const std::vector<uint64_t> left = ids(*file);
  EXPECT_EQ(left[49], 50u) << "none of the critical ones has gone";
  EXPECT_EQ(left[50], 81u);
  EXPECT_EQ(file->take_removals(), (HistoryRemovals{30, 0, 0}));
  EXPECT_EQ(file->take_removals(), HistoryRemovals{});
}

TEST_F(HistoryFileTest, WhatHasNotChangedForTooLongGoesWhateverItsSeverity) {
  const auto file = open(1, {.max_age_ns = 3600 * kNs});
  put(*file, 1, 5, v1::SEVERITY_CRITICAL, kStartNs);
  put(*file, 6, 7, v1::SEVERITY_INFO, kStartNs + 3601 * kNs);
  EXPECT_EQ(ids(*file), (std::vector<uint64_t>{6, 7}));
  EXPECT_EQ(file->take_removals(), (HistoryRemovals{0, 5, 0}));
}

TEST_F(HistoryFileTest, TheFileNeverGrowsBeyondItsSizeWhateverIsWritten) {
  constexpr uint64_t kBytes = 16 << 20;
  const auto file = open(1, {.findings = 1'000'000, .bytes = kBytes});
  for (uint64_t id = 1; id < 4000; id += 200) {
    put(*file, id, id + 199, v1::SEVERITY_WARNING, kStartNs, 20'000);  // as large as they come
    ASSERT_LE(fs::file_size(path()), kBytes);
    ASSERT_LE(fs::file_size(path() + "-wal"), kBytes);
  }
  EXPECT_GT(file->take_removals()[static_cast<size_t>(HistoryBound::size)], 3000u);
  EXPECT_EQ(ids(*file).back(), 4000u);
}

TEST_F(HistoryFileTest, WhatWasLearnedOfADeviceComesBack) {
  v1::Device device;
  device.add_between("outside");
  device.add_between("inside");
  device.mutable_learned_before()->set_kind(v1::DEVICE_KIND_NAT);
  device.mutable_learned_before()->set_connections(5);
  {
    const auto file = open(1);
    file->put_device(device);
    device.mutable_learned_before()->set_connections(6);
    file->put_device(device);
  }
  const std::vector<v1::Device> found = open(2)->devices();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].SerializeAsString(), device.SerializeAsString());
}

TEST_F(HistoryFileTest, AnotherFormatAndAnotherProgramsDatabaseAreRefused) {
  {
    const auto file = open(1);
    put(*file, 1, 1);
  }
  Database(path(), Database::Use::write).execute("PRAGMA user_version = 2");
  EXPECT_EQ(cause_of_opening(), DatabaseError::Cause::damaged);
  fs::remove(path());
  ::close(::open(path().c_str(), O_RDWR | O_CREAT, 0640));
  Database(path(), Database::Use::write).execute("CREATE TABLE theirs (a)");
  EXPECT_EQ(cause_of_opening(), DatabaseError::Cause::damaged);
}

TEST_F(HistoryFileTest, NeitherATextNorHalfAFileIsTakenForAHistory) {
  std::ofstream(path()) << "this is no database, and long enough to be seen as such " << std::string(200, '.');
  EXPECT_EQ(cause_of_opening(), DatabaseError::Cause::damaged);
  fs::remove(path());
  { put(*open(1), 1, 2000); }
  fs::resize_file(path(), fs::file_size(path()) / 2);
  bool is_seen = false;
  try {
    const auto file = open(2);
    check(*file);
  } catch (const DatabaseError& error) {
    is_seen = error.cause() == DatabaseError::Cause::damaged;
  }
  EXPECT_TRUE(is_seen);
}

TEST_F(HistoryFileTest, WhatIsSalvagedIsOfTheRunsThatHaveToldIt) {
  const std::string aside = directory_ / "aside.db";
  {
    const auto file = open(1);
    put(*file, 1, 2);
    v1::Device device;
    device.add_between("outside");
    device.mutable_learned_before()->set_connections(5);
    file->put_device(device);
    file->note_alive(kStartNs + 60 * kNs, true);
  }
  { put(*open(2), 3, 4); }
  Database(path(), Database::Use::write).execute("UPDATE finding SET message = x'00' WHERE id = 1");
  fs::rename(path(), aside);
  const auto file = open(2);
  EXPECT_EQ(salvage(aside, *file), 3u);
  EXPECT_EQ(ids(*file), (std::vector<uint64_t>{2, 3, 4}));
  const std::vector<RecalledFinding> earlier = file->recall(0, 10, true);
  ASSERT_EQ(earlier.size(), 1u) << "those of the second run are this one's";
  EXPECT_EQ(from_timestamp(earlier[0].remembered.finding().earlier_run().started()), kStartNs + 1000 * kNs);
  EXPECT_FALSE(earlier[0].remembered.finding().earlier_run().was_killed());
  ASSERT_EQ(file->devices().size(), 1u);
}

TEST_F(HistoryFileTest, WhatIsSalvagedTakesNoPlaceOfWhatIsNewerAndNoIdThatMayBeGivenAgain) {
  const std::string aside = directory_ / "aside.db";
  { put(*open(1), 1, 10); }
  fs::rename(path(), aside);
  const auto file = open(2);
  v1::RememberedFinding newer = finding(5);
  newer.mutable_finding()->set_count(99);
  file->put(newer, kStartNs);
  EXPECT_EQ(salvage(aside, *file, 8), 6u);
  EXPECT_EQ(ids(*file), (std::vector<uint64_t>{1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(file->recall(4, 1, false).at(0).remembered.finding().count(), 99u);
}

// Whatever 64 bytes are overwritten, and wherever: each finding that is told is one that was written, to the byte, or the damage
// is seen; and what is salvaged then is most of it.
TEST_F(HistoryFileTest, RandomBytesAnywhereTellNoFindingThatWasNotWritten) {
  constexpr uint64_t kFindings = 1500;
  constexpr int kRounds = 60;
  { put(*open(1), 1, kFindings); }
  const std::string whole = directory_ / "whole.db";
  fs::copy_file(path(), whole);
  const uint64_t bytes = fs::file_size(whole);
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  size_t seen = 0, silent = 0;
  uint64_t salvaged = 0, damages = 0;
  for (int round = 0; round < kRounds; ++round) {
    for (const char* beside : {"", "-wal", "-shm"}) fs::remove(path() + beside);
    fs::copy_file(whole, path());
    const uint64_t offset = random() % (bytes - 64);
    std::string garbage(64, '\0');
    for (char& byte : garbage) byte = static_cast<char>(random());
    std::fstream(path(), std::ios::in | std::ios::out | std::ios::binary).seekp(static_cast<std::streamoff>(offset)) << garbage;
    try {
      const auto file = open(2);
      check(*file);
      put(*file, 5000, 5001);
      for (const RecalledFinding& one : file->recall(0, 10'000, true)) {
        v1::RememberedFinding written = finding(one.id), told = one.remembered;
        told.mutable_finding()->clear_earlier_run();
        written.mutable_finding()->set_state(v1::FINDING_STATE_CLOSED);
        ASSERT_EQ(told.SerializeAsString(), written.SerializeAsString()) << "at " << offset;
      }
      ++silent;
    } catch (const DatabaseError& error) {
      ASSERT_EQ(error.cause(), DatabaseError::Cause::damaged) << error.what() << " at " << offset;
      ++seen;
      const std::string aside = directory_ / "aside.db";
      for (const char* beside : {"", "-wal", "-shm"}) fs::remove(aside + beside);
      fs::rename(path(), aside);
      for (const char* beside : {"-wal", "-shm"}) {
        if (fs::exists(path() + beside)) fs::rename(path() + beside, aside + beside);
      }
      const auto fresh = open(2);
      const uint64_t taken = salvage(aside, *fresh);
      salvaged += taken;
      ++damages;
      EXPECT_LE(taken, kFindings + 2);
      for (const RecalledFinding& one : fresh->recall(0, 10'000, true)) EXPECT_EQ(one.remembered.finding().id(), one.id);
    }
  }
  std::printf("%zu damages seen, %zu harmless; %.1f %% of the findings salvaged\n", seen, silent,
              damages == 0 ? 0.0 : 100.0 * static_cast<double>(salvaged) / static_cast<double>(damages * kFindings));
  EXPECT_GT(seen, kRounds / 3u);
  EXPECT_GT(salvaged, damages * kFindings * 6 / 10);
}

}  // namespace
}  // namespace parallax
