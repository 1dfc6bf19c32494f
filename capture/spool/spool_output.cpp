#include "capture/spool/spool_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace parallax {

void SpoolOutput::open(int fd, bool direct) {
  close();
  fd_ = fd;
  bytes_ = 0;
  if (!direct) return;
  // A description of its own: the flag belongs to that, and the plain appends need it unset.
  const std::string again = "/proc/self/fd/" + std::to_string(fd);
  direct_fd_ = ::open(again.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC);
}

void SpoolOutput::close() {
  for (int* fd : {&fd_, &direct_fd_}) {
    if (*fd >= 0) ::close(*fd);
    *fd = -1;
  }
}

bool SpoolOutput::append(std::span<const uint8_t> bytes, int& error) {
  if (!write_whole(fd_, bytes, error)) return false;
  // Begins to write back at once, so that the kernel never holds so much that it makes the writer wait for all of it.
  sync_file_range(fd_, static_cast<off_t>(bytes_ - bytes.size()), static_cast<off_t>(bytes.size()), SYNC_FILE_RANGE_WRITE);
  return true;
}

bool SpoolOutput::append_direct(std::span<const uint8_t> bytes, int& error) {
  if (write_whole(direct_fd_, bytes, error)) return true;
  if (error != EINVAL && error != EOPNOTSUPP) return false;
  ::close(direct_fd_);
  direct_fd_ = -1;
  return append(bytes, error);
}

bool SpoolOutput::write_whole(int fd, std::span<const uint8_t> bytes, int& error) {
  ssize_t written;
  do {
    written = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(bytes_));
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(bytes.size())) {
    bytes_ += bytes.size();
    return true;
  }
  error = errno;
  if (written >= 0) {
    // A part went in: the reason comes with the attempt at the rest, on the descriptor that takes any bytes.
    const size_t done = static_cast<size_t>(written);
    const ssize_t rest = pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(bytes_ + done));
    error = rest < 0 ? errno : ENOSPC;
  }
  why_not_cut_ = ftruncate(fd_, static_cast<off_t>(bytes_)) == 0 ? 0 : errno;
  return false;
}

}  // namespace parallax
