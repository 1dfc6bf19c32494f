// The packets of a ladder as a table: when and where each was seen, by which frames, and what was rewritten on the way.
#pragma once

#include <string>

#include "daemon/client/ladder.h"

namespace parallax {

// Those that the drawing shows. `id`: of the table.
std::string packet_table(const Ladder& ladder, const std::string& id);

}  // namespace parallax
