// A listening unix socket that people of its group may reach (mode 0660), and who is on the other end of a connection.
//
// Owned by the API server. What an earlier daemon left behind is removed, but only when nobody answers on it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace parallax {

class UnixListener {
 public:
  UnixListener() = default;
  ~UnixListener();
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;

  // False: `error` says why, in one sentence that names the path.
  bool open(const std::string& path, std::string& error);
  int handle() const { return handle_; }

 private:
  int handle_ = -1;
  std::string path_;
  dev_t device_ = 0;  // of the socket file that is ours, so that no other is removed at the end
  ino_t inode_ = 0;
};

// The process that opened a connection, as the kernel had it at that moment.
struct UnixPeer {
  bool is_known = false;  // the rest means nothing otherwise
  uid_t user = 0;
  pid_t process = 0;
  std::vector<gid_t> groups;  // its own one and the supplementary ones
  uint64_t cookie = 0;        // the kernel's name of the socket, which no other has

  std::string text() const;  // "uid 1000 (anna), pid 4711"
};

UnixPeer peer_of(int connection);
uint64_t cookie_of(int connection);  // 0: it is no socket

}  // namespace parallax
