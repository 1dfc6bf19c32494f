// Which findings and connections a request wants: RecordFilter of the API, read once and held against record after record.
// What is not set holds for all. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/model/address_prefix.h"
#include "analysis/model/model.h"
#include "capture/core/port.h"
#include "capture/core/result.h"
#include "parallax/v1/history.pb.h"
#include "parallax/v1/sensor.pb.h"

namespace parallax {

class RecordFilter {
 public:
  // The error names the field and says what would be right.
  static Result<RecordFilter> of(const v1::RecordFilter& request);
  // Of findings whose legs are not kept: client, host and port are refused.
  static Result<RecordFilter> of_pinned(const v1::RecordFilter& request);

  // The ends have to be those of one connection, or the finding's service.
  bool covers(const FindingRecord& finding) const;
  bool covers(const ConnectionRecord& connection) const;
  bool covers(const v1::RememberedFinding& finding) const;
  // By its service and time.
  bool covers(const v1::Finding& pinned) const;

 private:
  struct Service {
    std::optional<Address> address;  // nullopt: any
    uint16_t port = 0;               // 0: any
  };
  class Unmet;

  bool asks_for_ends() const { return client_ || service_ || host_ || port_ != 0; }
  bool covers(const std::string& service, const std::vector<FindingLeg>& legs) const;
  bool covers_time(int64_t first_ns, int64_t last_ns) const { return first_ns <= to_ns_ && last_ns >= from_ns_; }

  std::optional<AddressPrefix> client_, host_;
  std::optional<Service> service_;
  uint16_t port_ = 0;  // 0: any
  int64_t from_ns_ = kTimeMin, to_ns_ = kTimeMax;
};

}  // namespace parallax
