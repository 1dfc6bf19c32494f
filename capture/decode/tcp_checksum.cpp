#include "capture/decode/tcp_checksum.h"

#include <array>
#include <cstring>

#include "capture/core/bytes.h"

namespace parallax {
namespace {

// Of words as they lie in memory: the sum in ones' complement is the same in either order of bytes, in that order.
uint16_t folded(uint64_t sum) {
  while (sum > 0xffff) sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<uint16_t>(sum);
}
// An addition and its carry for each eight bytes; 2^64 is one, modulo 0xffff.
uint64_t sum_of(const uint8_t* data, size_t length) {
  __extension__ unsigned __int128 sum = 0;
  const auto add = [&sum](const uint8_t* at) {
    uint64_t word;
    std::memcpy(&word, at, sizeof(word));
    sum += word;
  };
  for (; length >= 32; data += 32, length -= 32) {
    for (size_t at = 0; at < 32; at += 8) add(data + at);
  }
  for (; length >= 8; data += 8, length -= 8) add(data);
  std::array<uint8_t, 8> rest{};
  std::memcpy(rest.data(), data, length);
  add(rest.data());
  const auto low = static_cast<uint64_t>(sum);
  return (low >> 32) + (low & 0xffffffff) + static_cast<uint64_t>(sum >> 64);
}

// Length of the header before the payload, told by what the header says; 0: it is not to be found.
uint32_t header_length(const Sighting& s, const CapturedPayload& captured) {
  constexpr uint32_t kLeast = 20, kMost = 40;  // before it stand 20 bytes at the least: none of this lies before the frame
  for (uint32_t length = kLeast; length <= kMost; length += 4) {
    const uint8_t* header = captured.payload - length;
    if (load16(header) == s.source_port && load16(header + 2) == s.destination_port && load32(header + 4) == s.seq &&
        (header[12] >> 4) * 4u == length)
      return length;
  }
  return 0;
}

}  // namespace

ChecksumState tcp_checksum_state(const Sighting& s, const CapturedPayload& captured) {
  if (!can_check_checksum(s, captured)) return ChecksumState::unknown;
  const uint32_t header = header_length(s, captured);
  if (header == 0) return ChecksumState::unknown;
  const uint8_t* segment = captured.payload - header;
  const uint32_t length = header + s.payload_length;
  // An IPv4 address in IPv6 form has 0xffff before it, which is a zero.
  uint64_t pseudo = sum_of(s.source.data(), s.source.size()) + sum_of(s.destination.data(), s.destination.size());
  const std::array<uint8_t, 8> tail{static_cast<uint8_t>(length >> 24),
                                    static_cast<uint8_t>(length >> 16),
                                    static_cast<uint8_t>(length >> 8),
                                    static_cast<uint8_t>(length),
                                    0,
                                    0,
                                    0,
                                    ip_protocol::tcp};
  pseudo += sum_of(tail.data(), tail.size());
  if (folded(pseudo + sum_of(segment, length)) == 0xffff) return ChecksumState::right;
  uint16_t field;
  std::memcpy(&field, segment + 16, sizeof(field));
  // Windows and Linux sum the length, too; for segments that the card is to cut up it is left out.
  const uint16_t with_length = folded(pseudo);
  const uint16_t without_length = folded(pseudo + (0xffffu - folded(sum_of(tail.data(), 4))));
  const bool is_partial = field == 0 || field == with_length || field == without_length;
  return is_partial ? ChecksumState::offloaded : ChecksumState::wrong;
}

}  // namespace parallax
