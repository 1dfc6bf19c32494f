// A first-in-first-out queue of trivially copyable values for one thread, with a bound.
//
// It doubles when it is full, up to the bound, and never shrinks. It lies in chunks, so that growing moves pointers and part of
// one chunk: to copy 100,000 events takes longer than a turn of whoever owns it may. Where all the memory that the bound asks for
// is taken at the start, pages that were never needed are never touched.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <type_traits>
#include <vector>

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
        shift_(std::countr_zero(std::min(capacity_, kChunkMost))) {
    add_chunks(capacity_ >> shift_);
  }

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  // How many more it takes.
  size_t room() const { return most_ - size_; }
  const T& front() const { return *at(head_); }
  // What will be the front after `count` more; null: that is not there yet.
  const T* ahead(size_t count) const { return count < size_ ? at((head_ + count) & (capacity_ - 1)) : nullptr; }

  // False: it is full.
  bool push(const T& item) {
    if (size_ == capacity_ && !grow()) return false;
    std::memcpy(static_cast<void*>(at((head_ + size_++) & (capacity_ - 1))), &item, sizeof(T));
    return true;
  }
  // REQUIRES: not empty.
  void pop() {
    head_ = --size_ == 0 ? 0 : (head_ + 1) & (capacity_ - 1);  // the same few pages, as long as few wait
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  static constexpr size_t kChunkMost = 1024;
  struct GiveBack {
    void operator()(T* slots) const { ::operator delete(slots, kAlignment); }
  };

  size_t within(size_t index) const { return index & ((size_t{1} << shift_) - 1); }
  T* at(size_t index) const { return chunks_[index >> shift_].get() + within(index); }
  void add_chunks(size_t count) {
    for (; count > 0; --count) chunks_.emplace_back(static_cast<T*>(::operator new(sizeof(T) << shift_, kAlignment)));
  }

  // REQUIRES: it is full. The chunk of the oldest item comes first; what it holds of the newest goes behind the last chunk.
  bool grow() {
    if (capacity_ == most_) return false;
    const size_t first = head_ >> shift_, newest = within(head_);
    std::rotate(chunks_.begin(), chunks_.begin() + static_cast<std::ptrdiff_t>(first), chunks_.end());
    add_chunks(chunks_.size());
    std::memcpy(static_cast<void*>(at(capacity_)), chunks_.front().get(), newest * sizeof(T));
    head_ = newest;
    capacity_ *= 2;
    return true;
  }

  size_t capacity_;
  const size_t most_;
  const int shift_;  // a chunk has 2^shift_ items
  size_t head_ = 0, size_ = 0;
  std::vector<std::unique_ptr<T, GiveBack>> chunks_;
};

}  // namespace parallax
