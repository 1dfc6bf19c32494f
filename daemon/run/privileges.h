// What the daemon may do: everything until its ports are open, and as little as possible from then on. Running as another user
// for a while (what the daemon makes on disk is to be that user's), and giving up for good what is not needed any more.
//
// Called by the control thread at start. What is given up is given up by all threads, which is looked at before the daemon goes
// on.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace parallax {

struct ServiceUser {
  std::string name;
  uid_t uid;
  gid_t gid;
};

inline constexpr const char* kDefaultUser = "parallax";  // whom the package makes

// Whom the daemon is to become: `name`; where that is empty and root asks, kDefaultUser if there is one. Nullopt with an empty
// `error`: nobody else. Else `error` says that there is no such user, or that this process may not become it.
std::optional<ServiceUser> find_service_user(const std::string& name, std::string& error);

// The effective user is `user` while this lives. Does nothing for nullopt.
class ActingAs {
 public:
  explicit ActingAs(const std::optional<ServiceUser>& user);
  ~ActingAs();
  ActingAs(const ActingAs&) = delete;
  ActingAs& operator=(const ActingAs&) = delete;

 private:
  bool switched_ = false;
};

// Gives an empty directory that belongs to root to `user`, as somebody has made it for the daemon. Does nothing where it is
// missing, holds files, or is somebody's. Empty, or why it failed.
std::string give_empty_directory(const std::string& path, const ServiceUser& user);

// For good: becomes `user`, and with `sandbox` keeps no capability (who stays root keeps that of writing to everybody's files,
// since its spool may be in anybody's directory), cannot get any by running a program, and gives up the system calls of
// syscall_filter.h; but a build with ThreadSanitizer only becomes the user. Empty, or why it failed.
std::string drop_privileges(const std::optional<ServiceUser>& user, bool sandbox);

// What is in force, for people, as the kernel has it of all threads: "user parallax (998), no capabilities, ..., on all 17
// threads".
std::string privileges_in_force();

}  // namespace parallax
