// A connection as one line of JSON: the fields of Zeek's conn.log under Zeek's names, of the leg nearest to the client, and
// beside them what only one who sees both sides of a device knows. README.md has the table of fields.
//
// What is not known is left out, as Zeek does. Of Zeek's fields never known here: orig_ip_bytes, resp_ip_bytes, local_orig,
// local_resp. Pure; for any thread.
#pragma once

#include <cstdint>
#include <string>

#include "analysis/model/model.h"
#include "daemon/message/to_proto.h"

namespace parallax {

// Of one run of one sensor.
struct ConnectionLineSource {
  std::string sensor;
  int64_t started_ns = 0;
  MessageNames names;
};

// Zeek's `uid`: of a connection always the same, and of no other connection of any run.
std::string connection_uid(const ConnectionLineSource& source, uint64_t connection_id);

// Adds the line, with its end.
void append_connection_line(const ConnectionLineSource& source, const EndedConnections::Ended& ended, std::string& out);

}  // namespace parallax
