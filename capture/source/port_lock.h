// The mark that a device is in use: a second daemon on the same port is refused, and told by whom.
//
// An abstract unix socket named after the device: it goes with its process, however that ends, and it is one for each
// network namespace, as interfaces are.
#pragma once

#include <string>

#include "capture/core/result.h"

namespace parallax {

class PortLock {
 public:
  // `device`: an interface's name or a PCI address.
  static Result<PortLock> take(const std::string& device);

  PortLock() = default;  // holds nothing
  PortLock(PortLock&& other) noexcept;
  PortLock& operator=(PortLock&& other) noexcept;
  ~PortLock();

 private:
  explicit PortLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace parallax
