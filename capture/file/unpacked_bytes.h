// The bytes of a file as they were before it was packed: plain, gzip (RFC 1952) or zstd (RFC 8878), told by its first bytes.
//
// Several packed pieces one after another are one, as with gzip and zstd themselves. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "capture/core/result.h"
#include "capture/file/stored_bytes.h"

namespace parallax {

class UnpackedBytes {
 public:
  static Result<std::unique_ptr<UnpackedBytes>> open(const std::string& path);
  virtual ~UnpackedBytes() = default;

  // As many bytes as come at once, at least one. 0: there are no more, or error() says why not.
  virtual size_t read(std::span<uint8_t> out) = 0;
  // Why reading ended early: a damaged or cut stream, an I/O error. Empty: it did not.
  const std::string& error() const { return error_.empty() ? stored_.error() : error_; }
  uint64_t stored_bytes_read() const { return stored_.bytes_read(); }

 protected:
  explicit UnpackedBytes(StoredBytes stored) : stored_(std::move(stored)) {}

  StoredBytes stored_;
  std::string error_;
};

}  // namespace parallax
