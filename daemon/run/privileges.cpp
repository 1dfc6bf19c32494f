#include "daemon/run/privileges.h"

#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "daemon/run/every_thread.h"
#include "daemon/run/syscall_filter.h"

namespace parallax {

namespace {

constexpr uint64_t kKeptByRoot = uint64_t{1} << CAP_DAC_OVERRIDE;

// Set before the threads are asked.
uint64_t kept_capabilities = 0;

// Refused to whoever has no CAP_SETPCAP: then the set stays, and says nothing, since no program can be run that would get from
// it.
void narrow_bounding_set() {
  for (unsigned capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
    if ((kept_capabilities >> capability & 1) == 0) ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  }
}

// By on_every_thread(), so system calls only; glibc has none for capabilities.
void drop_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  ::syscall(SYS_capget, &header, sets);
  const auto kept = static_cast<uint32_t>(kept_capabilities);  // the first 32
  sets[0] = {sets[0].effective & kept, sets[0].permitted & kept, 0};
  sets[1] = {};
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  ::syscall(SYS_capset, &header, sets);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

struct ThreadPrivileges {
  std::string thread;  // its number and name
  uint64_t capabilities = 0;
  bool no_new_privileges = false, filtered = false;
};

std::vector<ThreadPrivileges> thread_privileges() {
  std::vector<ThreadPrivileges> all;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", error)) {
    std::ifstream file(entry.path() / "status");
    ThreadPrivileges found{entry.path().filename()};
    for (std::string key, value; file >> key && std::getline(file >> std::ws, value);) {
      if (key == "Name:") found.thread += fmt::format(" ({})", value);
      if (key.starts_with("Cap") && key != "CapBnd:") found.capabilities |= std::strtoull(value.c_str(), nullptr, 16);
      if (key == "NoNewPrivs:") found.no_new_privileges = value == "1";
      if (key == "Seccomp:") found.filtered = value == "2";
    }
    if (found.thread.find(' ') != std::string::npos) all.push_back(std::move(found));  // else it has ended meanwhile
  }
  return all;
}

// As the kernel says it, whatever the calls before have returned. Empty: nothing is left that should not be.
std::string what_is_left(bool filtered) {
  const std::vector<ThreadPrivileges> all = thread_privileges();
  if (all.empty()) return "the threads of this process are not to be seen in /proc";
  for (const ThreadPrivileges& thread : all) {
    if ((thread.capabilities & ~kept_capabilities) != 0) {
      return fmt::format("thread {} keeps capabilities {:x}", thread.thread, thread.capabilities);
    }
    if (!thread.no_new_privileges) return fmt::format("thread {} could get privileges by running a program", thread.thread);
    if (filtered && !thread.filtered) return fmt::format("thread {} is without the filter of system calls", thread.thread);
  }
  return {};
}

std::string become(const ServiceUser& user) {
  if (::getuid() == user.uid && ::geteuid() == user.uid) return {};
  // glibc carries these to all threads; capabilities go with the user.
  if (::initgroups(user.name.c_str(), user.gid) != 0 || ::setresgid(user.gid, user.gid, user.gid) != 0 ||
      ::setresuid(user.uid, user.uid, user.uid) != 0) {
    return fmt::format("service.user: cannot become \"{}\": {}", user.name, std::strerror(errno));
  }
  if (user.uid != 0 && ::setuid(0) == 0) return fmt::format("service.user: \"{}\" can become root again", user.name);
  return {};
}

}  // namespace

std::optional<ServiceUser> find_service_user(const std::string& name, std::string& error) {
  error.clear();
  if (name.empty() && ::geteuid() != 0) return std::nullopt;
  const std::string wanted = name.empty() ? kDefaultUser : name;
  std::array<char, 4096> buffer;
  passwd entry{};
  passwd* found = nullptr;
  ::getpwnam_r(wanted.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) {
    if (!name.empty()) error = fmt::format("service.user: there is no user \"{}\" on this system", name);
    return std::nullopt;
  }
  if (::geteuid() != 0 && ::geteuid() != entry.pw_uid) {
    error = fmt::format("service.user: only root can become \"{}\"; under systemd User= of the unit is to name it, too", name);
    return std::nullopt;
  }
  return ServiceUser{wanted, entry.pw_uid, entry.pw_gid};
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

std::string drop_privileges(const std::optional<ServiceUser>& user, bool sandbox) {
  sandbox = sandbox && kEveryThreadAnswers;
  kept_capabilities = (user ? user->uid : ::geteuid()) == 0 ? kKeptByRoot : 0;
  if (sandbox) {  // while this may still be done
    if (const std::string failure = on_every_thread(narrow_bounding_set); !failure.empty()) return "privileges: " + failure;
  }
  if (user) {
    if (std::string failure = become(*user); !failure.empty()) return failure;
  }
  // Cleared by a change of user; without it a crash leaves nothing to look at.
  ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  if (!sandbox) return {};
  std::string failure = on_every_thread(drop_capabilities);
  if (failure.empty() && kHasSyscallFilter) failure = refuse_syscalls();
  if (failure.empty()) failure = what_is_left(kHasSyscallFilter);
  return failure.empty() ? "" : "privileges: " + failure;
}

std::string privileges_in_force() {
  uint64_t capabilities = 0;
  bool no_new = true, filtered = true;
  const std::vector<ThreadPrivileges> threads = thread_privileges();
  for (const ThreadPrivileges& thread : threads) {
    capabilities |= thread.capabilities;
    no_new = no_new && thread.no_new_privileges;
    filtered = filtered && thread.filtered;
  }
  std::array<char, 4096> buffer;
  passwd entry{};
  passwd* found = nullptr;
  ::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found);
  return fmt::format("user {} ({}), {}, {}, {}, on all {} threads", found != nullptr ? entry.pw_name : "without a name",
                     ::geteuid(),
                     capabilities == 0             ? "no capabilities"
                     : capabilities == kKeptByRoot ? "no capability but CAP_DAC_OVERRIDE"
                                                   : fmt::format("capabilities {:x}", capabilities),
                     no_new ? "none to be had" : "new ones by running programs",
                     filtered            ? "dangerous system calls refused"
                     : kHasSyscallFilter ? "all system calls"
                                         : "all system calls (built with a sanitizer)",
                     threads.size());
}

}  // namespace parallax
