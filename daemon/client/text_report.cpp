#include "daemon/client/text_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "config/enum_text.h"
#include "daemon/client/access_log_text.h"
#include "daemon/client/not_looked_for.h"
#include "daemon/message/text_table.h"
#include "daemon/message/time_text.h"
#include "daemon/message/to_proto.h"

namespace parallax {
namespace {

constexpr size_t kGroupsMax = 12;        // groups of findings
constexpr size_t kFindingsPerGroup = 3;  // of one kind, place and origin
constexpr int kEvidenceMax = 4;
constexpr size_t kAddressesMax = 6;
constexpr size_t kNamesMax = 10'000;  // counted
constexpr size_t kNamesShown = 5;

template <typename Enumerator>
std::string word(Enumerator value) {
  const auto* descriptor = google::protobuf::GetEnumDescriptor<Enumerator>()->FindValueByNumber(value);
  return descriptor != nullptr ? enum_text(*descriptor) : std::to_string(value);
}

// "2024-02-29 12:34:56.123", or without the day.
std::string short_time(const google::protobuf::Timestamp& time, bool with_day) {
  std::string text = time_text(time.seconds(), time.nanos());
  text.pop_back();  // Z
  text[10] = ' ';
  if (text.size() == 19) text += ".000";
  text.resize(23);
  return with_day ? text : text.substr(11);
}

int64_t span_ns(const v1::Point& point) { return from_timestamp(point.last_seen()) - from_timestamp(point.first_seen()); }

std::string endpoint_text(const v1::Endpoint& endpoint) {
  const bool v6 = endpoint.address().find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", endpoint.address(), endpoint.port())
            : fmt::format("{}:{}", endpoint.address(), endpoint.port());
}

// Half of the packets left as early as they came, or earlier (which counts as 0): then the stamps are of clocks that
// disagree by more than the transit, and the number says nothing.
bool clocks_can_tell(const v1::Distribution& transit) { return transit.median() >= 1e-6; }

std::string transit_text(const v1::Distribution& transit) {
  if (!clocks_can_tell(transit)) return "cannot be told with the clocks of these files";
  return fmt::format("median {}, 99 % below {}, longest {}", duration_text(transit.median()), duration_text(transit.p99()),
                     duration_text(transit.max()));
}

std::string plural(uint64_t count, const char* one, const char* many) {
  return fmt::format("{} {}", count_text(count), count == 1 ? one : many);
}

// "between outside and inside"; a hairpin has both sides at one point.
template <typename Record>
std::string place_of(const Record& record) {
  v1::Where where;
  *where.mutable_between() = record.between();
  return where_text(where);
}
std::string device_name(const v1::Device& device) { return "the device " + place_of(device); }
bool is_hairpin(const v1::Device& device) { return device.between(0) == device.between(1); }
// In which direction; a hairpin's packets come from the same side either way.
std::string way_text(const v1::Device& device, Direction direction) {
  const bool is_inward = direction == Direction::toward_inside;
  if (is_hairpin(device)) return is_inward ? "from clients" : "from servers";
  return "toward " + device.between(is_inward ? 1 : 0);
}

// A proxy of whose packets none is the same on both sides.
bool ends_connections(const v1::Device& device) {
  return device.kind() == v1::DEVICE_KIND_PROXY && device.toward_inside().forwarded() + device.toward_outside().forwarded() == 0;
}

// What messages took through it, each way that can be told; or nothing.
std::string turns_text(const v1::Device& device) {
  std::string text;
  const auto way = [&](bool has, const v1::Distribution& transit, const std::string& toward) {
    if (!device.transit_is_by_turns() || !has || !clocks_can_tell(transit)) return;
    text += fmt::format("{}{} toward {}", text.empty() ? "" : " and ", duration_text(transit.median()), toward);
  };
  way(device.has_transit_toward_inside_seconds(), device.transit_toward_inside_seconds(), device.between(1));
  way(device.has_transit_toward_outside_seconds(), device.transit_toward_outside_seconds(), device.between(0));
  return text;
}

// ", 12 not accounted for", or nothing.
std::string share_text(uint64_t count, const char* what) {
  return count == 0 ? "" : fmt::format(", {} {}", count_text(count), what);
}

std::vector<std::pair<std::string, uint64_t>> most_frequent_first(const std::map<std::string, uint64_t>& counts) {
  std::vector<std::pair<std::string, uint64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  return sorted;
}

// "established 380, refused 15", the most frequent first.
std::string counts_text(const std::map<std::string, uint64_t>& counts) {
  const auto sorted = most_frequent_first(counts);
  std::string text;
  for (const auto& [name, count] : sorted) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count_text(count), name);
  return text;
}

// Names beyond kNamesMax are not kept, and the text says "at least".
void count(std::map<std::string, uint64_t>& counts, const std::string& name) {
  if (counts.size() < kNamesMax || counts.contains(name)) ++counts[name];
}

// "example.com 12, example.org 3 and 7 more": those that came most often.
std::string names_text(const std::map<std::string, uint64_t>& counts) {
  const auto sorted = most_frequent_first(counts);
  std::string text;
  for (size_t i = 0; i < sorted.size() && i < kNamesShown; ++i)
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", printable(sorted[i].first), count_text(sorted[i].second));
  const char* at_least = sorted.size() < kNamesMax ? "" : "at least ";
  if (sorted.size() > kNamesShown) text += fmt::format(" and {}{} more", at_least, sorted.size() - kNamesShown);
  return text;
}

// The engine says below one half where it could not make sure, and accuses nobody.
bool is_certain(const v1::Finding& finding) { return finding.confidence() >= 0.5; }

// What belongs together in the report: many alike are one incident.
auto group_of(const v1::Finding& finding) {
  return std::make_tuple(-static_cast<int>(finding.severity()), static_cast<int>(finding.kind()), where_text(finding.where()),
                         static_cast<int>(finding.origin()));
}

std::string evidence_text(const v1::Evidence& evidence) {
  std::string place = evidence.point();
  if (!evidence.port().empty()) place += ' ' + evidence.port();
  if (!evidence.file().empty()) place += ' ' + evidence.file().substr(evidence.file().rfind('/') + 1);
  if (evidence.frame() != 0) place += fmt::format(" frame {}", evidence.frame());
  return printable(fmt::format("- {} {}, {}: {}", short_time(evidence.time(), false), place, evidence.kind(), evidence.detail()));
}

uint64_t count_of(const std::vector<const v1::Finding*>& group) {
  uint64_t count = 0;
  for (const v1::Finding* finding : group) count += finding->count();
  return count;
}

std::string group_text(const std::vector<const v1::Finding*>& group) {
  const v1::Finding& first = *group.front();
  std::string text =
      wrapped(fmt::format("{}  {}  {}; by: {}; {}{}", word(first.severity()), word(first.kind()), where_text(first.where()),
                          word(first.origin()), plural(count_of(group), "time", "times"),
                          group.size() > 1 ? fmt::format(" in {} findings", group.size()) : ""),
              4, 2);
  for (size_t i = 0; i < group.size() && i < kFindingsPerGroup; ++i) {
    const v1::Finding& finding = *group[i];
    const std::string see =
        finding.connection_ids().empty() ? "" : fmt::format("; --ladder {} shows its packets", finding.connection_ids(0));
    text += wrapped(
        printable(fmt::format("[{}] {} (confidence {:.2f}{})", finding.id(), finding.summary(), finding.confidence(), see)), 8,
        4);
    const int shown = std::min(finding.evidence_size(), kEvidenceMax);
    for (int j = 0; j < shown; ++j) text += wrapped(evidence_text(finding.evidence(j)), 10, 8);
    if (finding.evidence_size() > shown)
      text += fmt::format("        - and {} more pieces of evidence\n", finding.evidence_size() - shown);
  }
  if (group.size() > kFindingsPerGroup) text += fmt::format("    and {} more of this kind\n", group.size() - kFindingsPerGroup);
  return text;
}

// "inside: its clock is 3.000012 s ahead of that of outside at first, drift +12.34 ppm, +- 38 us (...)"
std::string clock_text(const v1::Point& point, const std::string& first) {
  const double ahead = point.clock_offset_seconds();
  const std::string drift =
      point.clock_drift_ppm() != 0 ? fmt::format(" at first, drift {:+.2f} ppm", point.clock_drift_ppm()) : "";
  return fmt::format(
      "{}: its clock is {:.6f} s {} that of {}{}, +- {} (how the shortest round trip is shared between the two ways cannot be "
      "seen); "
      "all times are by the latter",
      point.name(), std::abs(ahead), ahead < 0 ? "behind" : "ahead of", first, drift,
      duration_text(point.clock_uncertainty_seconds()));
}

}  // namespace

