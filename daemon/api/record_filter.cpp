#include "daemon/api/record_filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "analysis/model/address_text.h"
#include "config/service_pattern.h"
#include "daemon/message/timestamp.h"

namespace parallax {
namespace {

// A status message is a header of HTTP/2: a value of any length would not arrive.
std::string quoted(const std::string& text) {
  constexpr size_t kBytesMax = 64;
  return text.size() <= kBytesMax ? fmt::format("\"{}\"", text) : fmt::format("a text of {} bytes", text.size());
}

bool read_prefix(const char* field, const std::string& text, std::optional<AddressPrefix>& prefix, std::string& error) {
  if (text.empty()) return true;
  prefix = parse_address_prefix(text);
  if (prefix) return true;
  error = fmt::format(
      "filter.{}: {} is neither an address nor a prefix: want one such as 192.0.2.7, 192.0.2.0/24, 2001:db8::7 or 2001:db8::/32",
      field, quoted(text));
  return false;
}

bool read_time(const char* field, bool is_set, const google::protobuf::Timestamp& time, int64_t& ns, std::string& error) {
  if (!is_set) return true;
  const std::optional<int64_t> read = time_ns(time);
  if (read) {
    ns = *read;
    return true;
  }
  error = fmt::format("filter.{}: want a time between the years 1677 and 2262, with 0 to 999999999 nanos", field);
  return false;
}

// nullopt: of none.
std::optional<Endpoint> service_of(const std::string& text) {
  const std::optional<ServicePattern> service = parse_service(text);
  Endpoint end;
  if (!service || !parse_address(service->address, end.address)) return std::nullopt;
  end.port = service->port;
  return end;
}

Endpoint end_of(const v1::Endpoint& message) {
  Endpoint end;
  if (parse_address(message.address(), end.address)) end.port = static_cast<uint16_t>(message.port());
  return end;
}

}  // namespace

// The conditions on ends that nothing has met yet.
class RecordFilter::Unmet {
 public:
  explicit Unmet(const RecordFilter& filter)
      : filter_(filter), client_(filter.client_), service_(filter.service_), host_(filter.host_), port_(filter.port_ != 0) {}

  void see_client(const Endpoint& end) {
    client_ = client_ && !filter_.client_->contains(end.address);
    see_end(end);
  }
  void see_server(const Endpoint& end) {
    service_ = service_ && !is_service(end);
    see_end(end);
  }
  bool none() const { return !client_ && !service_ && !host_ && !port_; }

 private:
  void see_end(const Endpoint& end) {
    host_ = host_ && !filter_.host_->contains(end.address);
    port_ = port_ && filter_.port_ != end.port;
  }
  bool is_service(const Endpoint& end) const {
    const Service& wanted = *filter_.service_;
    return (!wanted.address || *wanted.address == end.address) && (wanted.port == 0 || wanted.port == end.port);
  }

  const RecordFilter& filter_;
  bool client_, service_, host_, port_;
};

Result<RecordFilter> RecordFilter::of(const v1::RecordFilter& request) {
  RecordFilter filter;
  std::string error;
  if (!read_prefix("client", request.client(), filter.client_, error) ||
      !read_prefix("host", request.host(), filter.host_, error) ||
      !read_time("from", request.has_from(), request.from(), filter.from_ns_, error) ||
      !read_time("to", request.has_to(), request.to(), filter.to_ns_, error)) {
    return Error{error};
  }
  if (!request.service().empty()) {
    const std::optional<ServicePattern> pattern = parse_service(request.service());
    if (!pattern) {
      return Error{fmt::format(
          "filter.service: {} is no service: want one such as 192.0.2.1:443, [2001:db8::1]:443, an address alone, or :443",
          quoted(request.service()))};
    }
    Service& service = filter.service_.emplace();
    service.port = pattern->port;
    Address address;
    if (parse_address(pattern->address, address)) service.address = address;
  }
  if (request.port() > UINT16_MAX)
    return Error{fmt::format("filter.port: {} is no port: want 1 to 65535, or 0 for any", request.port())};
  filter.port_ = static_cast<uint16_t>(request.port());
  if (filter.from_ns_ > filter.to_ns_) return Error{"filter.from: is after filter.to: want a time that is not"};
  return filter;
}

Result<RecordFilter> RecordFilter::of_pinned(const v1::RecordFilter& request) {
  const char* const field = !request.client().empty() ? "client"
                            : !request.host().empty() ? "host"
                            : request.port() != 0     ? "port"
                                                      : nullptr;
  if (field == nullptr) return of(request);
  return Error{fmt::format("filter.{}: not kept with what is pinned: want service, from and to alone", field)};
}

bool RecordFilter::covers(const FindingRecord& finding) const {
  return covers_time(finding.first_seen_ns, finding.last_seen_ns) && covers(finding.service.value_or(""), finding.legs);
}

bool RecordFilter::covers(const v1::RememberedFinding& finding) const {
  std::vector<FindingLeg> legs;
  for (const v1::RememberedLeg& kept : finding.legs()) {
    FindingLeg& leg = legs.emplace_back();
    leg.connection_id = kept.connection_id();
    leg.client = end_of(kept.client());
    leg.server = end_of(kept.server());
  }
  const v1::Finding& its = finding.finding();
  return covers_time(time_ns(its.first_seen()).value_or(0), time_ns(its.last_seen()).value_or(0)) && covers(its.service(), legs);
}

bool RecordFilter::covers(const std::string& service_text, const std::vector<FindingLeg>& legs) const {
  if (!asks_for_ends()) return true;
  Unmet unmet(*this);
  if (const std::optional<Endpoint> service = service_of(service_text)) unmet.see_server(*service);
  if (unmet.none()) return true;
  // Of each leg the whole connection: at most kFindingLegsMax times as many.
  return std::any_of(legs.begin(), legs.end(), [&](const FindingLeg& one) {
    Unmet by_connection = unmet;
    for (const FindingLeg& leg : legs) {
      if (leg.connection_id != one.connection_id) continue;
      by_connection.see_client(leg.client);
      by_connection.see_server(leg.server);
    }
    return by_connection.none();
  });
}

bool RecordFilter::covers(const ConnectionRecord& connection) const {
  int64_t first_ns = kTimeMax, last_ns = kTimeMin;
  Unmet unmet(*this);
  unmet.see_client(connection.client);
  unmet.see_server(connection.server);
  for (const LegRecord& leg : connection.legs) {
    first_ns = std::min(first_ns, leg.first_seen_ns);
    last_ns = std::max(last_ns, leg.last_seen_ns);
    unmet.see_client(leg.client);
    unmet.see_server(leg.server);
  }
  return unmet.none() && covers_time(first_ns, last_ns);
}

bool RecordFilter::covers(const v1::Finding& pinned) const {
  // One whose file is damaged has no times.
  const int64_t first_ns = time_ns(pinned.first_seen()).value_or(0), last_ns = time_ns(pinned.last_seen()).value_or(0);
  if (!covers_time(first_ns, last_ns)) return false;
  Unmet unmet(*this);
  if (const std::optional<Endpoint> service = service_of(pinned.service())) unmet.see_server(*service);
  return unmet.none();
}

}  // namespace parallax
