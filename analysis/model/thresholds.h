// From where on detectors tell: what people configure, in the units that the analysis uses.
#pragma once

#include <cstdint>

namespace parallax {

struct Thresholds {
#define SECONDS(name, ns) int64_t name##_ns = ns;
#define NUMBER(name, number) uint32_t name = number;
#include "analysis/model/thresholds.def"
#undef NUMBER
#undef SECONDS
};

// Whether `part` is that share of `whole` or more.
constexpr bool is_share(uint64_t part, uint64_t whole, uint32_t percent) { return part * 100 >= whole * percent; }

}  // namespace parallax