void TextReport::add(const v1::Record& record) {
  switch (record.record_case()) {
    case v1::Record::kPoint:
      points_.push_back(record.point());
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

void TextReport::add(const v1::Connection& connection) {
  const std::string protocol = word(connection.protocol());
  ++protocols_[protocol];
  ++outcomes_[protocol][word(connection.outcome())];
  if (connection.protocol() == v1::PROTOCOL_TCP && connection.outcome() == v1::OUTCOME_ESTABLISHED) {
    ++closes_[connection.close() == v1::CLOSE_FIN || connection.close() == v1::CLOSE_RST
                  ? fmt::format("{} by {}", word(connection.close()), word(connection.closed_by()))
                  : word(connection.close())];
  }
  for (const v1::Leg& leg : connection.legs())
    retransmissions_ += leg.retransmissions_from_client() + leg.retransmissions_from_server();
  add_messages(connection);
  for (const v1::Crossing& crossing : connection.crossings()) {
    if (crossing.between_size() != 2) continue;
    // The client may be on either side: count by the points in path order.
    std::string first = crossing.between(0), second = crossing.between(1);
    for (const v1::Point& point : points_) {
      if (point.name() == first) break;
      if (point.name() == second) {
        std::swap(first, second);
        break;
      }
    }
    Crossed& crossed = crossed_[first == second ? place_of(crossing) : "between " + first + " and " + second];
    ++crossed.paired;
    ++crossed.methods[word(crossing.pairing().method())];
    crossed.undecided += crossing.undecided_packets();
  }
}

// Of the legs of a connection the one nearest to the client that knows.
void TextReport::add_messages(const v1::Connection& connection) {
  for (const v1::Leg& leg : connection.legs()) {
    if (!leg.has_tls()) continue;
    ++tls_connections_;
    if (!leg.tls().sni().empty()) count(tls_names_, leg.tls().sni());
    if (!leg.tls().alert().empty()) count(alerts_, leg.tls().alert());
    break;
  }
  proxied_ += std::any_of(connection.legs().begin(), connection.legs().end(),
                          [](const v1::Leg& leg) { return leg.has_proxied_client(); });
  for (const v1::HttpRequest& request : connection.http_requests()) {
    ++http_requests_;
    if (!request.host().empty()) count(http_hosts_, request.host());
    count(http_statuses_, request.status() == 0 ? "not answered" : std::to_string(request.status()));
  }
  for (const v1::DnsExchange& exchange : connection.dns()) {
    ++dns_questions_;
    count(dns_rcodes_, exchange.rcode().empty() ? "not answered" : exchange.rcode());
  }
}

std::string TextReport::messages() const {
  std::string text;
  if (tls_connections_ > 0) {
    text += wrapped(
        fmt::format("TLS: {}{}{}{}", plural(tls_connections_, "connection", "connections"), tls_names_.empty() ? "" : "; to ",
                    names_text(tls_names_), alerts_.empty() ? "" : "; alerts: " + names_text(alerts_)),
        4, 2);
  }
  if (http_requests_ > 0) {
    text += wrapped(fmt::format("HTTP: {}; status {}{}{}", plural(http_requests_, "request", "requests"),
                                names_text(http_statuses_), http_hosts_.empty() ? "" : "; to ", names_text(http_hosts_)),
                    4, 2);
  }
  if (dns_questions_ > 0)
    text += wrapped(fmt::format("DNS: {}; {}", plural(dns_questions_, "question", "questions"), names_text(dns_rcodes_)), 4, 2);
  if (proxied_ > 0) text += wrapped(fmt::format("with a PROXY header: {}", plural(proxied_, "connection", "connections")), 4, 2);
  return text;
}

std::string TextReport::text() const {
  return head() + '\n' + verdict() + '\n' + points() + '\n' + connections() + '\n' + findings() + devices() + sensor();
}

bool TextReport::has_accusations() const {
  return std::any_of(findings_.begin(), findings_.end(),
                     [](const v1::Finding& finding) { return finding.severity() >= v1::SEVERITY_WARNING; });
}

std::string TextReport::blind_points() const {
  std::string names;
  for (const v1::Point& point : points_) {
    if (point.packets() > 0 && point.decode_errors() >= point.packets())
      names += fmt::format("{}{} (link type {})", names.empty() ? "" : ", ", point.name(), point.link_type());
  }
  return names.empty() ? "" : "No packet could be decoded at " + names + ": nothing can be said about what passed there.";
}

std::string TextReport::head() const {
  std::string day;
  for (const v1::Point& point : points_) {
    if (point.packets() == 0) continue;
    const std::string begins = short_time(point.first_seen(), true).substr(0, 10);
    if (day.empty() || begins < day) day = begins;
  }
  return fmt::format("Parallax: {} at {}, {}{}{}\n", plural(summary_.packets(), "packet", "packets"),
                     plural(points_.size(), "point", "points"), plural(summary_.connections(), "connection", "connections"),
                     day.empty() ? "" : "; ", day);
}

std::string TextReport::verdict() const {
  const std::string blind = blind_points();
  std::string text = blind.empty() ? "" : wrapped(blind, 2, 0);
  if (summary_.packets() == 0) return text + "No packet could be analysed.\n";
  if (has_accusations()) {
    std::map<std::string, uint64_t> certain, possible;
    for (const v1::Finding& finding : findings_) {
      if (finding.severity() < v1::SEVERITY_WARNING) continue;
      (is_certain(finding) ? certain : possible)[word(finding.kind()) + ' ' + where_text(finding.where())] += finding.count();
    }
    if (!certain.empty()) text += wrapped("Something is wrong: " + counts_text(certain) + '.', 2, 0);
    if (!possible.empty()) text += wrapped("Something may be wrong, but is not certain: " + counts_text(possible) + '.', 2, 0);
  } else if (points_.size() < 2 && devices_.empty() && blind.empty()) {
    text +=
        wrapped(fmt::format("Nothing wrong was found in {}{}. Packets were seen at one point only: what a device beyond it did "
                            "with them cannot be told.",
                            plural(summary_.connections(), "connection", "connections"), failed_text()),
                2, 0);
  }
  if (!blind.empty()) return text;
  for (const v1::Device& device : devices_) {
    if (device.between_size() != 2) continue;
    const std::string name = device_name(device);
    const v1::DeviceTraffic &inward = device.toward_inside(), &outward = device.toward_outside();
    const uint64_t entered = inward.entered() + outward.entered(), crossed = inward.forwarded() + outward.forwarded();
    const uint64_t unaccounted = inward.undecided() + outward.undecided();
    const uint64_t superseded = inward.superseded() + outward.superseded();
    const bool accused = std::any_of(findings_.begin(), findings_.end(), [&](const v1::Finding& finding) {
      return finding.severity() >= v1::SEVERITY_WARNING && finding.origin() == v1::ORIGIN_DEVICE &&
             finding.where().between_size() == 2 &&
             std::is_permutation(finding.where().between().begin(), finding.where().between().end(), device.between().begin());
    });
    const bool took_part =
        inward.lost() + outward.lost() + inward.answered_by_device() + outward.answered_by_device() + device.resets_originated() >
        0;
    if (accused) continue;
    if (took_part) {
      std::string what;
      const auto add = [&what](uint64_t count, const char* one, const char* many) {
        if (count > 0) what += fmt::format("{}{}", what.empty() ? "" : ", ", plural(count, one, many));
      };
      add(inward.lost() + outward.lost(), "packet did not leave it", "packets did not leave it");
      add(inward.answered_by_device() + outward.answered_by_device(), "SYN was answered by it", "SYNs were answered by it");
      add(device.resets_originated(), "RST was its own", "RSTs were its own");
      text += wrapped(fmt::format("The{} took part in what is seen: {}.", name.substr(3), what), 2, 0);
      continue;
    }
    if (ends_connections(device)) {
      const std::string took = turns_text(device);
      text += wrapped(fmt::format("{} ends connections and makes its own: {} were paired across it, and their packets are not "
                                  "followed, so that nothing more can be said about it{}.",
                                  "The" + name.substr(3), plural(device.connections(), "connection", "connections"),
                                  took.empty() ? "" : " than what it took: by turns, a message passed it in a median of " + took),
                      2, 0);
      continue;
    }
    if (crossed == 0) {
      text += wrapped(fmt::format("No packet was recognised on both sides of {}: nothing can be said about it.", name), 2, 0);
      continue;
    }
    std::string transit;
    if (device.has_transit_toward_inside_seconds() && clocks_can_tell(device.transit_toward_inside_seconds())) {
      transit += fmt::format(", median transit {} {}", duration_text(device.transit_toward_inside_seconds().median()),
                             way_text(device, Direction::toward_inside));
    }
    if (device.has_transit_toward_outside_seconds() && clocks_can_tell(device.transit_toward_outside_seconds())) {
      transit += fmt::format("{} {} {}", transit.empty() ? ", median transit" : " and",
                             duration_text(device.transit_toward_outside_seconds().median()),
                             way_text(device, Direction::toward_outside));
    }
    const std::string thinned = superseded == 0 ? "" : fmt::format(", {} were superseded by later ones", count_text(superseded));
    std::string sentence =
        unaccounted == 0
            ? fmt::format("{} is not the cause: {} of {} packets crossed{}{}.", name, count_text(crossed), count_text(entered),
                          thinned, transit)
            : fmt::format(
                  "nothing points to {}: {} of {} packets crossed{}{}, but {} not accounted for: not followed, or at "
                  "an edge of the capture.",
                  name, count_text(crossed), count_text(entered), thinned, transit,
                  unaccounted == 1 ? "1 is" : count_text(unaccounted) + " are");
    sentence[0] = static_cast<char>(std::toupper(sentence[0]));
    if (!has_accusations()) sentence = "Nothing wrong was found" + failed_text() + ". " + sentence;
    text += wrapped(sentence, 2, 0);
  }
  if (text.empty() && !has_accusations()) {
    text += points_.size() >= 2 && devices_.empty() ? wrapped("Nothing wrong was found" + failed_text() +
                                                                  "; but no connection was paired across the "
                                                                  "points, so that nothing can be said about what "
                                                                  "stands between them.",
                                                              2, 0)
                                                    : wrapped("Nothing wrong was found" + failed_text() + ".", 2, 0);
  }
  return text;
}

// What did not come about, and yet nothing can be said against anyone: ", but 3 refused" must not go under.
std::string TextReport::failed_text() const {
  const auto tcp = outcomes_.find("tcp");
  if (tcp == outcomes_.end()) return {};
  std::map<std::string, uint64_t> failed;
  for (const char* outcome : {"refused", "unanswered", "incomplete"}) {
    if (const auto found = tcp->second.find(outcome); found != tcp->second.end()) failed.insert(*found);
  }
  return failed.empty() ? "" : ", but of the TCP connections " + counts_text(failed);
}

std::string TextReport::points() const {
  TextTable table({{"Point"}, {"packets", true}, {"bytes", true}, {"from (UTC)"}, {"to"}, {"duration", true}, {"link"}});
  std::string notes;
  for (const v1::Point& point : points_) {
    const bool empty = point.packets() == 0;
    table.add({point.name(), count_text(point.packets()), bytes_text(point.bytes()),
               empty ? "-" : short_time(point.first_seen(), true), empty ? "-" : short_time(point.last_seen(), false),
               empty ? "-" : duration_text(static_cast<double>(span_ns(point)) / 1e9),
               point.link_type().empty() ? "-" : point.link_type()});
    if (point.has_clock_uncertainty_seconds()) notes += wrapped(clock_text(point, points_.front().name()), 4, 2);
    for (const std::string& warning : point.warnings()) notes += wrapped(printable(warning), 4, 2);
    if (point.offloaded_checksums() + point.wrong_checksums() > 0)
      notes +=
          wrapped(fmt::format("{}: of its TCP segments {} have a wrong checksum, and {} one that a host left to its network card",
                              point.name(), point.wrong_checksums(), point.offloaded_checksums()),
                  4, 2);
    if (point.decode_errors() > 0) {
      const std::map<std::string, uint64_t> reasons(point.decode_errors_by_reason().begin(),
                                                    point.decode_errors_by_reason().end());
      notes += wrapped(fmt::format("{}: {} could not be decoded: {}", point.name(),
                                   plural(point.decode_errors(), "packet", "packets"), counts_text(reasons)),
                       4, 2);
    }
  }
  return table.text() + notes;
}

std::string TextReport::connections() const {
  if (summary_.connections() == 0) return "Connections: none\n";
  std::string text = fmt::format("Connections: {}\n", counts_text(protocols_));
  for (const auto& [protocol, outcomes] : outcomes_)
    text += wrapped(fmt::format("{}: {}", protocol, counts_text(outcomes)), 4, 2);
  if (!closes_.empty()) text += wrapped("closed (of the established): " + counts_text(closes_), 4, 2);
  if (retransmissions_ > 0)
    text += wrapped(fmt::format("retransmissions: {}, counted at each point", count_text(retransmissions_)), 4, 2);
  text += messages();
  if (summary_.has_access_log()) {
    for (const std::string& line : access_log_lines(summary_.access_log())) {
      const bool is_first = line.starts_with("access log");
      text += wrapped(printable(line), is_first ? 4 : 6, is_first ? 2 : 4);
    }
  }
  if (points_.size() > 1 || !crossed_.empty()) {
    const std::string unpaired =
        points_.size() > 1 ? fmt::format("; {} found no partner", plural(summary_.unpaired_legs(), "leg", "legs")) : "";
    text += wrapped(fmt::format("paired: {} of {}{}", count_text(summary_.paired_connections()),
                                count_text(summary_.connections()), unpaired),
                    4, 2);
    for (const auto& [place, crossed] : crossed_) {
      text += wrapped(fmt::format("{}: {}{}", place, counts_text(crossed.methods),
                                  crossed.undecided > 0 ? fmt::format("; the fate of {} was not followed",
                                                                      plural(crossed.undecided, "packet", "packets"))
                                                        : ""),
                      6, 4);
    }
  }
  return text;
}

std::string TextReport::findings() const {
  if (findings_.empty()) return "Findings: none\n\n";
  std::vector<const v1::Finding*> sorted;
  for (const v1::Finding& finding : findings_) sorted.push_back(&finding);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const v1::Finding* a, const v1::Finding* b) { return group_of(*a) < group_of(*b); });
  std::vector<std::vector<const v1::Finding*>> groups;
  for (const v1::Finding* finding : sorted) {
    if (groups.empty() || group_of(*groups.back().front()) != group_of(*finding)) groups.emplace_back();
    groups.back().push_back(finding);
  }
  const auto weight_of = [](const std::vector<const v1::Finding*>& group) {
    return std::make_tuple(group.front()->severity(),
                           std::any_of(group.begin(), group.end(), [](auto* f) { return is_certain(*f); }), count_of(group));
  };
  std::stable_sort(groups.begin(), groups.end(), [&](const auto& a, const auto& b) { return weight_of(a) > weight_of(b); });
  std::string text = fmt::format("Findings: {}, worst first\n", findings_.size());
  for (size_t i = 0; i < groups.size() && i < kGroupsMax; ++i) {
    std::vector<const v1::Finding*>& group = groups[i];
    std::stable_sort(group.begin(), group.end(),
                     [](const v1::Finding* a, const v1::Finding* b) { return a->count() > b->count(); });
    text += group_text(group) + '\n';
  }
  if (groups.size() > kGroupsMax)
    text += fmt::format("  and {} more kinds of finding; --format json has all of them\n\n", groups.size() - kGroupsMax);
  return text;
}

