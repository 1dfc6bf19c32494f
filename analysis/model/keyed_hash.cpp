#include "analysis/model/keyed_hash.h"

#include "capture/core/process_secret.h"

namespace parallax {

uint64_t KeyedHash::secret() {
  static const uint64_t value = process_secret();  // without a call for each hash
  return value;
}

}  // namespace parallax
