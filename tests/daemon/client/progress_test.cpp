// The line that says how far a long run is: on terminals, and gone at the end.
#include "daemon/client/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <string>

namespace parallax {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

// A terminal, and what has been written on it.
class Terminal {
 public:
  Terminal() {
    int slave = -1;
    if (openpty(&master_, &slave, nullptr, nullptr, nullptr) == 0) file_ = fdopen(slave, "w");
  }
  ~Terminal() {
    if (file_ != nullptr) std::fclose(file_);
    ::close(master_);
  }
  FILE* file() { return file_; }
  // What is written up to now. A terminal hands it over in pieces, so a mark says where it ends.
  std::string written() {
    constexpr char kMark = '\x01';
    std::fputc(kMark, file_);
    std::fflush(file_);
    std::string text;
    while (!text.ends_with(kMark)) {
      char piece[4096];
      const ssize_t count = ::read(master_, piece, sizeof piece);
      if (count < 1) return text;
      text.append(piece, static_cast<size_t>(count));
    }
    text.pop_back();
    return text;
  }

 private:
  int master_ = -1;
  FILE* file_ = nullptr;
};

TEST(Progress, SaysHowMuchIsDoneAndIsGoneAtTheEnd) {
  Terminal terminal;
  ASSERT_NE(terminal.file(), nullptr);
  {
    Progress progress(terminal.file(), std::chrono::milliseconds(0));
    progress.begin("analysing", 4096);
    progress.at(1024);
    EXPECT_THAT(terminal.written(), HasSubstr("parallax: analysing: 25 % of 4.0 KiB, about 1.0 s left"));
  }
  EXPECT_THAT(terminal.written(), EndsWith("\r\x1b[K"));
}

TEST(Progress, WhatIsDoneSoonIsNotWorthALine) {
  Terminal terminal;
  ASSERT_NE(terminal.file(), nullptr);
  {
    Progress progress(terminal.file());
    progress.begin("analysing", 4096);
    progress.at(1024);
  }
  EXPECT_EQ(terminal.written(), "");
}

TEST(Progress, NothingIsWrittenToAFile) {
  FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  {
    Progress progress(file, std::chrono::milliseconds(0));
    progress.begin("analysing", 4096);
    progress.at(1024);
  }
  EXPECT_EQ(std::ftell(file), 0);
  std::fclose(file);
}

}  // namespace
}  // namespace parallax
