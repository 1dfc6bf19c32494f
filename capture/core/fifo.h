// A first-in-first-out queue of trivially copyable values for one thread, with a bound.
//
// It doubles when it is full, up to the bound, and never shrinks. Where all the memory that the bound asks for is taken at the
// start, pages that were never needed are never touched.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>

namespace parallax {

template <typename T>
class Fifo {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  static constexpr size_t kUnbounded = std::numeric_limits<size_t>::max();

  // At most `most` items; memory for `at_start` of them is taken now. Both are rounded up to a power of two.
  // REQUIRES: at_start <= most.
  Fifo(size_t at_start, size_t most)
      : capacity_(std::bit_ceil(std::max<size_t>(at_start, 1))),
        most_(most == kUnbounded ? kUnbounded : std::bit_ceil(std::max<size_t>(most, 1))),
        slots_(take(capacity_)) {}
  ~Fifo() { give_back(slots_); }
  Fifo(Fifo&& other) noexcept
      : capacity_(other.capacity_),
        most_(other.most_),
        head_(other.head_),
        size_(other.size_),
        slots_(std::exchange(other.slots_, nullptr)) {}
  Fifo& operator=(Fifo&&) = delete;

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  // How many more it takes.
  size_t room() const { return most_ - size_; }
  const T& front() const { return slots_[head_]; }

  // False: it is full.
  bool push(const T& item) {
    if (size_ == capacity_ && !grow()) return false;
    std::memcpy(static_cast<void*>(slots_ + ((head_ + size_++) & (capacity_ - 1))), &item, sizeof(T));
    return true;
  }
  // REQUIRES: not empty.
  void pop() {
    head_ = --size_ == 0 ? 0 : (head_ + 1) & (capacity_ - 1);  // the same few pages, as long as few wait
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  static T* take(size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), kAlignment)); }
  static void give_back(T* slots) { ::operator delete(slots, kAlignment); }

  bool grow() {
    if (capacity_ == most_) return false;
    T* const larger = take(2 * capacity_);
    for (size_t i = 0; i < size_; ++i)
      std::memcpy(static_cast<void*>(larger + i), slots_ + ((head_ + i) & (capacity_ - 1)), sizeof(T));
    give_back(std::exchange(slots_, larger));
    capacity_ *= 2;
    head_ = 0;
    return true;
  }

  size_t capacity_;
  const size_t most_;
  size_t head_ = 0, size_ = 0;
  T* slots_;
};

}  // namespace parallax
