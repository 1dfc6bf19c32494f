// By how much a device changes the checksums of a direction's segments, and which of them it does not change so.
//
// Whatever it rewrites of addresses, ports and sequence numbers changes the sum of each by the same, in ones' complement; so a
// segment whose sum is changed otherwise carries another payload, and nobody has to keep the payload to see it. Checksums that
// the sender's hardware had not filled in when they were captured never agree, and so prove nothing.
#pragma once

#include <cstdint>

#include "capture/core/sighting.h"

namespace parallax {

class ChecksumShift {
 public:
  static constexpr uint8_t kAgreeLeast = 4;  // in a row, before one that does not agree says anything

  // A segment that entered with one checksum and left with the other, and is the same in all that a device does not rewrite for
  // all alike. True: its payload was altered, or the checksum was right and left wrong.
  // `are_checked`: kWrongChecksum means what it says; else it is a checksum as any other.
  bool is_altered(uint16_t in, uint16_t out, bool are_checked = false) {
    const uint16_t shift = difference(in, out);
    if (shift != shift_ || agreed_ == 0 || is_over_) [[unlikely]]
      return are_checked && (in == kWrongChecksum || out == kWrongChecksum) ? in != kWrongChecksum && !is_over_
                                                                            : is_altered_by(shift);
    agreed_ = static_cast<uint8_t>(agreed_ + (agreed_ < UINT8_MAX));
    return false;
  }

  // The device cuts segments anew: then one that looks the same may be a piece of another.
  void give_up() { is_over_ = true; }

 private:
  static constexpr uint32_t kOnes = 0xffff;  // the other zero
  static uint16_t difference(uint16_t from, uint16_t to) {
    const uint32_t sum = to + (from ^ kOnes);
    const uint32_t folded = (sum & kOnes) + (sum >> 16);
    return static_cast<uint16_t>(folded == kOnes ? 0 : folded);
  }

  bool is_altered_by(uint16_t shift) {
    if (is_over_) return false;
    // Sequence numbers and timestamps that begin anew at 0 change the sum by one.
    constexpr uint16_t kWraps = 2;
    const uint16_t apart = difference(shift_, shift);
    const bool agrees = agreed_ > 0 && (apart <= kWraps || apart >= kOnes - kWraps);
    if (!agrees && agreed_ >= kAgreeLeast) {
      agreed_ = kAgreeLeast / 2;
      return true;
    }
    agreed_ = agrees ? static_cast<uint8_t>(agreed_ + (agreed_ < UINT8_MAX)) : uint8_t{1};
    shift_ = shift;
    return false;
  }

  uint16_t shift_ = 0;
  uint8_t agreed_ = 0;
  bool is_over_ = false;
};

}  // namespace parallax
