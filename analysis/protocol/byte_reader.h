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

// How many bytes of an element are still to be read.
struct Scope {
  uint32_t left = UINT32_MAX;
};

class ByteReader {
 public:
  explicit ByteReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool ok() const { return status_ == ParseStatus::done; }
  ParseStatus status() const { return status_; }  // `done` while ok()
  size_t position() const { return position_; }
  void fail(ParseStatus status) {
    if (ok()) status_ = status;
  }

  // `count` bytes; empty where they are not to be had.
  std::span<const uint8_t> bytes(Scope& scope, uint32_t count) {
    if (!within(scope, count)) return {};
    if (count > bytes_.size() - position_) return fail(ParseStatus::more), std::span<const uint8_t>{};
    const auto found = bytes_.subspan(position_, count);
    position_ += count;
    return found;
  }
  uint8_t u8(Scope& scope) { return static_cast<uint8_t>(number<1>(scope)); }
  uint16_t u16(Scope& scope) { return static_cast<uint16_t>(number<2>(scope)); }
  uint32_t u32(Scope& scope) { return number<4>(scope); }

  // The next `length` bytes of `parent` as a scope of their own; they need not be there yet.
  Scope open(Scope& parent, uint32_t length) { return within(parent, length) ? Scope{length} : Scope{0}; }
  // Passes over what is left of a scope.
  void skip(Scope& scope) { bytes(scope, scope.left); }

 private:
  bool within(Scope& scope, uint32_t count) {
    if (!ok()) return false;
    if (count > scope.left) return fail(ParseStatus::broken), false;
    scope.left -= count;
    return true;
  }
  template <uint32_t size>
  uint32_t number(Scope& scope) {
    uint32_t value = 0;
    for (const uint8_t byte : bytes(scope, size)) value = value << 8 | byte;
    return value;
  }

  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
  ParseStatus status_ = ParseStatus::done;
};

}  // namespace parallax
