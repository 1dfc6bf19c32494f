#include "capture/file/stored_bytes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace parallax {

Result<StoredBytes> StoredBytes::open(const std::string& path) {
  const bool is_input = path == "-";
  const int descriptor = is_input ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const std::string name = is_input ? "standard input" : path;
  if (descriptor < 0) return Error{"cannot open " + name + ": " + std::strerror(errno)};
  StoredBytes bytes(descriptor);
  struct stat status {};
  if (::fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) return Error{"cannot read " + name + ": it is a directory"};
  ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);  // of a pipe it means nothing
  return bytes;
}

StoredBytes::StoredBytes(StoredBytes&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      bytes_(std::move(other.bytes_)),
      begin_(other.begin_),
      end_(other.end_),
      bytes_read_(other.bytes_read_),
      error_(std::move(other.error_)) {}

StoredBytes::~StoredBytes() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

size_t StoredBytes::read_some(uint8_t* out, size_t most) {
  ssize_t got;
  do {
    got = ::read(descriptor_, out, most);
  } while (got < 0 && errno == EINTR);
  if (got < 0) error_ = std::strerror(errno);
  if (got <= 0) return 0;
  bytes_read_ += static_cast<uint64_t>(got);
  return static_cast<size_t>(got);
}

bool StoredBytes::fill(size_t count) {
  if (begin_ > 0) {
    std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  while (end_ < count) {
    const size_t got = read_some(bytes_.get() + end_, kPieceBytes - end_);
    if (got == 0) return false;
    end_ += got;
  }
  return true;
}

size_t StoredBytes::read(std::span<uint8_t> out) { return read_some(out.data(), out.size()); }

}  // namespace parallax
