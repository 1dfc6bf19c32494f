// Which connections need not be kept until the input ends: those of which all is known, and nothing is to be told.
#pragma once

#include <cstddef>

#include "analysis/connection/connection.h"

namespace parallax {

// An answered connection that ended in order: seen from its beginning, paired at all points of the path and followed across each
// device. Neither a reset, an error, a standstill nor another connection's message hangs on it.
// REQUIRES: all its legs are over, and the homes of its crossings have told all.
bool is_settled(const Connection& connection, size_t points);

}  // namespace parallax
