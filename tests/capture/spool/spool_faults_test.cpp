// What others do to the spool's directory and disk, and the limits that keep the spool from taking more than its share: each is
// noticed, counted and told, and is over when it is over.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <numeric>
#include <thread>

#include "capture/spool/spool.h"
#include "capture/spool/spool_fault.h"
#include "tests/support/spool_fixture.h"

namespace parallax {
namespace {

namespace fs = std::filesystem;
using Reason = SpoolRemovalReason;

constexpr int64_t kSecond = 1'000'000'000;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

int64_t now_ns() { return std::chrono::system_clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }

bool wait_for(const std::function<bool()>& condition, std::chrono::seconds limit = std::chrono::seconds(5)) {
  for (const auto end = std::chrono::steady_clock::now() + limit; std::chrono::steady_clock::now() < end;) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

std::vector<uint64_t> numbers(uint64_t first, uint64_t count) {
  std::vector<uint64_t> all(count);
  std::iota(all.begin(), all.end(), first);
  return all;
}

// A file system of its own, of so many MiB; what it takes to make one may be missing.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& path, int mib) : path_(path) { mount_again(mib); }
  ~SmallDisk() { unmount(); }
  SmallDisk(const SmallDisk&) = delete;
  void mount_again(int mib) {
    mounted_ = geteuid() == 0 && mount("none", path_.c_str(), "tmpfs", 0, ("size=" + std::to_string(mib) + "m").c_str()) == 0;
  }
  void unmount() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
    mounted_ = false;
  }
  explicit operator bool() const { return mounted_; }
  uint64_t free_bytes() const {
    struct statvfs disk {};
    return statvfs(path_.c_str(), &disk) == 0 ? disk.f_bavail * disk.f_frsize : 0;
  }

 private:
  const std::string path_;
  bool mounted_ = false;
};
constexpr const char* kNeedsDisk = "needs a small disk, a tmpfs: run as root, with CAP_SYS_ADMIN";

class SpoolFaults : public ::testing::Test {
 protected:
  SpoolFaults() { fs::create_directory(path_); }

  // Starts it, too.
  void open(const SpoolOptions& options) {
    spool_.reset();
    auto opened = Spool::open(options, two_spool_ports());
    ASSERT_TRUE(opened) << opened.error();
    spool_ = std::move(*opened);
    ASSERT_EQ(spool_->start(), "");
  }
  SpoolOptions options() const { return small_spool(path_); }
  SpoolStatus status() const { return spool_->status(); }
  uint64_t removed(Reason reason) const { return status().removals[static_cast<size_t>(reason)].files; }
  std::string path_of(const std::string& name) const { return path_ + '/' + name; }

