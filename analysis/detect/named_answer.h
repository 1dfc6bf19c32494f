// An answer that names another address than the one it was asked at: embedded_address_mismatch tells of it, and of what became of
// it.
#pragma once

#include "analysis/connection/connection.h"

namespace parallax::detect {

// Whether the packet carries the beginning of such an answer.
bool is_of_named_answer(const Connection& c, const PacketFacts& packet);
// Whether there is one that the server's side shows, and the client's does not.
bool is_named_answer_kept(const Connection& c);

}  // namespace parallax::detect