std::string TextReport::devices() const {
  std::string text;
  for (const v1::Device& device : devices_) {
    if (device.between_size() != 2) continue;
    std::string changes;
    for (int i = 0; i < device.changes_size(); ++i) changes += (i > 0 ? ", " : "") + word(device.changes(i));
    text += wrapped(
        fmt::format("Device {}: {}, {}{}{}", place_of(device), word(device.kind()),
                    plural(device.connections(), "connection", "connections"), changes.empty() ? "" : "; changes ", changes),
        4, 0);
    const auto way = [&](Direction direction, bool has, const v1::Distribution& transit, const v1::DeviceTraffic& traffic) {
      if (traffic.entered() == 0) return;
      if (ends_connections(device)) {
        text += wrapped(fmt::format("{}: {} came to it; what it made of them is another connection's{}",
                                    way_text(device, direction), plural(traffic.entered(), "packet", "packets"),
                                    has ? "; transit of messages, by turns: " + transit_text(transit) : ""),
                        4, 2);
        return;
      }
      text += wrapped(
          fmt::format("{}: {} entered, {} crossed, {} lost{}{}{}{}", way_text(device, direction), count_text(traffic.entered()),
                      count_text(traffic.forwarded()), count_text(traffic.lost()),
                      share_text(traffic.answered_by_device(), "answered by the device"),
                      share_text(traffic.superseded(), "superseded by later ones"),
                      share_text(traffic.undecided(), "not accounted for"), has ? "; transit " + transit_text(transit) : ""),
          4, 2);
    };
    way(Direction::toward_inside, device.has_transit_toward_inside_seconds(), device.transit_toward_inside_seconds(),
        device.toward_inside());
    way(Direction::toward_outside, device.has_transit_toward_outside_seconds(), device.transit_toward_outside_seconds(),
        device.toward_outside());
    if (device.resets_originated() > 0) text += fmt::format("  resets of its own: {}\n", count_text(device.resets_originated()));
    std::vector<const v1::AddressMapEntry*> entries;
    for (const v1::AddressMapEntry& entry : device.address_map()) {
      if (endpoint_text(entry.outside()) != endpoint_text(entry.inside())) entries.push_back(&entry);  // translated
    }
    std::stable_sort(entries.begin(), entries.end(),
                     [](const auto* a, const auto* b) { return a->connections() > b->connections(); });
    for (size_t i = 0; i < entries.size() && i < kAddressesMax; ++i) {
      text += fmt::format("  {} is {} {}: {}\n", endpoint_text(entries[i]->outside()), endpoint_text(entries[i]->inside()),
                          is_hairpin(device) ? "behind it" : "inside",
                          plural(entries[i]->connections(), "connection", "connections"));
    }
    if (entries.size() > kAddressesMax) text += fmt::format("  and {} more addresses\n", entries.size() - kAddressesMax);
    text += '\n';
  }
  return text;
}

std::string TextReport::sensor() const {
  std::string text;
  if (summary_.sensor_loss() > 0)
    text += fmt::format("  {} lost by the sensor itself\n", plural(summary_.sensor_loss(), "packet", "packets"));
  for (const v1::Point& point : points_) {
    if (point.capture_loss_segments() == 0) continue;
    text += wrapped(fmt::format("{}: {} acknowledged and never seen: packets are missing from this capture", point.name(),
                                plural(point.capture_loss_segments(), "segment was", "segments were")),
                    4, 2);
  }
  if (const std::string blind = blind_points(); !blind.empty()) text += wrapped(blind, 4, 2);
  for (const std::string& bound : summary_.bounds_hit()) text += wrapped("bound hit: " + bound, 4, 2);
  text = text.empty() ? "The sensor itself lost nothing, and no bound was hit.\n"
                      : "The sensor itself: what is said above is less certain because of\n" + text;
  if (const std::string off = not_looked_for(summary_); !off.empty()) text += wrapped(off, 2, 0);
  return text;
}

}  // namespace parallax
