// What runs of the daemon have learned of a device, joined: what an earlier run knew, and what this one has learned so far. Pure.
#pragma once

#include <cstdint>

#include "parallax/v1/types.pb.h"

namespace parallax {

inline constexpr int kLearnedAddressesMax = 4096;  // of a device, as many as a run keeps; the newest

// `now`: a record of this run. `before`: what those before have learned; without a time it is nothing. Addresses that nobody has
// learned since `oldest_ns` are left out.
v1::LearnedDevice learned_device(const v1::Device& now, const v1::LearnedDevice& before, int64_t now_ns, int64_t oldest_ns);

}  // namespace parallax
