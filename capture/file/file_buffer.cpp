#include "capture/file/file_buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

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

Result<FileBuffer> FileBuffer::open(const std::string& path) {
  Result<std::unique_ptr<UnpackedBytes>> file = UnpackedBytes::open(path);
  if (!file.ok()) return Error{file.error()};
  return FileBuffer(std::move(*file));
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
    const size_t got = file_->read({bytes_.get() + end_, capacity_ - end_});
    at_end_ = got == 0;
    if (at_end_) break;
    end_ += got;
  }
  mark_readable(bytes_.get(), end_, capacity_);
  return size() >= count;
}

}  // namespace parallax
