// The ladders of connections: their packets as the engine has recorded them, with what their headers say, which the files are
// read again for.
#pragma once

#include <string>
#include <vector>

#include "analysis/engine.h"
#include "capture/decode/decode.h"
#include "daemon/client/ladder.h"

namespace parallax {

// Of which capture files, by PortIndex, and of which points, in path order.
struct LadderInput {
  const std::vector<std::string>& files;
  const std::vector<std::string>& points;
  KeyFrom key_from = KeyFrom::nothing;
};

// `packets`: all that the engine has recorded. A file that cannot be read again leaves its packets out.
Ladders ladders_of(const std::vector<ConnectionRecord>& connections, const std::vector<PacketRecord>& packets,
                   const std::vector<FindingRecord>& findings, const LadderInput& input);

}  // namespace parallax
