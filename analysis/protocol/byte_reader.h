// Reading bytes in order, within the element that they belong to: a scope. To read beyond the scope is `broken`, whatever bytes
// follow; to read beyond the input is `more`. The first of the two sticks: from then on every read gives zero, so that a parser
// checks ok() before it keeps what it has read, and not after each read. Owned by one call of a parser.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "analysis/protocol/parse_status.h"

namespace parallax {

inline std::string_view as_text(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::span<const uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// How many bytes of an element are still to be read.
struct Scope {
  uint32_t left = UINT32_MAX;
};

// What readers have in common, whatever their bytes come from: scopes, and the first failure.
class ScopedReader {
 public:
  bool ok() const { return status_ == ParseStatus::done; }
  ParseStatus status() const { return status_; }  // `done` while ok()
  void fail(ParseStatus status) {
    if (ok()) status_ = status;
  }
  // The next `length` bytes of `parent` as a scope of their own; they need not be there yet.
  Scope open(Scope& parent, uint32_t length) { return within(parent, length) ? Scope{length} : Scope{0}; }

 protected:
  ~ScopedReader() = default;
  // Takes `count` bytes off a scope.
  bool within(Scope& scope, uint32_t count) {
    if (!ok()) return false;
    if (count > scope.left) return fail(ParseStatus::broken), false;
    scope.left -= count;
    return true;
  }
  static uint32_t big_endian(std::span<const uint8_t> bytes) {
    uint32_t value = 0;
    for (const uint8_t byte : bytes) value = value << 8 | byte;
    return value;
  }

 private:
  ParseStatus status_ = ParseStatus::done;
};

class ByteReader : public ScopedReader {
 public:
  explicit ByteReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  size_t position() const { return position_; }

  // `count` bytes; empty where they are not to be had.
  std::span<const uint8_t> bytes(Scope& scope, uint32_t count) {
    if (!within(scope, count)) return {};
    if (count > bytes_.size() - position_) return fail(ParseStatus::more), std::span<const uint8_t>{};
    const auto found = bytes_.subspan(position_, count);
    position_ += count;
    return found;
  }
  uint8_t u8(Scope& scope) { return static_cast<uint8_t>(big_endian(bytes(scope, 1))); }
  uint16_t u16(Scope& scope) { return static_cast<uint16_t>(big_endian(bytes(scope, 2))); }
  uint32_t u32(Scope& scope) { return big_endian(bytes(scope, 4)); }

  // Passes over what is left of a scope.
  void skip(Scope& scope) { bytes(scope, scope.left); }

 private:
  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
};

}  // namespace parallax
