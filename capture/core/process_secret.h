// A random number of the process, the same for all its life: hashes of what comes from the wire are mixed with it, so that nobody
// outside can choose keys that collide. Nothing may depend on it but where an entry lies, and which worker has it: output never
// does.
#pragma once

#include <cstdint>

namespace parallax {

uint64_t process_secret();

}  // namespace parallax
