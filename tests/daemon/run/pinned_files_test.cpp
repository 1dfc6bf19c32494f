// Pinned files: they keep to a budget of their own, are found again after a restart, and what became of them is told.
#include "daemon/run/pinned_files.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/pinned_fixture.h"

namespace parallax {
namespace {

namespace fs = std::filesystem;
using test::numbered_slice;
using test::PinnedFilesTest;

size_t count(SpoolRemovalReason reason, const SpoolRemovals& removals) { return removals[static_cast<size_t>(reason)].files; }

TEST_F(PinnedFilesTest, APinIsAPcapngOfModeSixFortyThatOpensWithoutAComplaint) {
  PinnedFiles files(options());
  EXPECT_FALSE(fs::exists(pinned_directory())) << "nothing is made before it is needed";
  ASSERT_EQ(pin(files, 7, 20), "");
  struct stat status {};
  ASSERT_EQ(stat(file(7).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
  EXPECT_EQ(std::distance(fs::directory_iterator(pinned_directory()), {}), 1) << "and no temporary one";
  expect_opens_without_warning(file(7), 20);
  EXPECT_EQ(files.status().files, 1u);
  EXPECT_EQ(files.status().made, 1u);
  EXPECT_EQ(files.find(7)->packets, 20u);
  EXPECT_FALSE(files.find(8));
}

TEST_F(PinnedFilesTest, TheOldestGoesFirstAndIsToldWithItsTime) {
  PinnedFiles files(options(100 << 10));
  for (uint64_t id = 1; id <= 10; ++id) {
    ASSERT_EQ(pin(files, id, 150), "") << id;  // some 27 KiB
    EXPECT_LE(files.status().bytes, 100u << 10);
  }
  EXPECT_EQ(files.status().files, 3u);
  EXPECT_FALSE(fs::exists(file(7)));
  EXPECT_TRUE(files.find(8) && files.find(9) && files.find(10));
  const SpoolRemovals removals = files.take_removals();
  const SpoolRemoval& by_size = removals[static_cast<size_t>(SpoolRemovalReason::size)];
  EXPECT_EQ(by_size.files, 7u);
  EXPECT_EQ(by_size.packets, 7u * 150);
  EXPECT_EQ(by_size.first_ns, kSpoolTestStartNs);
  EXPECT_EQ(count(SpoolRemovalReason::size, files.take_removals()), 0u) << "once";
  EXPECT_EQ(count(SpoolRemovalReason::size, files.status().removals), 7u);
}

TEST_F(PinnedFilesTest, OneThatDoesNotFitAloneIsNotKeptAndLeavesNothing) {
  PinnedFiles files(options(16 << 10));
  EXPECT_EQ(pin(files, 1, 1000), "spool.pinned.size has no room for it");
  EXPECT_EQ(files.status().files, 0u);
  EXPECT_EQ(files.status().bytes, 0u);
  EXPECT_TRUE(fs::is_empty(pinned_directory()));
}

TEST_F(PinnedFilesTest, ARestartFindsThemAgainAndRemovesWhatWasNotWrittenToItsEnd) {
  {
    PinnedFiles files(options());
    ASSERT_EQ(pin(files, 7, 20), "");
    ASSERT_EQ(pin(files, 12, 30), "");
  }
  std::ofstream(pinned_directory() + "/finding-13.pcapng.part") << "half";
  std::ofstream(pinned_directory() + "/notes.txt") << "somebody's";
  const PinnedFiles files(options());
  EXPECT_EQ(files.status().files, 2u);
  EXPECT_EQ(files.highest_id(), 12u);
  EXPECT_EQ(files.find(12)->packets, 30u);
  EXPECT_EQ(files.find(12)->first_ns, kSpoolTestStartNs);
  EXPECT_EQ((*files.open(7))->end->finding().summary(), "The device lost it.");
  ASSERT_EQ(files.repairs().size(), 1u);
  EXPECT_EQ(files.repairs()[0], "removed " + pinned_directory() + "/finding-13.pcapng.part, which was not written to its end");
  EXPECT_FALSE(fs::exists(pinned_directory() + "/finding-13.pcapng.part"));
  EXPECT_TRUE(fs::exists(pinned_directory() + "/notes.txt"));
}

TEST_F(PinnedFilesTest, ADamagedEndIsToldAtTheRestartAndStillCounts) {
  {
    PinnedFiles files(options());
    ASSERT_EQ(pin(files, 7, 20), "");
  }
  const std::vector<uint8_t> whole = bytes_of(file(7));
  const size_t end = numbered_slice(20).size();
  for (size_t cut = 0; cut < whole.size(); cut += cut + 40 < end ? 40 : 1) {
    overwrite(file(7), std::span(whole).first(cut));
    const PinnedFiles files(options());
    ASSERT_EQ(files.repairs().size(), 1u) << cut;
    EXPECT_EQ(files.repairs()[0], file(7) + " is damaged at its end: a slice of it cannot be checked");
    EXPECT_TRUE(files.find(7)->is_damaged);
    EXPECT_GT(files.status().bytes, 0u);
  }
}

TEST_F(PinnedFilesTest, AFileOfAnotherFindingOrNoFileAtAllIsNotTakenForOne) {
  PinnedFiles before(options());
  ASSERT_EQ(pin(before, 7, 20), "");
  fs::rename(file(7), file(8));
  fs::create_directory(file(9));
  fs::create_symlink("/etc/hostname", file(10));
  for (const char* name : {"finding-0.pcapng", "finding-007.pcapng", "finding-9007199254740993.pcapng", "finding-.pcapng"})
    std::ofstream(pinned_directory() + "/" + name) << "x";
  const PinnedFiles files(options());
  ASSERT_EQ(files.status().files, 1u);
  EXPECT_TRUE(files.find(8)->is_damaged) << "it says that it is of finding 7";
  EXPECT_EQ(files.repairs().size(), 3u);
}

TEST_F(PinnedFilesTest, WhatOthersRemoveIsNoticedAndCounted) {
  PinnedFiles files(options());
  ASSERT_EQ(pin(files, 7, 20), "");
  fs::remove_all(pinned_directory());
  files.look(false);
  EXPECT_EQ(count(SpoolRemovalReason::others, files.status().removals), 1u);
  EXPECT_EQ(files.status().bytes, 0u);
  EXPECT_EQ(pin(files, 8, 20), "") << "and the directory is made again";
}

TEST_F(PinnedFilesTest, PacketsAboveTheAgeGo) {
  PinnedFilesOptions bounded = options();
  bounded.max_age_ns = 3'600'000'000'000;
  PinnedFiles files(bounded);
  ASSERT_EQ(pin(files, 7, 20), "");  // of 2023
  files.look(false);
  EXPECT_EQ(count(SpoolRemovalReason::age, files.status().removals), 1u);
  EXPECT_FALSE(fs::exists(file(7)));
}

TEST_F(PinnedFilesTest, TheyGiveWayToTheLeastFreeSpaceOnlyAfterTheSpool) {
  {
    PinnedFiles before(options());
    ASSERT_EQ(pin(before, 7, 20), "");
  }
  PinnedFilesOptions bounded = options();
  bounded.min_free = uint64_t{1} << 60;
  PinnedFiles files(bounded);
  files.look(false);
  EXPECT_EQ(files.status().files, 1u);
  EXPECT_EQ(pin(files, 8, 20), "less than spool.min_free is free on its disk");
  files.look(true);
  EXPECT_EQ(count(SpoolRemovalReason::min_free, files.status().removals), 1u);
}

TEST_F(PinnedFilesTest, NothingIsWrittenWhereTheSpoolIsNotInPlace) {
  PinnedFiles files(options());
  fs::remove(directory_.path() + "/parallax.lock");
  EXPECT_EQ(pin(files, 7, 20), "spool directory " + directory_.path() + " is not in place");
  std::ofstream(directory_.path() + "/parallax.lock") << "1\n";
  PinnedFilesOptions mounted = options();
  mounted.require_mount = true;
  PinnedFiles others(mounted);
  EXPECT_EQ(pin(others, 7, 20), "spool directory " + directory_.path() + " is not a mount point");
}

TEST_F(PinnedFilesTest, AWithdrawalIsNotedWithTheFileWhateverBecomesOfTheNote) {
  size_t before = 0;
  {
    PinnedFiles files(options());
    ASSERT_EQ(pin(files, 7, 20), "");
    before = fs::file_size(file(7));
    v1::Finding withdrawn = finding(7);
    withdrawn.set_state(v1::FINDING_STATE_WITHDRAWN);
    EXPECT_EQ(files.note_withdrawn(withdrawn), "");
    EXPECT_TRUE(files.find(7)->is_withdrawn);
    expect_opens_without_warning(file(7), 20);
  }
  const std::vector<uint8_t> whole = bytes_of(file(7));
  ASSERT_GT(whole.size(), before);
  EXPECT_TRUE(PinnedFiles(options()).find(7)->is_withdrawn);
  for (size_t cut = before; cut < whole.size(); ++cut) {  // torn while it was noted
    overwrite(file(7), std::span(whole).first(cut));
    const PinnedFiles files(options());
    ASSERT_FALSE(files.find(7)->is_damaged) << cut;
    ASSERT_FALSE(files.find(7)->is_withdrawn) << cut;
  }
}

TEST_F(PinnedFilesTest, OnAFullOrReadOnlyDiskAPinFailsAndLeavesTheOthersAsTheyAre) {
  const std::string disk = directory_.path() + "/disk";
  fs::create_directory(disk);
  if (geteuid() != 0 || mount("none", disk.c_str(), "tmpfs", 0, "size=1m") != 0)
    GTEST_SKIP() << "needs a small disk, a tmpfs: run as root, with CAP_SYS_ADMIN";
  std::ofstream(disk + "/parallax.lock") << "1\n";
  {
    PinnedFiles files({.spool = disk, .size = 16 << 20, .require_mount = true});
    ASSERT_EQ(pin(files, 1, 2000), "");
    const uint64_t bytes = files.status().bytes;
    PinFailure failure{};
    {
      const auto writer = files.begin(2, failure);
      ASSERT_TRUE(writer);
      const PcapngBuffer slice = numbered_slice(6000);
      EXPECT_FALSE((*writer)->write(slice));
      EXPECT_EQ((*writer)->failure(), PinFailure::disk_full) << (*writer)->error();
    }
    EXPECT_EQ(files.status().bytes, bytes);
    EXPECT_EQ(std::distance(fs::directory_iterator(disk + "/pinned"), {}), 1);
    EXPECT_EQ(pin(files, 2, 20), "") << "what fits is pinned again";

    ASSERT_EQ(mount("none", disk.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=1m"), 0);
    EXPECT_EQ(pin(files, 3, 20), "cannot create " + disk + "/pinned/finding-3.pcapng.part: Read-only file system");
    files.look(true);
    EXPECT_EQ(files.status().files, 2u);
  }
  umount2(disk.c_str(), MNT_DETACH);
}

}  // namespace
}  // namespace parallax
