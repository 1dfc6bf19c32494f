// Which directory the daemon gives to the user that it becomes.
#include "daemon/run/privileges.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "tests/support/child_process.h"

namespace parallax {
namespace {

uid_t owner_of(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_uid : static_cast<uid_t>(-1);
}

TEST(Privileges, AnEmptyDirectoryOfRootIsGivenToTheServicesUserAndNoOther) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs to give files away: run as root";
  const test::TemporaryDirectory directory;
  const ServiceUser user{"nobody", 65534, 65534}, other{"daemon", 1, 1};
  EXPECT_EQ(give_empty_directory(directory / "none", user), "");
  std::ofstream(directory / "file") << "x";
  EXPECT_EQ(give_empty_directory(directory.path(), user), "");
  EXPECT_EQ(owner_of(directory.path()), 0u) << "somebody's files are in it";
  const std::string empty = directory / "empty";
  ASSERT_EQ(::mkdir(empty.c_str(), 0750), 0);
  EXPECT_EQ(give_empty_directory(empty, user), "");
  EXPECT_EQ(owner_of(empty), user.uid);
  EXPECT_EQ(give_empty_directory(empty, other), "");
  EXPECT_EQ(owner_of(empty), user.uid) << "it is somebody's";
}

}  // namespace
}  // namespace parallax
