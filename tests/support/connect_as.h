// A connection to a unix socket as another user, which takes root.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

namespace parallax::test {

// A connection to the socket by another user. Its credentials are those of the thread that connects: the raw system calls change
// this thread's alone. -1: it may not.
inline int connect_as(const std::string& path, uid_t user, gid_t group, const std::vector<gid_t>& groups) {
  int handle = -1;
  std::thread([&] {
    if (::syscall(SYS_setgroups, groups.size(), groups.data()) != 0 || ::syscall(SYS_setresgid, group, group, group) != 0 ||
        ::syscall(SYS_setresuid, user, user, user) != 0) {
      return;
    }
    handle = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(handle, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      ::close(handle);
      handle = -1;
      return;
    }
    ::fcntl(handle, F_SETFL, O_NONBLOCK);
  }).join();
  return handle;
}

}  // namespace parallax::test
