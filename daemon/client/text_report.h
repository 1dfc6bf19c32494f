// The report of `parallax analyze` for people: what was seen, what is wrong and who did it, worst first, in 100 columns.
//
// Short whatever the size of the input: connections are counted, findings grouped, lists cut with a word about the rest.
// Holds the findings (which are bounded) and counts, never the connections. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "daemon/message/record_sink.h"
#include "parallax/v1/types.pb.h"

namespace parallax {

class TextReport : public RecordSink {
 public:
  void add(const v1::Record& record) override;  // packets are passed over
  std::string text() const;                     // once the summary has been added

 private:
  struct Crossed {
    uint64_t paired = 0;
    uint64_t undecided = 0;
    std::map<std::string, uint64_t> methods;
  };

  void add(const v1::Connection& connection);
  void add_messages(const v1::Connection& connection);
  std::string messages() const;
  std::string head() const;
  std::string points() const;
  std::string connections() const;
  std::string findings() const;
  std::string devices() const;
  std::string sensor() const;
  std::string verdict() const;
  std::string failed_text() const;
  bool has_accusations() const;  // a finding of warning or worse
  // Points of which not one packet could be decoded, as a sentence; empty: there is none. No all-clear is given then.
  std::string blind_points() const;

  std::vector<v1::Point> points_;
  std::vector<v1::Finding> findings_;
  std::vector<v1::Device> devices_;
  v1::Summary summary_;
  std::map<std::string, uint64_t> protocols_;
  std::map<std::string, std::map<std::string, uint64_t>> outcomes_;  // by protocol
  std::map<std::string, uint64_t> closes_;                           // "fin by client"
  std::map<std::string, Crossed> crossed_;                           // by place: "between outside and inside"
  uint64_t retransmissions_ = 0;
  // What messages said, the first kNamesMax different ones of each.
  std::map<std::string, uint64_t> tls_names_, alerts_, http_hosts_, http_statuses_, dns_rcodes_;
  uint64_t tls_connections_ = 0, http_requests_ = 0, dns_questions_ = 0, proxied_ = 0;
};

}  // namespace parallax
