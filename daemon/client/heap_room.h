// Room for the heap of a program that takes much memory and gives little of it back.
#pragma once

#include <cstddef>

namespace parallax {

// From now on, and for so many bytes, the heap grows in huge pages where the kernel has them on request: with pages of 4 KiB a
// fifth of what an analysis of short connections takes is the first touch of each (benchmarks/README.md). What is asked for is
// address space; where so much is refused it is less, or nothing. For one thread: others have heaps of their own.
void make_heap_room(size_t bytes);

}  // namespace parallax
