// Reading handshake messages out of TLS records: as ByteReader (byte_reader.h), but what it reads may go on in the next record.
//
// Within a message only handshake records may follow (RFC 8446, 5.1). Between messages at_record_end() tells that another record,
// of whatever type, comes next. Owned by one call of a parser.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "analysis/protocol/byte_reader.h"
#include "analysis/protocol/parse_status.h"

namespace parallax {

inline constexpr uint32_t kTlsRecordBytesMax =
    16384 + 2048;  // of an encrypted record (RFC 5246, 6.2.3); in the clear it is 16384

namespace tls_record {
inline constexpr uint8_t change_cipher_spec = 20, alert = 21, handshake = 22, application_data = 23, heartbeat = 24;
inline constexpr size_t header_bytes = 5;
}  // namespace tls_record

class TlsReader : public ScopedReader {
 public:
  explicit TlsReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool at_record_end() const { return record_left_ == 0; }
  // The bytes after the last record read. REQUIRES: at_record_end().
  std::span<const uint8_t> rest() const { return bytes_.subspan(position_); }
  // Passes over `count` of them. REQUIRES: count <= rest().size().
  void skip_rest(size_t count) { position_ += count; }

  uint8_t u8(Scope& scope) { return static_cast<uint8_t>(number<1>(scope)); }
  uint16_t u16(Scope& scope) { return static_cast<uint16_t>(number<2>(scope)); }
  uint32_t u24(Scope& scope) { return number<3>(scope); }
  // Fills `to`, or nothing of use: false.
  bool copy(Scope& scope, std::span<uint8_t> to) {
    if (!within(scope, static_cast<uint32_t>(to.size()))) return false;
    size_t copied = 0;
    while (copied < to.size()) {
      const auto part = next(static_cast<uint32_t>(to.size() - copied));
      if (part.empty()) return false;
      std::copy(part.begin(), part.end(), to.begin() + static_cast<ptrdiff_t>(copied));
      copied += part.size();
    }
    return true;
  }
  void skip(Scope& scope) {
    uint32_t left = scope.left;
    if (!within(scope, left)) return;
    while (left > 0 && ok()) left -= static_cast<uint32_t>(next(left).size());
  }
  // What the scope has in the present record, in one piece; that more of it follows in this record, beyond the input, is `cut`.
  std::span<const uint8_t> piece(Scope& scope, bool& cut) {
    if (!ok() || scope.left == 0 || !begin_record()) return {};
    const uint32_t wanted = std::min(scope.left, record_left_);
    const auto found = next(wanted);
    scope.left -= static_cast<uint32_t>(found.size());
    cut = found.size() < wanted;
    return found;
  }

 private:
  template <uint32_t size>
  uint32_t number(Scope& scope) {
    uint8_t digits[size];
    return copy(scope, digits) ? big_endian(digits) : 0;
  }

  // At the end of a record goes on to the next one. False: it is not there, or not one that continues a message.
  bool begin_record() {
    if (record_left_ > 0) return true;
    const auto header = bytes_.subspan(position_);
    if (header.size() < tls_record::header_bytes) return fail(ParseStatus::more), false;
    const uint32_t length = static_cast<uint32_t>(header[3] << 8 | header[4]);
    if (header[0] != tls_record::handshake || header[1] != 3 || length == 0 || length > kTlsRecordBytesMax) {
      return fail(ParseStatus::broken), false;
    }
    position_ += tls_record::header_bytes;
    record_left_ = length;
    return true;
  }
  // At most `count` bytes, as many as are in one piece; none only where it fails. REQUIRES: count > 0.
  std::span<const uint8_t> next(uint32_t count) {
    if (!begin_record()) return {};
    const size_t size = std::min<size_t>({count, record_left_, bytes_.size() - position_});
    if (size == 0) fail(ParseStatus::more);
    const auto found = bytes_.subspan(position_, size);
    position_ += size;
    record_left_ -= static_cast<uint32_t>(size);
    return found;
  }

  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
  uint32_t record_left_ = 0;
};

}  // namespace parallax
