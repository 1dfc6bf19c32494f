#include "capture/core/large_table.h"

#include <sys/resource.h>

#include <fstream>

namespace parallax {

bool has_address_space_to_spare() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;  // they keep account of all that is asked for, and that takes minutes in the tests
#endif
  static const bool has = [] {
    rlimit limit{};
    if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY) return false;
    int overcommit = 0;
    std::ifstream("/proc/sys/vm/overcommit_memory") >> overcommit;
    return overcommit != 2;
  }();
  return has;
}

}  // namespace parallax
