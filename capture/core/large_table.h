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

// Whether more of it may be asked for than will be used: it is not limited (ulimit -v), nor does the kernel count what is not
// touched (vm.overcommit_memory is not 2).
bool has_address_space_to_spare();

// For a table that grows by a few entries at a time: until it holds `kRoom` of them nothing is moved. What is asked for is
// address space alone: the kernel gives memory as it is touched. Where there is none to spare, the table grows as any vector
// does.
template <typename T>
void reserve_room(LargeTable<T>& table) {
  constexpr size_t kRoom = 1 << 20;
  if (has_address_space_to_spare()) table.reserve(kRoom);
}

}  // namespace parallax
