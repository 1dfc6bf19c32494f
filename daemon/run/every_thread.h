// Something done by every thread of the process, such as giving up capabilities: the kernel keeps those for each thread by
// itself, and glibc carries only changes of user and group from one thread to all.
//
// Called by the control thread at start, when threads of libraries (DPDK, gRPC, the metrics' server) run already. Each is
// interrupted by a signal, as glibc does it. One that blocks that signal or does not get to run is an error, and nobody is left
// out in silence.
#pragma once

#include <string>

namespace parallax {

// ThreadSanitizer has a thread of its own that takes no signal: its builds cannot.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool kEveryThreadAnswers = false;
#else
inline constexpr bool kEveryThreadAnswers = true;
#endif

// Runs `work` on all threads, also on those that are made meanwhile, one after another. It is called by a signal handler: system
// calls only. Empty, or which thread did not answer.
std::string on_every_thread(void (*work)());

}  // namespace parallax
