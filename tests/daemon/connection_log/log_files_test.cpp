// Files of lines: begun anew, removed at bounds, mended after a kill, cut back where the disk ends a line.
#include "daemon/connection_log/log_files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <vector>

#include "tests/support/child_process.h"

namespace parallax {
namespace {

class LogFilesTest : public ::testing::Test {
 protected:
  std::vector<std::string> files() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      if (!entry.is_symlink()) found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  static std::string text_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static std::string lines(size_t count, char of) {
    std::string text;
    for (size_t i = 0; i < count; ++i) text += std::string(99, of) + '\n';
    return text;
  }
  void write_all(LogFiles& log, std::string text) {
    while (!text.empty()) {
      const Result<size_t> written = log.write(text);
      ASSERT_TRUE(written) << written.error();
      text.erase(0, *written);
    }
  }

  test::TemporaryDirectory directory_;
  const std::string path_ = directory_ / "log";
};

TEST_F(LogFilesTest, FilesAreEndedBySizeBetweenLinesAndAreOfTheGroup) {
  LogFiles log(path_, {.file_bytes = 1000, .bytes = 100'000, .files = 100});
  ASSERT_EQ(log.open(), "");
  write_all(log, lines(25, 'a'));
  const auto found = files();
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(text_of(found[0]), lines(10, 'a'));
  EXPECT_EQ(text_of(found[2]), lines(5, 'a'));
  EXPECT_EQ(std::filesystem::read_symlink(path_ + "/conn.log"), std::filesystem::path(found[2]).filename());
  struct stat status {};
  ::stat(found[0].c_str(), &status);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
  EXPECT_EQ(log.bytes(), 2500u);
}

TEST_F(LogFilesTest, ALineLongerThanAFileIsWrittenWhole) {
  LogFiles log(path_, {.file_bytes = 50, .bytes = 100'000, .files = 100});
  ASSERT_EQ(log.open(), "");
  write_all(log, lines(3, 'a'));
  EXPECT_EQ(files().size(), 3u);
}

TEST_F(LogFilesTest, TheOldestGoToKeepToSizeAndCount) {
  LogFiles log(path_, {.file_bytes = 1000, .bytes = 5000, .files = 4});
  ASSERT_EQ(log.open(), "");
  write_all(log, lines(60, 'a'));
  ASSERT_EQ(log.look_after(), "");
  EXPECT_EQ(log.take_removals(), (LogRemovals{0, 2, 0, 0}));
  EXPECT_EQ(files().size(), 4u);
  write_all(log, lines(15, 'b'));
  ASSERT_EQ(log.look_after(), "");
  EXPECT_LE(log.bytes(), 5000u);
  LogFiles small(path_ + "2", {.file_bytes = 1000, .bytes = 2500, .files = 100});
  ASSERT_EQ(small.open(), "");
  write_all(small, lines(35, 'c'));
  ASSERT_EQ(small.look_after(), "");
  EXPECT_EQ(small.take_removals(), (LogRemovals{2, 0, 0, 0}));
}

TEST_F(LogFilesTest, WhatIsOldIsEndedOrGoes) {
  LogFiles log(path_, {.file_age_ns = 1'000'000, .max_age_ns = 3'600'000'000'000});
  ASSERT_EQ(log.open(), "");
  write_all(log, lines(1, 'a'));
  usleep(2000);
  ASSERT_EQ(log.look_after(), "");
  write_all(log, lines(1, 'b'));
  EXPECT_EQ(files().size(), 2u);
  log.close();
  std::filesystem::last_write_time(files()[0], std::filesystem::file_time_type::clock::now() - std::chrono::hours(2));
  ASSERT_EQ(log.open(), "");
  ASSERT_EQ(log.look_after(), "");
  EXPECT_EQ(log.take_removals(), (LogRemovals{0, 0, 1, 0}));
  EXPECT_EQ(files().size(), 1u);
}

TEST_F(LogFilesTest, ACutLineOfAKilledDaemonIsCutOffAndANewFileBegun) {
  std::filesystem::create_directory(path_);
  const std::string before = path_ + "/conn-20260131T120000.123456Z.log";
  std::ofstream(before) << lines(50, 'a') << "{\"ts\":17";
  std::ofstream(path_ + "/notes.txt") << "not ours";
  LogFiles log(path_, {});
  ASSERT_EQ(log.open(), "");
  EXPECT_NE(log.take_repair().find("8 bytes"), std::string::npos);
  EXPECT_EQ(text_of(before), lines(50, 'a'));
  write_all(log, lines(1, 'b'));
  EXPECT_EQ(text_of(before), lines(50, 'a'));
  EXPECT_EQ(log.files(), 2u);
  EXPECT_TRUE(std::filesystem::exists(path_ + "/notes.txt"));
}

TEST_F(LogFilesTest, WhereTheDiskEndsALineItIsTakenBack) {
  LogFiles log(path_, {});
  ASSERT_EQ(log.open(), "");
  const auto before = ::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit small{250, limit.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  const Result<size_t> first = log.write(lines(5, 'a'));
  const Result<size_t> second = log.write(lines(3, 'a'));
  ::setrlimit(RLIMIT_FSIZE, &limit);
  ::signal(SIGXFSZ, before);
  ASSERT_TRUE(first) << first.error();
  EXPECT_EQ(*first, 200u);
  EXPECT_FALSE(second);
  EXPECT_EQ(text_of(files()[0]), lines(2, 'a'));
  write_all(log, lines(3, 'a'));
  EXPECT_EQ(text_of(files()[0]), lines(5, 'a'));
}

TEST_F(LogFilesTest, TheDirectoryIsOneDaemonsAndItsLossIsSeen) {
  LogFiles log(path_, {}), other(path_, {});
  ASSERT_EQ(log.open(), "");
  EXPECT_NE(other.open().find("locked"), std::string::npos);
  write_all(log, lines(1, 'a'));
  EXPECT_EQ(log.look_after(), "");
  std::filesystem::remove_all(path_);
  EXPECT_NE(log.look_after().find("is gone"), std::string::npos);
  log.close();
  EXPECT_EQ(log.open(), "");
  write_all(log, lines(1, 'b'));
  EXPECT_EQ(files().size(), 1u);
  EXPECT_NE(LogFiles("/proc/none/log", {}).open().find("cannot make"), std::string::npos);
}

}  // namespace
}  // namespace parallax
