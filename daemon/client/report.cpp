#include "daemon/client/report.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "daemon/client/report_words.h"

namespace parallax {
namespace {

void count(Report::Counts& counts, const std::string& name) {
  if (counts.size() < Report::kNamesMax || counts.contains(name)) ++counts[name];
}

}  // namespace

void Report::add(const v1::Record& record) {
  switch (record.record_case()) {
    case v1::Record::kPoint:
      points_.push_back(record.point());
      if (path_.size() < points_.size()) path_.push_back(record.point().name());
      break;
    case v1::Record::kConnection:
      add(record.connection());
      break;
    case v1::Record::kFinding:
      findings_.push_back(record.finding());
      break;
    case v1::Record::kDevice:
      devices_.push_back(record.device());
      break;
    case v1::Record::kSummary:
      summary_ = record.summary();
      break;
    case v1::Record::kPacket:
    case v1::Record::RECORD_NOT_SET:
      break;
  }
}

void Report::add(const v1::Connection& connection) {
  const std::string protocol = word(connection.protocol());
  ++protocols_[protocol];
  ++outcomes_[protocol][word(connection.outcome())];
  if (connection.protocol() == v1::PROTOCOL_TCP && connection.outcome() == v1::OUTCOME_UNANSWERED) {
    std::vector<uint64_t> findings(connection.finding_ids().begin(), connection.finding_ids().end());
    if (unanswered_.size() < kNamesMax || unanswered_.contains(findings)) ++unanswered_[std::move(findings)];
  }
  if (connection.protocol() == v1::PROTOCOL_TCP && connection.outcome() == v1::OUTCOME_ESTABLISHED) {
    const bool is_ended = connection.close() == v1::CLOSE_FIN || connection.close() == v1::CLOSE_RST;
    ++closes_[is_ended ? word(connection.close()) + " by " + word(connection.closed_by()) : word(connection.close())];
  }
  for (const v1::Leg& leg : connection.legs())
    retransmissions_ += leg.retransmissions_from_client() + leg.retransmissions_from_server();
  add_messages(connection);
  for (const v1::Crossing& crossing : connection.crossings()) add_crossing(crossing);
}

void Report::add_crossing(const v1::Crossing& crossing) {
  if (crossing.between_size() != 2) return;
  // The client may be on either side: count by the points in path order.
  std::string first = crossing.between(0), second = crossing.between(1);
  const auto nearest = std::find_if(path_.begin(), path_.end(), [&](const std::string& p) { return p == first || p == second; });
  if (nearest != path_.end() && *nearest != first) std::swap(first, second);
  Crossed& crossed = crossed_[first == second ? place_of(crossing) : "between " + first + " and " + second];
  ++crossed.paired;
  ++crossed.methods[word(crossing.pairing().method())];
  crossed.undecided += crossing.undecided_packets();
}

// Of the legs of a connection the one nearest to the client that knows.
void Report::add_messages(const v1::Connection& connection) {
  for (const v1::Leg& leg : connection.legs()) {
    if (!leg.has_tls()) continue;
    ++messages_.tls_connections;
    if (!leg.tls().sni().empty()) count(messages_.tls_names, leg.tls().sni());
    if (!leg.tls().alert().empty()) count(messages_.alerts, leg.tls().alert());
    break;
  }
  messages_.proxied += std::any_of(connection.legs().begin(), connection.legs().end(),
                                   [](const v1::Leg& leg) { return leg.has_proxied_client(); });
  for (const v1::HttpRequest& request : connection.http_requests()) {
    ++messages_.http_requests;
    if (!request.host().empty()) count(messages_.http_hosts, request.host());
    count(messages_.http_statuses, request.status() == 0 ? "not answered" : std::to_string(request.status()));
  }
  for (const v1::DnsExchange& exchange : connection.dns()) {
    ++messages_.dns_questions;
    count(messages_.dns_rcodes, exchange.rcode().empty() ? "not answered" : exchange.rcode());
  }
}

uint64_t Report::unanswered_unexplained() const {
  // What these tell is no reason.
  constexpr std::array kBeside = {v1::FINDING_KIND_PORT_REUSED, v1::FINDING_KIND_PERIODIC_CONNECTIONS,
                                  v1::FINDING_KIND_OPTIONS_REWRITTEN, v1::FINDING_KIND_DUPLICATE_CAPTURE,
                                  v1::FINDING_KIND_DUPLICATED_BY_DEVICE};
  std::set<uint64_t> reasons;
  for (const v1::Finding& finding : findings_) {
    if (std::find(kBeside.begin(), kBeside.end(), finding.kind()) == kBeside.end()) reasons.insert(finding.id());
  }
  uint64_t unexplained = 0;
  for (const auto& [findings, count] : unanswered_) {
    const bool is_told = std::any_of(findings.begin(), findings.end(), [&](uint64_t id) { return reasons.contains(id); });
    unexplained += is_told ? 0 : count;
  }
  return unexplained;
}

bool Report::has_accusations() const {
  return std::any_of(findings_.begin(), findings_.end(),
                     [](const v1::Finding& finding) { return finding.severity() >= v1::SEVERITY_WARNING; });
}

}  // namespace parallax
