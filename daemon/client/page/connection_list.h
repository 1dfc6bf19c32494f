// The connections that a page lists: those that one would look at first, at most kConnectionsMax of however many there are.
//
// Holds these alone. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "daemon/message/record_sink.h"
#include "parallax/v1/types.pb.h"

namespace parallax {

class ConnectionList : public RecordSink {
 public:
  static constexpr size_t kConnectionsMax = 1'000;

  void add(const v1::Record& record) override;  // all but connections are passed over
  bool contains(uint64_t id) const;
  uint64_t left_out() const { return left_out_; }
  bool empty() const { return by_interest_.empty(); }
  // The most interesting ones first, each row with the id "connection-N"; with links to those of its findings that the page has.
  std::string table(const std::set<uint64_t>& linked_findings) const;

 private:
  // With findings; failed, or broken off; segments lost in devices; segments sent again; the earlier one.
  using Interest = std::tuple<bool, bool, uint64_t, uint64_t, int64_t>;
  static Interest interest_of(const v1::Connection& connection);

  std::map<Interest, v1::Connection> by_interest_;
  uint64_t left_out_ = 0;
};

}  // namespace parallax
