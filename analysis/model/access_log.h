// A web server's or proxy's own log of the requests that it has served, as far as captured requests can be found in it, and what
// came of looking for them.
//
// Plain values: read before the analysis begins, never changed after that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "capture/core/sighting.h"

namespace parallax {

enum class AccessLogFormat : uint8_t { unknown, common, combined, haproxy, w3c };
inline constexpr std::string_view kAccessLogFormatNames[] = {"unknown", "common", "combined", "haproxy", "w3c"};
constexpr std::string_view name_of(AccessLogFormat format) { return kAccessLogFormatNames[static_cast<size_t>(format)]; }

struct AccessLogEntry {
  static constexpr size_t kClientsMax = 8;

  uint64_t line = 0;               // of the file, from 1
  int64_t from_ns = 0, to_ns = 0;  // by the log's clock: the time of the entry lies between, both included
  std::vector<Address> clients;    // whom it names, the nearest first: who connected, then who each proxy before it saw
  bool has_peer = false;           // the first of them is who connected
  uint16_t peer_port = 0;          // 0: not logged
  std::string method, target;      // as they came over the wire
  std::string forwarded_for;       // the field of the list of clients, as it stands there; empty: none
  uint16_t status = 0;             // 100 to 999
  uint64_t bytes = 0;              // of the answer; 0: not logged
};

struct AccessLog {
  std::string file;
  AccessLogFormat format = AccessLogFormat::unknown;
  std::vector<AccessLogEntry> entries;  // as they stand in the file
  std::string client_fields;            // which fields name clients, as a phrase
  bool has_zone = true;                 // its times say their zone; without, they are taken for UTC
  uint64_t lines = 0;                   // of entries, whole or not: neither empty nor comments
  uint64_t without_request = 0;         // of what came no request could be made (400, a connection that said nothing)
  uint64_t malformed = 0, first_malformed_line = 0;
  uint64_t not_kept = 0;  // beyond the bound
  std::string warning;    // why reading ended early; empty: it did not
};

// What came of it. Of the requests each is counted once: joined, ambiguous or not captured.
struct AccessLogRecord {
  std::string file, format, client_fields;
  uint64_t requests = 0;
  uint64_t joined = 0;           // to a request of a connection, at one point or several
  uint64_t ambiguous = 0;        // several captured requests fit, or one fits several entries
  uint64_t not_captured = 0;     // no captured request fits
  uint64_t outside_capture = 0;  // of those: at a time of which there are no packets
  uint64_t without_request = 0, malformed = 0, first_malformed_line = 0, not_kept = 0;
  uint64_t clients_named = 0;                                // captured requests that the log gives a client's address to
  uint64_t pairings = 0;                                     // legs paired across a proxy by it
  uint64_t pairings_confirmed = 0, pairings_taken_back = 0;  // found by other means before: of the client named, of another
  uint64_t foreign_requests = 0;  // captured ones of servers that the log is not of, as it knows too few of their requests
  bool clock_is_known = false;    // enough entries fit one request alone
  int64_t clock_offset_ns = 0;    // of the log's clock against the packets': positive: it is ahead
};

}  // namespace parallax
