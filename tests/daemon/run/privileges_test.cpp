// Whom the daemon becomes, and which directory it gives to that user. What it may do then: privileges_daemon_test.cpp.
#include "daemon/run/privileges.h"

#include <gtest/gtest.h>
#include <pwd.h>
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

TEST(Privileges, UserIsTheNamedOneOrTheDefaultOneOrNobodyElse) {
  std::string error = "before";
  EXPECT_FALSE(find_service_user("nobody-of-that-name", error).has_value());
  EXPECT_EQ(error, "service.user: there is no user \"nobody-of-that-name\" on this system");
  const bool is_root = ::geteuid() == 0, has_default = ::getpwnam(kDefaultUser) != nullptr;
  EXPECT_EQ(find_service_user("", error).has_value(), is_root && has_default);
  EXPECT_EQ(error, "") << "who starts it is whom it stays";
  EXPECT_EQ(find_service_user("root", error).has_value(), is_root);
  EXPECT_EQ(error.empty(), is_root) << error;
}

}  // namespace
}  // namespace parallax
