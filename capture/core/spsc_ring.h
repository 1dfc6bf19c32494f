// A bounded single-producer single-consumer ring of trivially copyable values.
//
// One thread pushes, one pops; neither ever waits. Each side caches the other's index, so that a burst costs one shared
// line each way. Capacity is a power of two, memory is taken in the constructor. A full ring refuses: counting the
// refused is the caller's duty.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>

namespace parallax {

template <typename T>
class SpscRing {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  // REQUIRES: capacity is a power of two.
  explicit SpscRing(size_t capacity)
      : mask_(std::bit_ceil(capacity) - 1), slots_(static_cast<T*>(::operator new[](sizeof(T) * (mask_ + 1), kAlignment))) {}
  ~SpscRing() { ::operator delete[](slots_, kAlignment); }
  SpscRing(const SpscRing&) = delete;
  SpscRing& operator=(const SpscRing&) = delete;

  size_t capacity() const { return mask_ + 1; }

  // Producer. Returns how many of the first items went in.
  size_t push(std::span<const T> items) {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (capacity() - (tail - head_cached_) < items.size()) head_cached_ = head_.load(std::memory_order_acquire);
    const size_t count = std::min(items.size(), capacity() - (tail - head_cached_));
    const size_t until_wrap = std::min(count, capacity() - (tail & mask_));
    if (count == 0) return 0;
    std::memcpy(static_cast<void*>(slots_ + (tail & mask_)), items.data(), until_wrap * sizeof(T));
    if (count > until_wrap) std::memcpy(static_cast<void*>(slots_), items.data() + until_wrap, (count - until_wrap) * sizeof(T));
    tail_.store(tail + count, std::memory_order_release);
    return count;
  }
  // Producer. Free slots, contiguous, to be written in place and then committed; at most `wanted`, and fewer where the ring
  // wraps.
  std::span<T> reserve(size_t wanted) {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    return {slots_ + (tail & mask_), std::min(room(wanted), capacity() - (tail & mask_))};
  }
  // REQUIRES: count <= reserve().size(), and all of them written.
  void commit(size_t count) { tail_.store(tail_.load(std::memory_order_relaxed) + count, std::memory_order_release); }
  // Producer. How many of `wanted` items a push would take now; it may only grow until then.
  size_t room(size_t wanted) {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (capacity() - (tail - head_cached_) < wanted) head_cached_ = head_.load(std::memory_order_acquire);
    return std::min(wanted, capacity() - (tail - head_cached_));
  }
  bool push(const T& item) { return push(std::span<const T>(&item, 1)) == 1; }

  // Consumer. The oldest items, contiguous, the consumer's to read and write until pop(); may be fewer than are in the
  // ring. Empty: nothing there.
  std::span<T> peek() {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_cached_) tail_cached_ = tail_.load(std::memory_order_acquire);
    const size_t count = tail_cached_ - head;
    return {slots_ + (head & mask_), std::min(count, capacity() - (head & mask_))};
  }
  // REQUIRES: count <= peek().size().
  void pop(size_t count) { head_.store(head_.load(std::memory_order_relaxed) + count, std::memory_order_release); }

  // Either side, or a third that only looks: approximate.
  size_t size() const {
    const size_t head = head_.load(std::memory_order_acquire);
    const size_t tail = tail_.load(std::memory_order_acquire);
    return tail - std::min(head, tail);
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  const size_t mask_;
  T* const slots_;
  alignas(64) std::atomic<size_t> tail_{0};  // producer's line
  size_t head_cached_ = 0;
  alignas(64) std::atomic<size_t> head_{0};  // consumer's line
  size_t tail_cached_ = 0;
};

}  // namespace parallax
