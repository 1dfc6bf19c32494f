// Running as another user: for a while (what the daemon makes on disk is to be that user's), and for good.
//
// Called by the control thread at start; glibc applies both to all threads.
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

// Nullopt where there is no such user, or this process may not become it; `error` says which.
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

// For good: user, groups, and with them all capabilities. Empty, or why it failed.
std::string become(const ServiceUser& user);

}  // namespace parallax
