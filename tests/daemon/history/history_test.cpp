// The history beside a running engine: what it does where its directory is locked, read-only, full, damaged or gone, and
// afterwards.
#include "daemon/history/history.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "daemon/run/message_names.h"
#include "tests/support/child_process.h"
#include "tests/support/small_sensor.h"

namespace parallax {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr int64_t kNs = 1'000'000'000;

class HistoryTest : public ::testing::Test {
 protected:
  struct Opened {
    std::mutex mutex;  // guards what it has told, from a thread of its own
    std::vector<std::string> told;
    std::unique_ptr<History> history;
    bool has_told(const std::string& part) {
      const std::lock_guard guard(mutex);
      return std::any_of(told.begin(), told.end(), [&](const auto& text) { return text.find(part) != std::string::npos; });
    }
  };
  std::string directory() const { return directory_ / "history"; }
  std::unique_ptr<Opened> open(int64_t run = 1, const std::string& where = "") const {
    auto opened = std::make_unique<Opened>();
    const auto tell = [to = opened.get()](News, std::string_view text) {
      const std::lock_guard guard(to->mutex);
      to->told.emplace_back(text);
    };
    opened->history = std::make_unique<History>(HistoryOptions{where.empty() ? directory() : where, {}, {run * kNs, "1"}}, tell);
    return opened;
  }
  void start(Opened& opened) const { opened.history->start(*sensor_.state.engine, names_of(sensor_.state)); }
  static bool wait_until(const auto& is_so) {
    for (int i = 0; i < 300 && !is_so(); ++i) usleep(50'000);
    return is_so();
  }

  test::TemporaryDirectory directory_;
  const test::SmallSensor sensor_{3, 2};
};

TEST_F(HistoryTest, WhatTheEngineTellsIsThereAfterARestartAndIdsGoOn) {
  std::vector<FindingRecord> told = sensor_.state.engine->findings(0, 100);
  ASSERT_FALSE(told.empty());
  {
    const auto first = open(1);
    EXPECT_EQ(first->history->first_ids().finding, 1u);
    start(*first);
    first->history->stop();
    EXPECT_EQ(first->history->state().written, told.size());
    EXPECT_EQ(first->history->state().error, "");
  }
  const auto second = open(2);
  EXPECT_EQ(second->history->state().earlier_findings, told.size());
  const std::vector<RecalledFinding> found = second->history->recall(0, 100, History::Runs::all);
  ASSERT_EQ(found.size(), told.size());
  EXPECT_EQ(found[0].id, told[0].id);
  EXPECT_EQ(found[0].remembered.finding().summary(), told[0].summary);
  EXPECT_EQ(found[0].remembered.legs_size(), static_cast<int>(told[0].legs.size()));
  EXPECT_EQ(second->history->first_ids().finding, sensor_.state.engine->next_ids().finding);
  EXPECT_EQ(second->history->first_ids().connection, sensor_.state.engine->next_ids().connection);
  ASSERT_EQ(second->history->learned_before().size(), 1u);
  EXPECT_EQ(second->history->learned_before()[0].learned_before().connections(), 2u);
  EXPECT_TRUE(second->told.empty());
}

TEST_F(HistoryTest, FilesAreOfModeSixForty) {
  const auto opened = open();
  start(*opened);
  ASSERT_TRUE(wait_until([&] { return opened->history->state().written > 0; }));
  for (const char* name : {"history.db", "history.db-wal", "history.db-shm", "ids", "lock"}) {
    struct stat status {};
    ASSERT_EQ(::stat((directory() + "/" + name).c_str(), &status), 0) << name;
    EXPECT_EQ(status.st_mode & 0777, 0640u) << name;
  }
}

TEST_F(HistoryTest, WithoutAStopIdsAreLeftOutAndNoneComesAgain) {
  {
    const auto first = open(1);
    start(*first);
    ASSERT_TRUE(wait_until([&] { return first->history->state().written > 0; }));
    fs::create_directories(directory_ / "killed");
    for (const auto& file : fs::directory_iterator(directory())) fs::copy(file.path(), directory_ / "killed");
  }
  const auto second = open(2, directory_ / "killed");
  EXPECT_GE(second->history->first_ids().finding, sensor_.state.engine->next_ids().finding + IdMarks::kFindingsAhead / 2);
  EXPECT_GE(second->history->first_ids().connection,
            sensor_.state.engine->next_ids().connection + IdMarks::kConnectionsAhead / 2);
  EXPECT_EQ(second->history->state().earlier_findings, sensor_.state.engine->findings(0, 100).size());
}

TEST_F(HistoryTest, ADamagedDatabaseIsSetAsideAndIdsGoOnAllTheSame) {
  {
    const auto first = open(1);
    start(*first);
  }
  std::ofstream(directory() + "/history.db", std::ios::trunc) << std::string(5000, 'x');
  const auto second = open(2);
  EXPECT_TRUE(second->has_told("/history.db is set aside as ")) << second->told.size();
  EXPECT_EQ(second->history->state().error, "");
  EXPECT_EQ(second->history->state().set_aside, 1u);
  EXPECT_EQ(second->history->first_ids().finding, sensor_.state.engine->next_ids().finding);
  start(*second);
  EXPECT_TRUE(wait_until([&] { return second->history->state().written > 0; }));
}

TEST_F(HistoryTest, OfThoseSetAsideTheNewestTwoAreKept) {
  fs::create_directories(directory());
  for (int i = 1; i <= 3; ++i) {
    std::ofstream(directory() + "/history.db.set-aside-2020010" + std::to_string(i) + "T000000Z") << "old";
    std::ofstream(directory() + "/history.db.set-aside-2020010" + std::to_string(i) + "T000000Z-wal") << "old";
  }
  std::ofstream(directory() + "/history.db") << std::string(5000, 'x');
  const auto opened = open();
  EXPECT_FALSE(fs::exists(directory() + "/history.db.set-aside-20200102T000000Z"));
  EXPECT_FALSE(fs::exists(directory() + "/history.db.set-aside-20200102T000000Z-wal"));
  EXPECT_TRUE(fs::exists(directory() + "/history.db.set-aside-20200103T000000Z"));
}

TEST_F(HistoryTest, DamageThatIsMetWhileItRunsIsSetAsideAndWhatTheEngineKnowsIsWrittenAgain) {
  const auto opened = open();
  start(*opened);
  ASSERT_TRUE(wait_until([&] { return opened->history->state().written > 0; }));
  const uint64_t written = opened->history->state().written;
  Database(directory() + "/history.db", Database::Use::write).execute("UPDATE finding SET message = x'00' WHERE id = 1");
  EXPECT_TRUE(opened->history->recall(0, 100, History::Runs::all).empty());
  ASSERT_TRUE(wait_until([&] { return opened->history->state().set_aside == 1; }));
  ASSERT_TRUE(wait_until([&] { return opened->history->state().written >= 2 * written; }));
  EXPECT_EQ(opened->history->recall(0, 100, History::Runs::all).size(), sensor_.state.engine->findings(0, 100).size());
}

TEST_F(HistoryTest, AnotherDaemonsDirectoryIsLeftAloneAndItsIdsNotGivenAgain) {
  const auto first = open(1);
  start(*first);
  ASSERT_TRUE(wait_until([&] { return first->history->state().written > 0; }));
  const auto second = open(2);
  EXPECT_TRUE(second->has_told("another parallaxd has this directory"));
  EXPECT_NE(second->history->state().error, "");
  EXPECT_GT(second->history->first_ids().finding, IdMarks::kFindingsAhead / 2);
  start(*second);
  EXPECT_TRUE(second->history->recall(0, 100, History::Runs::all).empty());
}

TEST_F(HistoryTest, ADirectoryThatIsRemovedIsMadeAnew) {
  const auto opened = open();
  start(*opened);
  ASSERT_TRUE(wait_until([&] { return opened->history->state().written > 0; }));
  const uint64_t written = opened->history->state().written;
  fs::remove_all(directory());
  ASSERT_TRUE(wait_until([&] { return opened->history->state().written >= 2 * written; }));
  ASSERT_TRUE(wait_until([&] { return opened->history->state().error.empty(); }));
  EXPECT_TRUE(opened->has_told("is gone, or another is in its place"));
  EXPECT_TRUE(fs::exists(directory() + "/history.db"));
  EXPECT_TRUE(fs::exists(directory() + "/ids"));
}

TEST_F(HistoryTest, AReadOnlyAndAFullDiskAreToldAndOverOnceTheyAreOver) {
  const std::string disk = directory_ / "disk";
  fs::create_directories(disk);
  if (geteuid() != 0 || mount("none", disk.c_str(), "tmpfs", 0, "size=1m") != 0) GTEST_SKIP() << "no tmpfs may be mounted here";
  struct Unmount {
    const std::string& disk;
    ~Unmount() { umount2(disk.c_str(), MNT_DETACH); }
  } unmount{disk};
  std::ofstream(disk + "/others") << std::string(1 << 20, 'x');  // as much as there is
  {
    const auto opened = open(1, disk);
    EXPECT_NE(opened->history->state().error, "");
    start(*opened);
    EXPECT_EQ(opened->history->state().written, 0u);
    fs::remove(disk + "/others");
    EXPECT_TRUE(wait_until([&] { return opened->history->state().error.empty(); }));
    EXPECT_EQ(opened->history->state().written, sensor_.state.engine->findings(0, 100).size());
    EXPECT_TRUE(opened->has_told("is written again"));
  }
  ASSERT_EQ(mount("none", disk.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=1m"), 0);
  const auto opened = open(2, disk);
  EXPECT_TRUE(opened->has_told("Read-only file system"));
  EXPECT_EQ(opened->history->first_ids().finding, sensor_.state.engine->next_ids().finding) << "no id comes again";
}

}  // namespace
}  // namespace parallax
