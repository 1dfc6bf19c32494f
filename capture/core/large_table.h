// A vector for tables that are looked up at random: from 2 MiB on it asks the kernel for huge pages.
//
// With pages of 4 KiB nearly every look-up in a table of 100,000 legs misses the TLB as well as the cache (benchmarks/README.md
// has the figures). Where huge pages are off (/sys/kernel/mm/transparent_hugepage/enabled says never) it is an ordinary vector.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <new>
#include <vector>

namespace parallax {

template <typename T>
struct HugePageAllocator {
  using value_type = T;
  static constexpr size_t kHugePage = 2 << 20;

  HugePageAllocator() = default;
  template <typename U>
  HugePageAllocator(const HugePageAllocator<U>&) {}

  static std::align_val_t alignment_of(size_t bytes) {
    return std::align_val_t{bytes < kHugePage ? std::max<size_t>(alignof(T), 64) : kHugePage};
  }
  T* allocate(size_t count) {
    const size_t bytes = count * sizeof(T);
    void* memory = ::operator new(bytes, alignment_of(bytes));
    if (bytes >= kHugePage) ::madvise(memory, bytes, MADV_HUGEPAGE);  // a wish: refused, nothing changes
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t count) { ::operator delete(memory, alignment_of(count * sizeof(T))); }
  bool operator==(const HugePageAllocator&) const { return true; }
};

template <typename T>
using LargeTable = std::vector<T, HugePageAllocator<T>>;

}  // namespace parallax
