// What `parallax analyze` tells people, gathered from its records: what the text report and the page are written from.
//
// Holds the findings (which are bounded) and counts, never all connections. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "daemon/message/record_sink.h"
#include "parallax/v1/types.pb.h"

namespace parallax {

class Report : public RecordSink {
 public:
  using Counts = std::map<std::string, uint64_t>;
  static constexpr size_t kNamesMax = 10'000;  // of each kind of name that messages carried, the first ones are counted

  // How connections were found to belong together across a device.
  struct Crossed {
    uint64_t paired = 0;
    uint64_t undecided = 0;  // packets whose fate was not followed
    Counts methods;
  };
  struct Messages {
    Counts tls_names, alerts, http_hosts, http_statuses, dns_rcodes;
    uint64_t tls_connections = 0, http_requests = 0, dns_questions = 0, proxied = 0;
  };

  void add(const v1::Record& record) override;  // packets are passed over
  void set_clocks_compared() { clocks_compared_ = true; }
  // The names of the points, for records that come before theirs.
  void set_path(std::vector<std::string> path) { path_ = std::move(path); }

  const std::vector<v1::Point>& points() const { return points_; }
  const std::vector<v1::Finding>& findings() const { return findings_; }
  const std::vector<v1::Device>& devices() const { return devices_; }
  const v1::Summary& summary() const { return summary_; }
  const Counts& protocols() const { return protocols_; }
  const std::map<std::string, Counts>& outcomes() const { return outcomes_; }  // by protocol
  // TCP connections of which no finding tells why.
  uint64_t unanswered_unexplained() const;
  const Counts& closes() const { return closes_; }                            // "fin by client"
  const std::map<std::string, Crossed>& crossed() const { return crossed_; }  // by place: "between outside and inside"
  const Messages& messages() const { return messages_; }
  uint64_t retransmissions() const { return retransmissions_; }
  bool clocks_compared() const { return clocks_compared_; }

  bool has_accusations() const;  // a finding of warning or worse

 private:
  void add(const v1::Connection& connection);
  void add_messages(const v1::Connection& connection);
  void add_crossing(const v1::Crossing& crossing);

  std::vector<std::string> path_;
  std::vector<v1::Point> points_;
  std::vector<v1::Finding> findings_;
  std::vector<v1::Device> devices_;
  v1::Summary summary_;
  Counts protocols_, closes_;
  std::map<std::string, Counts> outcomes_;
  // Unanswered TCP connections by their findings, of which it is known only later what they tell: the first kNamesMax
  // combinations.
  std::map<std::vector<uint64_t>, uint64_t> unanswered_;
  std::map<std::string, Crossed> crossed_;
  Messages messages_;
  uint64_t retransmissions_ = 0;
  bool clocks_compared_ = false;
};

}  // namespace parallax
