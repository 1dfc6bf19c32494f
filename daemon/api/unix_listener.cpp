#include "daemon/api/unix_listener.h"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace parallax {
namespace {

constexpr mode_t kMode = 0660;
constexpr int kBacklog = 64;

// Clears the way for a new socket at `path`. False: somebody or something is in it.
bool remove_stale(const std::string& path, const sockaddr_un& address, std::string& error) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return true;
    error = fmt::format("api.address {}: {}", path, std::strerror(errno));
    return false;
  }
  if (!S_ISSOCK(status.st_mode)) {
    error = fmt::format("api.address {}: is there already and is not a socket", path);
    return false;
  }
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const bool connected = probe >= 0 && ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const int failure = errno;
  if (probe >= 0) ::close(probe);
  if (!connected && failure == ECONNREFUSED) {
    if (::unlink(path.c_str()) == 0) return true;
    error = fmt::format("api.address {}: a socket that nobody listens on is in the way: {}", path, std::strerror(errno));
  } else if (connected || failure == EAGAIN) {
    error = fmt::format("api.address {}: another process listens on it; is parallaxd running already?", path);
  } else {
    error = fmt::format("api.address {}: {}", path, std::strerror(failure));
  }
  return false;
}

}  // namespace

UnixListener::~UnixListener() {
  if (handle_ < 0) return;
  ::close(handle_);
  struct stat status {};
  if (::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_) ::unlink(path_.c_str());
}

bool UnixListener::open(const std::string& path, std::string& error) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    error = fmt::format("api.address unix:{}: a socket's path has 1 to {} bytes", path, sizeof address.sun_path - 1);
    return false;
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  if (!remove_stale(path, address, error)) return false;

  const int handle = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  // The mode set before bind() is the most that the file will ever have; the one after it undoes the umask.
  if (handle < 0 || ::fchmod(handle, kMode) != 0 ||
      ::bind(handle, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::chmod(path.c_str(), kMode) != 0 ||
      ::listen(handle, kBacklog) != 0) {
    error = fmt::format("api.address {}: {}", path, std::strerror(errno));
    if (errno == ENOENT) error += " (does its directory exist?)";
    if (handle >= 0) ::close(handle);
    return false;
  }
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) {
    device_ = status.st_dev;
    inode_ = status.st_ino;
  }
  handle_ = handle;
  path_ = path;
  return true;
}

uint64_t cookie_of(int connection) {
  uint64_t cookie = 0;
  socklen_t length = sizeof cookie;
  return ::getsockopt(connection, SOL_SOCKET, SO_COOKIE, &cookie, &length) == 0 ? cookie : 0;
}

UnixPeer peer_of(int connection) {
  UnixPeer peer;
  peer.cookie = cookie_of(connection);
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return peer;
  peer.user = credentials.uid;
  peer.process = credentials.pid;
  length = 0;
  if (::getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS, nullptr, &length) != 0 && errno != ERANGE) return peer;
  peer.groups.resize(length / sizeof(gid_t));
  if (::getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &length) != 0) return peer;
  peer.groups.push_back(credentials.gid);
  peer.is_known = true;
  return peer;
}

std::string UnixPeer::text() const {
  if (!is_known) return "unknown peer";
  std::array<char, 4096> buffer;
  passwd entry{};
  passwd* found = nullptr;
  ::getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found);
  return fmt::format("uid {} ({}), pid {}", user, found != nullptr ? entry.pw_name : "no name", process);
}

}  // namespace parallax
