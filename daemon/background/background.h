// Work that nobody on the packet path waits for, and that may take long: slices; and background_thread.h.
#pragma once

#include <functional>

namespace parallax {

// How far behind a slice is: the nice value. Somebody waits for it.
inline constexpr int kSliceNice = 5;

// The calling thread goes behind all others from now on: no real-time priority, which it may have inherited, and nice.
void go_to_background(int nice);

// Runs it on a thread of its own in the background, and waits. Threads of a library's pool keep their priority, which they could
// not be given back. False: there is no thread to be had, and it has not run.
bool run_in_background(int nice, const std::function<void()>& work);

}  // namespace parallax
