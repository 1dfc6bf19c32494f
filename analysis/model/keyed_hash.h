// A hash for tables whose keys come from the wire: mixed with a secret of the process, so that nobody outside can choose keys
// that collide. Nothing may depend on its values but where an entry lies: output never does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "analysis/model/model.h"
#include "capture/core/process_secret.h"

namespace parallax {

class KeyedHash {
 public:
  KeyedHash() : state_(secret()) {}

  KeyedHash& add(uint64_t value) {
    // The folded 128-bit product, as in wyhash: every bit of the value reaches every bit of the state.
    const auto product = static_cast<unsigned __int128>(state_ ^ value) * 0x9E3779B97F4A7C15u;
    state_ = static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64) ^ value;
    return *this;
  }
  KeyedHash& add(const Address& address) {
    uint64_t halves[2];
    static_assert(sizeof halves == sizeof(Address));
    std::memcpy(halves, address.data(), sizeof halves);
    return add(halves[0]).add(halves[1]);
  }
  KeyedHash& add(const Endpoint& end) { return add(end.address).add(end.port); }
  uint64_t value() const { return state_ ^ state_ >> 32; }

  // The same for the life of the process.
  static uint64_t secret() {
    static const uint64_t value = process_secret();  // without a call for each hash
    return value;
  }

 private:
  uint64_t state_;
};

// For std::unordered_map over one of the types above.
template <typename Key>
struct KeyedHashOf {
  size_t operator()(const Key& key) const { return KeyedHash().add(key).value(); }
};

}  // namespace parallax
