// By how much a device shifts the sequence numbers of one direction: those leaving less those entering, modulo 2^32.
//
// Unknown until packets that are the same at both points have taught it, and never taken for 0 before that. A SYN teaches it at
// once. In midstream, packets vote: what agrees in everything but the sequence number proposes an offset, and it takes
// kVotesNeeded in a row that agree, each of the weight of what else shows that the two are one packet.
#pragma once

#include <cstdint>

namespace parallax {

class SequenceOffset {
 public:
  static constexpr uint8_t kVotesNeeded = 4;
  // Sequence and acknowledgement number and IP ID agree as they are: 80 bits.
  static constexpr uint8_t kSamePacket = kVotesNeeded;
  // The same IP ID, or both numbers as they are but no ID: two must agree, for IDs come again and so do small offsets.
  static constexpr uint8_t kSameId = 2;
  // The only packet of its length and flags for a while on both sides.
  static constexpr uint8_t kAlone = 1;

  bool known() const { return votes_ >= kVotesNeeded; }
  uint32_t value() const { return value_; }  // 0 while unknown, if nothing has voted

  void learn(uint32_t offset) {
    is_new_ |= !known();
    value_ = offset;
    votes_ = kVotesNeeded;
  }
  // REQUIRES: !known().
  void vote(uint32_t offset, uint8_t weight) {
    votes_ = votes_ > 0 && offset == value_ ? static_cast<uint8_t>(votes_ + weight) : weight;
    value_ = offset;
    is_new_ = known();
  }
  // It has become known, and what was seen until then has not been looked at again.
  bool is_new() const { return is_new_; }
  void take_in() { is_new_ = false; }

 private:
  uint32_t value_ = 0;
  uint8_t votes_ = 0;
  bool is_new_ = false;
};

}  // namespace parallax
