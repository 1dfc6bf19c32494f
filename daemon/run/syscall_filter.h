// The system calls that the daemon gives up once it runs (seccomp): those of refused_syscalls.def, clone() where it makes a
// process instead of a thread, and everything of another instruction set. They fail with EPERM, and nothing is killed. What the
// unit allows at all (SystemCallFilter) holds beside it; it cannot refuse execve(), which starts the daemon.
//
// Called once, by the control thread.
#pragma once

#include <string>

namespace parallax {

// Sanitizers trace the process from a child of its own (leaks) and run a symbolizer: their builds go without.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kHasSyscallFilter = false;
#else
inline constexpr bool kHasSyscallFilter = true;
#endif

// For good, for all threads and whatever they make. Sets no_new_privs, too. Empty, or why it failed.
// REQUIRES: kHasSyscallFilter.
std::string refuse_syscalls();

}  // namespace parallax