  // Packets first .. first + count - 1, a microsecond apart, and waits until each is written or dropped.
  void append(uint64_t first, uint64_t count, int64_t start_ns = kSpoolTestStartNs) {
    const auto settled = [&] { return status().packets_written + status().dropped_packets; };
    const uint64_t before = settled();
    for (uint64_t i = 0; i < count; ++i) {
      const std::vector<uint8_t> frame = numbered_frame(first + i);
      spool_->lane(0).append(0, raw_packet(frame, start_ns + static_cast<int64_t>(first + i) * 1000));
      if (i % 1000 == 999) wait_for([&] { return settled() + 500 >= before + i; });
    }
    ASSERT_TRUE(wait_for([&] { return settled() == before + count; }));
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/spool";
  std::unique_ptr<Spool> spool_;
};

TEST_F(SpoolFaults, AFileThatOthersRemoveIsCountedAndItsTimeIsTold) {
  open(options());
  append(0, 20'000);
  const std::vector<std::string> names = spool_files(path_);
  ASSERT_GE(names.size(), 3u);
  const uint64_t files = status().files, bytes = status().bytes, size = fs::file_size(path_of(names[2]));
  const auto all = spool_->snapshot(kTimeMin, kTimeMax);
  EXPECT_TRUE((*all)->removed().empty());
  fs::remove(path_of(names[2]));

  // Before the writer has looked a reader meets the gap already.
  const auto at_once = spool_->snapshot(kTimeMin, kTimeMax);
  ASSERT_TRUE(at_once) << at_once.error();
  ASSERT_EQ((*at_once)->removed().size(), 1u);
  const SpoolLoss gap = (*at_once)->removed()[0];

  ASSERT_TRUE(wait_for([&] { return removed(Reason::others) == 1; }));
  EXPECT_EQ(status().files, files - 1);
  EXPECT_EQ(status().bytes, bytes - size);
  const SpoolRemoval removal = status().removals[static_cast<size_t>(Reason::others)];
  EXPECT_EQ(removal.bytes, size);
  EXPECT_EQ(removal.first_ns, gap.from_ns);
  EXPECT_EQ(removal.last_ns, gap.to_ns);
  const auto later = spool_->snapshot(gap.from_ns, gap.to_ns);
  EXPECT_FALSE((*later)->holds_packets());
  ASSERT_EQ((*later)->removed().size(), 1u);
  EXPECT_EQ((*later)->removed()[0].count, removal.packets);
  EXPECT_TRUE((*spool_->snapshot(gap.to_ns + 1, kTimeMax))->removed().empty());
  EXPECT_EQ(read_spool(*spool_).numbers.size(), 20'000 - removal.packets);
  EXPECT_EQ(spool_->take_removals()[static_cast<size_t>(Reason::others)].files, 1u);
  EXPECT_EQ(spool_->take_removals()[static_cast<size_t>(Reason::others)].files, 0u) << "told once";
}

TEST_F(SpoolFaults, ACurrentFileThatOthersRemoveIsBegunAnew) {
  open(options());
  append(0, 100);
  fs::remove(path_of("parallax-current.pcapng"));
  ASSERT_TRUE(wait_for([&] { return removed(Reason::others) == 1; }));
  EXPECT_EQ(status().files, 0u);
  append(100, 100);
  EXPECT_TRUE(fs::exists(path_of("parallax-current.pcapng")));
  EXPECT_EQ(read_spool(*spool_).numbers, numbers(100, 100));
  spool_->stop();
  EXPECT_EQ(spool_files(path_).size(), 1u);
}

TEST_F(SpoolFaults, ADirectoryThatOthersRemoveIsMadeAnewAndTold) {
  open(options());
  append(0, 20'000);
  const uint64_t files = status().files;
  EXPECT_EQ(status().error, "");
  fs::remove_all(path_);
  ASSERT_TRUE(wait_for([&] { return !status().error.empty(); }));
  EXPECT_TRUE(has(status().error, "spool directory " + path_ + " was lost (No such file or directory) and is begun anew"))
      << status().error;
  EXPECT_EQ(removed(Reason::others), files);
  EXPECT_EQ(status().files, 0u);
  EXPECT_EQ(status().bytes, 0u);
  EXPECT_EQ(status().oldest_packet_ns, 0);
  ASSERT_EQ(status().repairs.size(), 1u);
  EXPECT_EQ(status().repairs[0], "made directory " + path_ + ", which did not exist");

  append(20'000, 100);
  EXPECT_EQ(read_spool(*spool_).numbers, numbers(20'000, 100));
  EXPECT_EQ(status().dropped_packets, 0u);
  EXPECT_EQ(status().files, spool_files(path_).size());
  const auto second = Spool::open(options(), two_spool_ports());
  ASSERT_FALSE(second);
  EXPECT_TRUE(has(second.error(), "is in use by process")) << "the new one is locked: " << second.error();
  EXPECT_TRUE(wait_for([&] { return status().error.empty(); }, SpoolFault::kShownMin + std::chrono::seconds(5)))
      << status().error;
}

TEST_F(SpoolFaults, WhereTheDirectoryCannotBeMadePacketsAreDroppedUntilItIsBack) {
  open(options());
  append(0, 100);
  fs::rename(directory_.path(), directory_.path() + ".gone");
  ASSERT_TRUE(wait_for([&] { return !status().error.empty(); }));
  EXPECT_EQ(status().error, "cannot make spool directory " + path_ + ": " + directory_.path() +
                                " does not exist; correct spool.directory, or make that first");
  append(100, 100);
  EXPECT_EQ(status().dropped_packets, 100u);
  const auto meanwhile = spool_->snapshot(kTimeMin, kTimeMax);
  ASSERT_EQ((*meanwhile)->losses().size(), 2u) << "the dropped ones, and the file";
  EXPECT_EQ((*meanwhile)->losses()[0].count, 100u);
  EXPECT_EQ((*meanwhile)->losses()[1].count, 100u);

  fs::rename(directory_.path() + ".gone", directory_.path());
  ASSERT_TRUE(wait_for([&] { return status().files == 1; })) << "what it held is taken up again";
  append(200, 100);
  EXPECT_EQ(read_spool(*spool_).numbers.size(), 200u);
  EXPECT_TRUE((*spool_->snapshot(kTimeMin, kTimeMax))->removed().empty()) << "and was not removed after all";
}

TEST_F(SpoolFaults, WithoutItsLockTheDirectoryIsLockedAgainAndNothingIsLost) {
  open(options());
  append(0, 100);
  fs::remove(path_of("parallax.lock"));
  ASSERT_TRUE(wait_for([&] { return fs::exists(path_of("parallax.lock")); }));
  append(100, 100);
  EXPECT_EQ(read_spool(*spool_).numbers, numbers(0, 200));
  EXPECT_EQ(removed(Reason::others), 0u);
  EXPECT_FALSE(Spool::open(options(), two_spool_ports()));
}

TEST_F(SpoolFaults, FilesThatWereRemovedWhileNobodyLookedLeaveAGap) {
  open(options());
  append(0, 20'000);
  spool_->stop();
  const std::vector<std::string> names = spool_files(path_);
  ASSERT_GE(names.size(), 3u);
  fs::remove(path_of(names[1]));
  open(options());
  const auto snapshot = spool_->snapshot(kTimeMin, kTimeMax);
  ASSERT_EQ((*snapshot)->removed().size(), 1u);
  EXPECT_GT((*snapshot)->removed()[0].to_ns - (*snapshot)->removed()[0].from_ns, 1'000'000);
}

TEST_F(SpoolFaults, AMissingDirectoryIsMadeAndSaidAndAMissingParentIsRefused) {
  SpoolOptions wanted = options();
  wanted.directory = path_ + "/below";
  open(wanted);
  ASSERT_EQ(status().repairs.size(), 1u);
  EXPECT_EQ(status().repairs[0], "made directory " + path_ + "/below, which did not exist");
  struct stat made {};
  ASSERT_EQ(stat(wanted.directory.c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 07777 & ~0750u, 0u);
  wanted.directory = directory_.path() + "/spol/parallax";
  const auto refused = Spool::open(wanted, two_spool_ports());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), "cannot make spool directory " + wanted.directory + ": " + directory_.path() +
                                 "/spol does not exist; correct spool.directory, or make that first");
  EXPECT_FALSE(fs::exists(directory_.path() + "/spol"));
  std::ofstream(path_ + "/file") << "x";
  wanted.directory = path_ + "/file";
  EXPECT_EQ(Spool::open(wanted, two_spool_ports()).error(), "spool directory " + wanted.directory + " is not a directory");
}

TEST_F(SpoolFaults, FilesAreForOwnerAndGroupWhateverTheUmask) {
  for (const mode_t mask : {0077, 0000}) {
    const mode_t before = umask(mask);
    open(options());
    append(0, 10);
    spool_->stop();
    umask(before);
    for (const std::string& name : spool_files(path_)) {
      struct stat file {};
      ASSERT_EQ(stat(path_of(name).c_str(), &file), 0);
      EXPECT_EQ(file.st_mode & 07777, 0640u) << name;
      fs::remove(path_of(name));
    }
  }
}

TEST_F(SpoolFaults, NoPacketIsKeptForLongerThanTheAgeLimit) {
  SpoolOptions limited = options();
  limited.limits.max_age_ns = 3 * kSecond;
  open(limited);
  const int64_t start_ns = now_ns();
  append(0, 100, start_ns);
  EXPECT_EQ(read_spool(*spool_).numbers.size(), 100u);
  ASSERT_TRUE(wait_for([&] { return removed(Reason::age) > 0; }, std::chrono::seconds(10)));
  EXPECT_GE(now_ns() - start_ns, 3 * kSecond);
  EXPECT_LT(now_ns() - start_ns, 6 * kSecond);
  EXPECT_EQ(status().files, 0u);
  EXPECT_TRUE(spool_files(path_).empty());
  const SpoolRemoval removal = status().removals[static_cast<size_t>(Reason::age)];
  EXPECT_EQ(removal.packets, 100u);
  EXPECT_EQ(removal.first_ns, start_ns);
  EXPECT_EQ(removal.last_ns, start_ns + 99'000);
  append(100, 100, now_ns());
  EXPECT_EQ(read_spool(*spool_).numbers, numbers(100, 100));
  EXPECT_EQ(status().error, "");
}

TEST_F(SpoolFaults, TheSpoolGivesWayToOtherUsersOfItsDiskAndComesBack) {
  SmallDisk disk(path_, 12);
  if (!disk) GTEST_SKIP() << kNeedsDisk;
  constexpr uint64_t kMinFree = 4 << 20;
  SpoolOptions limited = options();
  limited.limits.size = 64 << 20;
  limited.limits.min_free = kMinFree;
  open(limited);
  uint64_t least_free = UINT64_MAX;
  for (uint64_t i = 0; i < 100; ++i) {  // 15 MB
    append(i * 1000, 1000);
    least_free = std::min(least_free, disk.free_bytes());
  }
  EXPECT_GE(least_free, kMinFree);
  EXPECT_GT(removed(Reason::min_free), 0u);
  EXPECT_EQ(removed(Reason::disk_full), 0u);
  EXPECT_EQ(status().packets_written, 100'000u);
  EXPECT_EQ(status().error, "");

  // Others take 9 of the 12 MiB: less than 4 are left whatever the spool removes.
  std::ofstream(path_of("others")) << std::string(disk.free_bytes(), 'x');
  EXPECT_TRUE(wait_for([&] { return disk.free_bytes() >= kMinFree; })) << "also while there is nothing to write";
  EXPECT_GT(status().files, 0u);
  std::ofstream(path_of("others")) << std::string(9 << 20, 'x');
  append(100'000, 1000);
  EXPECT_EQ(status().error, "spool " + path_ + ": less than spool.min_free (4194304 bytes) is free on its disk");
  EXPECT_GT(status().dropped_packets, 0u);

  fs::remove(path_of("others"));
  EXPECT_TRUE(wait_for([&] { return status().error.empty(); }, SpoolFault::kShownMin + std::chrono::seconds(5)))
      << status().error;
  const uint64_t dropped = status().dropped_packets;
  append(200'000, 1000);
  EXPECT_EQ(status().dropped_packets, dropped);
  EXPECT_EQ(read_spool(*spool_, kSpoolTestStartNs + 200'000'000).numbers, numbers(200'000, 1000));
  spool_.reset();
}

TEST_F(SpoolFaults, AFullDiskIsOverOnceItTakesPacketsAgain) {
  SmallDisk disk(path_, 6);
  if (!disk) GTEST_SKIP() << kNeedsDisk;
  open(options());
  std::ofstream(path_of("others")) << std::string(8 << 20, 'x');
  append(0, 1000);
  EXPECT_TRUE(has(status().error, "No space left on device")) << status().error;
  EXPECT_EQ(status().dropped_packets, 1000u);
  fs::remove(path_of("others"));
  append(1000, 1000);
  EXPECT_EQ(status().dropped_packets, 1000u);
  EXPECT_FALSE(status().error.empty()) << "shown for a while";
  EXPECT_TRUE(wait_for([&] { return status().error.empty(); }, SpoolFault::kShownMin + std::chrono::seconds(5)));
  spool_.reset();
}

TEST_F(SpoolFaults, AFullDiskIsOverAlsoWhereNoPacketComesToShowIt) {
  SmallDisk disk(path_, 6);
  if (!disk) GTEST_SKIP() << kNeedsDisk;
  open(options());
  std::ofstream(path_of("others")) << std::string(8 << 20, 'x');
  append(0, 1000);
  fs::remove(path_of("others"));
  EXPECT_TRUE(wait_for([&] { return status().error.empty(); }, SpoolFault::kShownMin + std::chrono::seconds(5)))
      << status().error;
  spool_.reset();
}

TEST_F(SpoolFaults, WhatCannotBeRemovedKeepsTheSpoolFromGrowingBeyondItsSize) {
  if (geteuid() != 0) GTEST_SKIP() << "needs a file that cannot be removed, a mount point: run as root, with CAP_SYS_ADMIN";
  open(options());
  append(0, 10'000);
  const std::string oldest = path_of(spool_files(path_)[0]);
  if (mount(oldest.c_str(), oldest.c_str(), "", MS_BIND, nullptr) != 0) GTEST_SKIP() << "needs CAP_SYS_ADMIN";
  append(10'000, 40'000);
  EXPECT_TRUE(has(status().error, "cannot remove " + oldest + ": Device or resource busy")) << status().error;
  EXPECT_GT(status().dropped_packets, 0u);
  uint64_t on_disk = 0;
  for (const std::string& name : spool_files(path_)) on_disk += fs::file_size(path_of(name));
  EXPECT_LE(on_disk, options().limits.size);
  EXPECT_LE(status().bytes, options().limits.size);
  umount(oldest.c_str());
  const uint64_t dropped = status().dropped_packets;
  append(100'000, 1000);
  EXPECT_EQ(status().dropped_packets, dropped);
  EXPECT_FALSE(fs::exists(oldest));
}

TEST_F(SpoolFaults, WhereAMountPointIsWantedNothingIsWrittenBesideIt) {
  SpoolOptions wanted = options();
  wanted.require_mount = true;
  EXPECT_EQ(Spool::open(wanted, two_spool_ports()).error(),
            "spool directory " + path_ + " is not a mount point, as spool.require_mount wants: mount its disk there");
  wanted.directory = path_ + "/none";
  const std::string missing = Spool::open(wanted, two_spool_ports()).error();
  EXPECT_TRUE(has(missing, wanted.directory) && has(missing, "spool.require_mount is set: make it")) << missing;
  EXPECT_FALSE(fs::exists(wanted.directory));
  wanted.directory = path_;
  SmallDisk disk(path_, 16);
  if (!disk) GTEST_SKIP() << kNeedsDisk;
  open(wanted);
  append(0, 100);
  disk.unmount();
  ASSERT_TRUE(wait_for([&] { return !status().error.empty(); }));
  EXPECT_TRUE(has(status().error, path_ + " is not a mount point")) << status().error;
  append(100, 100);
  EXPECT_EQ(status().dropped_packets, 100u);
  EXPECT_TRUE(fs::is_empty(path_)) << "the directory below the disk";
  disk.mount_again(16);
  ASSERT_TRUE(wait_for([&] { return fs::exists(path_of("parallax.lock")); }));
  append(200, 100);
  EXPECT_EQ(read_spool(*spool_).numbers, numbers(200, 100));
  spool_.reset();
}

TEST(SpoolFault, IsShownForAWhileAfterItIsOver) {
  SpoolFault fault;
  EXPECT_EQ(fault.text(), "");
  fault.raise("full");
  EXPECT_EQ(fault.text(), "full");
  fault.clear();
  EXPECT_EQ(fault.text(), "full");
}

}  // namespace
}  // namespace parallax
