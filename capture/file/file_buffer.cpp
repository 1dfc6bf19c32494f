#include "capture/file/file_buffer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PARALLAX_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define PARALLAX_ADDRESS_SANITIZER
#endif
#ifdef PARALLAX_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace parallax {

namespace {

// The buffer is larger than the file's rest: let the sanitizer see a read beyond that.
void mark_readable([[maybe_unused]] const uint8_t* bytes, [[maybe_unused]] size_t used, [[maybe_unused]] size_t capacity) {
#ifdef PARALLAX_ADDRESS_SANITIZER
  ASAN_UNPOISON_MEMORY_REGION(bytes, used);
  ASAN_POISON_MEMORY_REGION(bytes + used, capacity - used);
#endif
}

}  // namespace

void FileBuffer::Close::operator()(gzFile_s* file) const { gzclose_r(file); }

Result<FileBuffer> FileBuffer::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Error{"cannot open " + path + ": " + std::strerror(errno)};
  struct stat status {};
  if (::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
    ::close(fd);
    return Error{"cannot read " + path + ": it is a directory"};
  }
  FileBuffer buffer;
  buffer.file_.reset(::gzdopen(fd, "rb"));
  if (!buffer.file_) {
    ::close(fd);
    return Error{"cannot read " + path + ": out of memory"};
  }
  ::gzbuffer(buffer.file_.get(), 128 << 10);
  buffer.capacity_ = kBytesDefault;
  buffer.bytes_.reset(new uint8_t[buffer.capacity_]);
  return buffer;
}

uint64_t FileBuffer::stored_bytes_read() const {
  const z_off_t at = ::gzoffset(file_.get());
  return at < 0 ? 0 : static_cast<uint64_t>(at);
}

bool FileBuffer::refill(size_t count) {
  if (at_end_) return size() >= count;
  if (count > capacity_) {
    const size_t capacity = std::max(count, capacity_ * 2);
    std::unique_ptr<uint8_t[]> larger(new uint8_t[capacity]);
    std::memcpy(larger.get(), data(), size());
    bytes_ = std::move(larger);
    capacity_ = capacity;
  } else {
    std::memmove(bytes_.get(), data(), size());
  }
  end_ = size();
  begin_ = 0;
  mark_readable(bytes_.get(), capacity_, capacity_);
  while (end_ < capacity_) {
    const int got = ::gzread(file_.get(), bytes_.get() + end_, static_cast<unsigned>(capacity_ - end_));
    if (got > 0) {
      end_ += static_cast<size_t>(got);
      continue;
    }
    at_end_ = true;
    int code = Z_OK;
    const char* text = ::gzerror(file_.get(), &code);
    if (code == Z_BUF_ERROR) {
      error_ = "the gzip stream ends early";
    } else if (code == Z_ERRNO) {
      error_ = std::strerror(errno);
    } else if (code != Z_OK && code != Z_STREAM_END) {
      error_ = std::string("the gzip stream is damaged: ") + text;
    }
    break;
  }
  mark_readable(bytes_.get(), end_, capacity_);
  return size() >= count;
}

}  // namespace parallax
