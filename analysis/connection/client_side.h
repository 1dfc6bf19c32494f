// Which end of the path a connection's client is at.
#pragma once

#include <span>

#include "analysis/connection/connection.h"
#include "analysis/connection/knowledge.h"
#include "analysis/model/sensor_view.h"

namespace parallax {

// Sets client_outer, and how that is known. A port that carries one direction says so; else of two
// legs the one with the higher TTL is nearer to the client, and with equal ones the one that saw the opening first; one leg alone
// is taken to stand on its client's side, unless its addresses are known from paired connections. `points`: of the path.
void settle_client_side(Connection& connection, const SensorView& sensor, const Knowledge& knowledge, size_t points);

}  // namespace parallax
