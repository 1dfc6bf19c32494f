// A finding with what its sentence needs: observations that are one incident.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analysis/finding/observation.h"

namespace parallax {

struct FindingGroup {
  FindingRecord record;
  uint64_t connections = 0;  // also those beyond kFindingConnectionsMax
  uint64_t attempts = 0;
  std::string remark;  // a sentence, or empty

  bool toward_client() const { return record.direction == FindingDirection::server_to_client; }
};

// The words that sentences share.
class SentenceWords {
 public:
  SentenceWords(const FindingGroup& group, const std::vector<std::string>& path);

  std::string connections;     // "3 connections to 203.0.113.80:80"
  std::string first, second;   // the points of the place: beyond, or between, the client's side first; "?" where there is none
  std::string source, target;  // where packets of the finding's direction enter the device between, and where they leave it
  std::string sender;          // "client" or "server", by direction
  std::string receiver;
  std::string remark;  // with a blank before it, or empty
};

}  // namespace parallax
