#include "capture/core/process_secret.h"

#include <random>

namespace parallax {

uint64_t process_secret() {
  static const uint64_t value = [] {
    std::random_device device;
    return static_cast<uint64_t>(device()) << 32 | device();
  }();
  return value;
}

}  // namespace parallax
