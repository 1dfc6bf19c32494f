#include "capture/spool/spool_location.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace parallax {

namespace {

constexpr const char* kLockName = "parallax.lock";

// "process 1234", as the owner wrote it into the lock file.
std::string owner(int lock_fd) {
  char text[32] = {};
  const ssize_t n = pread(lock_fd, text, sizeof(text) - 1, 0);
  const std::string pid(text, n > 0 ? static_cast<size_t>(n) : 0);
  return pid.empty() ? "another process" : "process " + pid.substr(0, pid.find('\n'));
}

std::string failed(const std::string& what, const std::string& path) { return what + ' ' + path + ": " + std::strerror(errno); }

Result<int> lock(const std::string& directory) {
  const std::string path = directory + '/' + kLockName;
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0) return Error{failed("cannot open", path)};
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const std::string message =
        errno == EWOULDBLOCK ? "spool directory " + directory + " is in use by " + owner(fd) + "; each daemon needs its own"
                             : failed("cannot lock", path);
    close(fd);
    return Error{message};
  }
  // Only for the message above: on a full disk it may stay unwritten.
  const std::string pid = std::to_string(getpid()) + '\n';
  if (ftruncate(fd, 0) == 0 && pwrite(fd, pid.data(), pid.size(), 0) < 0) errno = 0;
  return fd;
}

// Also of a bind mount, which has the device number of what it shows.
bool is_mount_point(const std::string& path) {
  struct statx status {};
  return statx(AT_FDCWD, path.c_str(), 0, STATX_TYPE, &status) == 0 && (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

// The directory that `path` would be made in.
std::string parent_of(const std::string& path) { return (std::filesystem::path(path) / "").parent_path().parent_path(); }

// Whether it was.
Result<bool> make_if_missing(const std::string& path, bool must_be_mount) {
  if (const std::string why = SpoolLocation::why_unfit(path, must_be_mount); !why.empty()) return Error{why};
  struct stat status {};
  if (stat(path.c_str(), &status) == 0) return false;
  if (mkdir(path.c_str(), 0750) == 0) return true;  // it holds payload
  return Error{failed("cannot make spool directory", path)};
}

}  // namespace

SpoolLocation::SpoolLocation(std::string path, int lock_fd, bool was_made)
    : path_(std::move(path)), lock_fd_(lock_fd), was_made_(was_made) {
  struct stat status {};
  if (stat(path_.c_str(), &status) != 0) return;  // gone again: why_lost() says so
  device_ = status.st_dev;
  inode_ = status.st_ino;
}

SpoolLocation::~SpoolLocation() { close(lock_fd_); }

Result<std::unique_ptr<SpoolLocation>> SpoolLocation::take(const std::string& path, bool must_be_mount) {
  const Result<bool> made = make_if_missing(path, must_be_mount);
  if (!made) return Error{made.error()};
  const Result<int> lock_fd = lock(path);
  if (!lock_fd) return Error{lock_fd.error()};
  return std::unique_ptr<SpoolLocation>(new SpoolLocation(path, *lock_fd, *made));
}

std::string SpoolLocation::why_unfit(const std::string& path, bool must_be_mount) {
  struct stat status {};
  if (stat(path.c_str(), &status) == 0) {
    if (!S_ISDIR(status.st_mode)) return "spool directory " + path + " is not a directory";
    if (must_be_mount && !is_mount_point(path))
      return "spool directory " + path + " is not a mount point, as spool.require_mount wants: mount its disk there";
    return {};
  }
  if (must_be_mount) return failed("spool directory", path) + "; spool.require_mount is set: make it, and mount its disk there";
  const std::string parent = parent_of(path);
  if (parent.empty() || stat(parent.c_str(), &status) == 0) return {};
  return "cannot make spool directory " + path + ": " + parent + " does not exist; correct spool.directory, or make that first";
}

std::string SpoolLocation::why_lost() const {
  struct stat now {
  }, locked{};
  if (stat(path_.c_str(), &now) != 0) return errno == ENOENT || errno == ENOTDIR ? std::strerror(errno) : std::string();
  if (now.st_dev != device_ || now.st_ino != inode_) return "another directory has taken its place";
  if (fstat(lock_fd_, &locked) != 0 || stat((path_ + '/' + kLockName).c_str(), &now) != 0 || now.st_ino != locked.st_ino) {
    return "its lock has been removed";
  }
  return {};
}

bool SpoolLocation::is_where(const SpoolLocation& other) const { return device_ == other.device_ && inode_ == other.inode_; }

uint64_t SpoolLocation::free_bytes() const {
  struct statvfs disk {};
  if (fstatvfs(lock_fd_, &disk) != 0) return UINT64_MAX;
  return uint64_t{disk.f_bavail} * disk.f_frsize;
}

}  // namespace parallax
