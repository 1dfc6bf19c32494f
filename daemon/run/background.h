// Work that nobody on the packet path waits for, and that may take long: slices, pins.
#pragma once

#include <functional>

namespace parallax {

// How far behind: the nice value. For a slice somebody waits, for a pin nobody.
inline constexpr int kSliceNice = 5, kPinNice = 10;

// The calling thread goes behind all others from now on: no real-time priority, which it may have inherited, and nice.
void go_to_background(int nice);

// Runs it on a thread of its own in the background, and waits. Threads of a library's pool keep their priority, which they could
// not be given back. False: there is no thread to be had, and it has not run.
bool run_in_background(int nice, const std::function<void()>& work);

}  // namespace parallax
