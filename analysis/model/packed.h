// A plain record of which few words are not zero, kept as these words and where they go: memory of its own, and none where all
// are zero. For what is read seldom, as each time it is put together anew.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>

namespace parallax {

template <typename T>
class Packed {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(uint32_t) == 0);

 public:
  Packed() = default;
  Packed(const Packed& other) { *this = other.get(); }
  Packed(Packed&&) = default;
  Packed& operator=(Packed&&) = default;
  Packed& operator=(const T& value) {
    std::array<uint32_t, kWords> words;
    std::memcpy(words.data(), &value, sizeof(T));
    std::array<uint32_t, kMapWords + kWords> kept{};
    size_t used = kMapWords;
    for (size_t i = 0; i < kWords; ++i) {
      if (words[i] == 0) continue;
      kept[i / 32] |= uint32_t{1} << i % 32;
      kept[used++] = words[i];
    }
    if (used == kMapWords) {
      kept_.reset();
      return *this;
    }
    kept_ = std::make_unique_for_overwrite<uint32_t[]>(used);
    std::memcpy(kept_.get(), kept.data(), used * sizeof(uint32_t));
    return *this;
  }

  T get() const {
    std::array<uint32_t, kWords> words{};
    if (kept_ == nullptr) return std::bit_cast<T>(words);
    const uint32_t* next = kept_.get() + kMapWords;
    for (size_t m = 0; m < kMapWords; ++m) {
      for (uint32_t map = kept_[m]; map != 0; map &= map - 1)
        words[32 * m + static_cast<size_t>(std::countr_zero(map))] = *next++;
    }
    return std::bit_cast<T>(words);
  }

 private:
  static constexpr size_t kWords = sizeof(T) / sizeof(uint32_t), kMapWords = (kWords + 31) / 32;
  std::unique_ptr<uint32_t[]> kept_;  // a bit for each word that is not zero, and these; null: all are zero
};

}  // namespace parallax
