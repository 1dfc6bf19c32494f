// The bytes of a file, unpacked, as a window that moves forward: what capture file readers parse in place.
//
// Owned and used by one thread. Memory is bounded by the largest refill() asked for. Pointers hold until the next refill().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "capture/core/result.h"
#include "capture/file/unpacked_bytes.h"

namespace parallax {

class FileBuffer {
 public:
  static constexpr size_t kBytesDefault = 1 << 20;

  // "-" is standard input.
  static Result<FileBuffer> open(const std::string& path);

  const uint8_t* data() const { return bytes_.get() + begin_; }
  size_t size() const { return end_ - begin_; }
  // Of the first byte of data(), in the file (unpacked).
  uint64_t offset() const { return offset_; }
  // How much of the file has been read, as it is stored: compressed.
  uint64_t stored_bytes_read() const { return file_->stored_bytes_read(); }

  // REQUIRES: count <= size().
  void consume(size_t count) { begin_ += count, offset_ += count; }

  // Reads on until `count` bytes are there (and as many more as the buffer takes); false: the file ends before.
  bool refill(size_t count);

  // No byte will come any more but those that are here.
  bool at_end() const { return at_end_; }
  // Why reading ended early: a damaged or cut stream, an I/O error. Empty: it did not.
  const std::string& error() const { return file_->error(); }

 private:
  explicit FileBuffer(std::unique_ptr<UnpackedBytes> file)
      : file_(std::move(file)), bytes_(new uint8_t[kBytesDefault]), capacity_(kBytesDefault) {}

  std::unique_ptr<UnpackedBytes> file_;
  std::unique_ptr<uint8_t[]> bytes_;
  size_t capacity_ = 0, begin_ = 0, end_ = 0;
  uint64_t offset_ = 0;
  bool at_end_ = false;
};

}  // namespace parallax
