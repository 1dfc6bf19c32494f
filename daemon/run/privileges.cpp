#include "daemon/run/privileges.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace parallax {

std::optional<ServiceUser> find_service_user(const std::string& name, std::string& error) {
  std::array<char, 4096> buffer;
  passwd entry{};
  passwd* found = nullptr;
  ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) {
    error = fmt::format("service.user: there is no user \"{}\" on this system", name);
    return std::nullopt;
  }
  if (::geteuid() != 0 && ::geteuid() != entry.pw_uid) {
    error = fmt::format("service.user: only root can become \"{}\"", name);
    return std::nullopt;
  }
  return ServiceUser{name, entry.pw_uid, entry.pw_gid};
}

ActingAs::ActingAs(const std::optional<ServiceUser>& user) {
  if (!user || ::geteuid() == user->uid) return;
  switched_ = ::setegid(user->gid) == 0 && ::seteuid(user->uid) == 0;
}

ActingAs::~ActingAs() {
  if (!switched_) return;
  // Without root the start could only go on half done.
  if (::seteuid(0) != 0 || ::setegid(0) != 0) std::abort();
}

std::string give_empty_directory(const std::string& path, const ServiceUser& user) {
  struct stat status {};
  std::error_code error;
  if (::geteuid() != 0 || ::stat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != 0 ||
      !std::filesystem::is_empty(path, error) || error) {
    return {};
  }
  if (::chown(path.c_str(), user.uid, user.gid) == 0) return {};
  return fmt::format("cannot give {} to {}: {}", path, user.name, std::strerror(errno));
}

std::string become(const ServiceUser& user) {
  if (::getuid() == user.uid && ::geteuid() == user.uid) return {};
  if (::initgroups(user.name.c_str(), user.gid) != 0 || ::setresgid(user.gid, user.gid, user.gid) != 0 ||
      ::setresuid(user.uid, user.uid, user.uid) != 0) {
    return fmt::format("service.user: cannot become \"{}\": {}", user.name, std::strerror(errno));
  }
  if (user.uid != 0 && ::setuid(0) == 0) return fmt::format("service.user: \"{}\" can become root again", user.name);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);  // cleared by the change of user; without it a crash leaves nothing to look at
  return {};
}

}  // namespace parallax
