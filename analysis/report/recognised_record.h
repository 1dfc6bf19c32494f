// What is known from messages, as records for people.
#pragma once

#include <vector>

#include "analysis/connection/connection.h"
#include "analysis/model/model.h"

namespace parallax {

void fill_record(const Recognised& recognised, LegRecord& record);

// Of the connection as a whole: the messages of the leg nearest to the client that saw any, for each protocol.
// `order`: of each leg, its place from the client's side.
void fill_messages(const Connection& connection, const std::vector<uint32_t>& order, ConnectionRecord& record);

}  // namespace parallax
