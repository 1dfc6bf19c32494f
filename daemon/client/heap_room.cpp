#include "daemon/client/heap_room.h"

#include <malloc.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>

#include "capture/core/large_table.h"

namespace parallax {

void make_heap_room(size_t bytes) {
  if (!has_address_space_to_spare()) return;
  constexpr size_t kHugePage = 2 << 20;
  constexpr int kMappedFrom = 32 << 20, kMappedMost = 65536;  // the highest that glibc takes, and its own
  // A block at the end of the heap that stays there when it is free: everything else is cut from it.
  mallopt(M_TRIM_THRESHOLD, -1);  // never
  mallopt(M_MMAP_THRESHOLD, kMappedFrom);
  mallopt(M_MMAP_MAX, 0);
  for (; bytes >= 2 * kHugePage; bytes /= 2) {
    void* block = std::malloc(bytes);
    if (block == nullptr) continue;
    const uintptr_t begin = (reinterpret_cast<uintptr_t>(block) + kHugePage - 1) & ~(kHugePage - 1);
    const uintptr_t end = (reinterpret_cast<uintptr_t>(block) + bytes) & ~(kHugePage - 1);
    ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);  // a wish: refused, nothing changes
    std::free(block);
    break;
  }
  mallopt(M_MMAP_MAX, kMappedMost);
}

}  // namespace parallax
