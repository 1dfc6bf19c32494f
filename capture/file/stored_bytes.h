// The bytes of a file as they are stored: read in large pieces, for whoever unpacks them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "capture/core/result.h"

namespace parallax {

class StoredBytes {
 public:
  // "-" is standard input.
  static Result<StoredBytes> open(const std::string& path);
  StoredBytes(StoredBytes&& other) noexcept;
  ~StoredBytes();

  // What has been read and not consumed.
  std::span<const uint8_t> available() const { return {bytes_.get() + begin_, end_ - begin_}; }
  void consume(size_t count) { begin_ += count; }
  // Reads on until `count` bytes are available, at most kPieceBytes. False: there are fewer.
  bool fill(size_t count);
  // Past this buffer, where nothing is available in it. 0: the end, or an error. REQUIRES: available() is empty.
  size_t read(std::span<uint8_t> out);

  uint64_t bytes_read() const { return bytes_read_; }
  const std::string& error() const { return error_; }  // empty: none

 private:
  static constexpr size_t kPieceBytes = 128 << 10;
  explicit StoredBytes(int descriptor) : descriptor_(descriptor), bytes_(new uint8_t[kPieceBytes]) {}
  size_t read_some(uint8_t* out, size_t most);

  int descriptor_;
  std::unique_ptr<uint8_t[]> bytes_;
  size_t begin_ = 0, end_ = 0;
  uint64_t bytes_read_ = 0;
  std::string error_;
};

}  // namespace parallax
