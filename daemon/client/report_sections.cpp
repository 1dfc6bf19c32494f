#include "daemon/client/report_sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <initializer_list>
#include <iterator>
#include <set>
#include <vector>

#include "daemon/client/access_log_text.h"
#include "daemon/client/finding_groups.h"
#include "daemon/client/not_followed.h"
#include "daemon/client/not_looked_for.h"
#include "daemon/client/report_words.h"
#include "daemon/message/text_table.h"

namespace parallax {
namespace {

constexpr size_t kAddressesMax = 6;

std::string capitalized(std::string sentence) {
  sentence[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(sentence[0])));
  return sentence;
}

std::string device_name(const v1::Device& device) { return "the device " + place_of(device); }
bool is_hairpin(const v1::Device& device) { return device.between(0) == device.between(1); }
// In which direction; a hairpin's packets come from the same side either way.
std::string way_text(const v1::Device& device, Direction direction) {
  const bool is_inward = direction == Direction::toward_inside;
  if (is_hairpin(device)) return is_inward ? "from clients" : "from servers";
  return "toward " + device.between(is_inward ? 1 : 0);
}

// Both ways together.
v1::DeviceTraffic traffic_of(const v1::Device& device) {
  v1::DeviceTraffic sum = device.toward_inside();
  const v1::DeviceTraffic& other = device.toward_outside();
  sum.set_entered(sum.entered() + other.entered());
  sum.set_forwarded(sum.forwarded() + other.forwarded());
  sum.set_lost(sum.lost() + other.lost());
  sum.set_answered_by_device(sum.answered_by_device() + other.answered_by_device());
  sum.set_superseded(sum.superseded() + other.superseded());
  sum.set_undecided(sum.undecided() + other.undecided());
  return sum;
}

// A proxy of whose packets none is the same on both sides.
bool ends_connections(const v1::Device& device) {
  return device.kind() == v1::DEVICE_KIND_PROXY && traffic_of(device).forwarded() == 0;
}

// "<before>35 us toward inside and 41 us toward outside", each way that can be told; or nothing.
std::string medians_text(const v1::Device& device, const char* before) {
  std::string text;
  const auto add = [&](bool has, const v1::Distribution& transit, Direction direction) {
    if (!has || !clocks_can_tell(transit)) return;
    text += fmt::format("{}{} {}", text.empty() ? before : " and ", duration_text(transit.median()), way_text(device, direction));
  };
  add(device.has_transit_toward_inside_seconds(), device.transit_toward_inside_seconds(), Direction::toward_inside);
  add(device.has_transit_toward_outside_seconds(), device.transit_toward_outside_seconds(), Direction::toward_outside);
  return text;
}

// "slower under load: ...", of the way that is slowed most; or nothing: load makes no difference. A second or two may be chance.
std::string slowed_text(const v1::Device& device) {
  constexpr uint64_t kSecondsLeast = 3;
  constexpr double kTimesLeast = 2;
  if (!clocks_can_tell(device.transit_toward_inside_seconds()) || !clocks_can_tell(device.transit_toward_outside_seconds()))
    return "";
  const v1::TransitAtLoad *idle = nullptr, *busy = nullptr;
  for (const v1::TransitAtLoad& at : device.transit_by_load()) {
    if (at.seconds() < kSecondsLeast) continue;
    if (idle == nullptr) idle = &at;
    busy = &at;
  }
  if (idle == nullptr) return "";
  const auto times = [](double at_idle, double at_busy) { return at_idle > 0 ? at_busy / at_idle : 0; };
  const double inward = times(idle->toward_inside_seconds(), busy->toward_inside_seconds()),
               outward = times(idle->toward_outside_seconds(), busy->toward_outside_seconds());
  if (std::max(inward, outward) < kTimesLeast) return "";
  const bool is_inward = inward >= outward;
  const Direction way = is_inward ? Direction::toward_inside : Direction::toward_outside;
  return fmt::format("slower under load: {} on average {} from {} packets a second on, {} below {}",
                     duration_text(is_inward ? busy->toward_inside_seconds() : busy->toward_outside_seconds()),
                     way_text(device, way), count_text(busy->packets_per_second_from()),
                     duration_text(is_inward ? idle->toward_inside_seconds() : idle->toward_outside_seconds()),
                     count_text(idle->packets_per_second_below()));
}

// ", 12 not accounted for", or nothing.
std::string share_text(uint64_t count, const char* what) {
  return count == 0 ? "" : fmt::format(", {} {}", count_text(count), what);
}

// Points of which not one packet could be decoded, as a sentence; empty: there is none. No all-clear is given then.
std::string blind_points(const Report& report) {
  std::string names;
  for (const v1::Point& point : report.points()) {
    if (point.packets() > 0 && point.decode_errors() >= point.packets())
      names += fmt::format("{}{} (link type {})", names.empty() ? "" : ", ", point.name(), point.link_type());
  }
  return names.empty() ? "" : "No packet could be decoded at " + names + ": nothing can be said about what passed there.";
}

// What did not come about, and yet nothing can be said against anyone: ", but 3 refused" must not go under.
std::string failed_text(const Report& report) {
  const auto tcp = report.outcomes().find("tcp");
  if (tcp == report.outcomes().end()) return {};
  Report::Counts failed;
  for (const char* outcome : {"refused", "unanswered", "incomplete"}) {
    if (const auto found = tcp->second.find(outcome); found != tcp->second.end()) failed.insert(*found);
  }
  return failed.empty() ? "" : " of the TCP connections " + counts_text(failed);
}

std::string notices_text(const Report& report) {
  Report::Counts notices;
  for (const v1::Finding& finding : report.findings()) {
    if (finding.severity() == v1::SEVERITY_NOTICE)
      notices[word(finding.kind()) + ' ' + where_text(finding.where())] += finding.count();
  }
  return notices.empty() ? "" : counts_text(notices);
}

// Where nobody is accused. What is worth a look is no all-clear.
std::string quiet_verdict(const Report& report) {
  const bool is_alone = report.points().size() < 2;
  const std::string notices = notices_text(report), failed = failed_text(report);
  std::string sentence = notices.empty() ? "Nothing wrong was found" : "Worth a look: " + notices;
  if (is_alone && notices.empty()) sentence += " in " + plural(report.summary().connections(), "connection", "connections");
  if (!failed.empty()) sentence += (notices.empty() ? ", but" : ";") + failed;
  if (!report.devices().empty()) return sentence + '.';
  return sentence + (is_alone ? ". Packets were seen at one point only: what a device beyond it did with them cannot be told."
                              : "; but no connection was paired across the points, so that nothing can be said about what stands "
                                "between them.");
}

// What findings tell of between its points that one of these did: "slow_path, syn_unanswered".
std::string told_of(const v1::Device& device, const Report& report, std::initializer_list<v1::Origin> origins) {
  std::set<std::string> kinds;
  for (const v1::Finding& finding : report.findings()) {
    const auto& where = finding.where().between();
    if (finding.severity() >= v1::SEVERITY_NOTICE && where.size() == device.between_size() &&
        std::is_permutation(where.begin(), where.end(), device.between().begin()) &&
        std::find(origins.begin(), origins.end(), finding.origin()) != origins.end())
      kinds.insert(word(finding.kind()));
  }
  return fmt::format("{}", fmt::join(kinds, ", "));
}
bool is_accused(const v1::Device& device, const Report& report) { return !told_of(device, report, {v1::ORIGIN_DEVICE}).empty(); }

// A forwarder that works takes less: half of the packets took that long in one of the directions.
bool is_slow(const v1::Device& device) {
  constexpr double kSlowSeconds = 0.01;
  const auto is_long = [](bool has, const v1::Distribution& transit) {
    return has && clocks_can_tell(transit) && transit.median() >= kSlowSeconds;
  };
  return is_long(device.has_transit_toward_inside_seconds(), device.transit_toward_inside_seconds()) ||
         is_long(device.has_transit_toward_outside_seconds(), device.transit_toward_outside_seconds());
}

// Packets of which nothing is said: of those that entered, and of paired connections also of those that were seen only where they
// leave.
uint64_t not_judged(const v1::Device& device, const Report& report) {
  const auto crossed = report.crossed().find(place_of(device));
  return std::max(traffic_of(device).undecided(), crossed == report.crossed().end() ? 0 : crossed->second.undecided);
}

// What may have crossed it and is not followed; or nothing.
std::string not_followed_at(const v1::Device& device, const Report& report) {
  std::vector<v1::Point> points;
  std::copy_if(report.points().begin(), report.points().end(), std::back_inserter(points), [&](const v1::Point& point) {
    return !is_hairpin(device) && std::count(device.between().begin(), device.between().end(), point.name()) > 0;
  });
  return not_followed(points);
}

// Both points show the same packets, and no time passed between: no device works like that, and a person has mistaken a file.
bool shows_one_capture_twice(const v1::Device& device, const Report& report) {
  const auto point_at = [&](int end) {
    return std::find_if(report.points().begin(), report.points().end(),
                        [&](const v1::Point& point) { return point.name() == device.between(end); });
  };
  const auto outer = point_at(0), inner = point_at(1);
  if (is_hairpin(device) || outer == report.points().end() || inner == report.points().end()) return false;
  const auto in_no_time = [](bool has, const v1::Distribution& transit) { return !has || transit.max() == 0; };
  const auto is_same = [](const auto& a, const auto& b) { return a.seconds() == b.seconds() && a.nanos() == b.nanos(); };
  return traffic_of(device).forwarded() > 0 && !device.transit_is_by_turns() && device.changes().empty() &&
         outer->packets() == inner->packets() && outer->bytes() == inner->bytes() &&
         is_same(outer->first_seen(), inner->first_seen()) && is_same(outer->last_seen(), inner->last_seen()) &&
         in_no_time(device.has_transit_toward_inside_seconds(), device.transit_toward_inside_seconds()) &&
         in_no_time(device.has_transit_toward_outside_seconds(), device.transit_toward_outside_seconds());
}

// "48 are not accounted for: ..."; or nothing.
std::string left_out_text(const v1::Device& device, const Report& report) {
  const uint64_t packets = not_judged(device, report), legs = report.summary().unpaired_legs();
  std::string text;
  if (packets > 0)
    text = (packets == 1 ? "1 is" : count_text(packets) + " are") +
           " not accounted for: seen at one point alone, not followed, or at an edge of the capture";
  const auto add = [&text](const std::string& more) { text += (text.empty() ? "" : "; and ") + more; };
  if (legs > 0) add(plural(legs, "leg was", "legs were") + " seen at one point alone");
  if (const std::string others = not_followed_at(device, report); !others.empty()) add("not followed: " + others);
  return text;
}

// "The device between ... took part": what it lost, answered or reset, of which no finding accuses it. Empty: nothing.
std::string part_text(const v1::Device& device, const v1::DeviceTraffic& both) {
  std::string what;
  const auto add = [&what](uint64_t count, const char* one, const char* many) {
    if (count > 0) what += fmt::format("{}{}", what.empty() ? "" : ", ", plural(count, one, many));
  };
  add(both.lost(), "packet did not leave it", "packets did not leave it");
  add(both.answered_by_device(), "packet of a handshake was its own", "packets of handshakes were its own");
  add(device.resets_originated(), "RST was its own", "RSTs were its own");
  return what;
}

std::string device_verdict(const v1::Device& device, const Report& report) {
  const std::string name = device_name(device);
  const v1::DeviceTraffic both = traffic_of(device);
  if (shows_one_capture_twice(device, report))
    return fmt::format(
        "{} and {} show the very same packets at the same times: is it one capture, given for both? Nothing can be "
        "said about a device between them.",
        device.between(0), device.between(1));
  if (const std::string part = part_text(device, both); !part.empty())
    return capitalized(fmt::format("{} took part in what is seen: {}.", name, part));
  if (ends_connections(device)) {
    const std::string took = device.transit_is_by_turns() ? medians_text(device, "") : "";
    return capitalized(
        fmt::format("{} ends connections and makes its own: {} paired across it, and their packets are not followed, so that "
                    "nothing more can be said about it{}.",
                    name, plural(device.connections(), "connection was", "connections were"),
                    took.empty() ? "" : " than what it took: by turns, a message passed it in a median of " + took));
  }
  if (both.forwarded() == 0)
    return fmt::format("No packet was recognised on both sides of {}: nothing can be said about it.", name);
  const std::string transit = medians_text(device, ", median transit ");
  const std::string thinned = both.superseded() == 0 ? ""
                                                     : fmt::format(", {} did not and were covered by later acknowledgements",
                                                                   count_text(both.superseded()));
  const std::string crossed =
      fmt::format("{} of {} packets crossed{}{}", count_text(both.forwarded()), count_text(both.entered()), thinned, transit);
  const std::string left_out = left_out_text(device, report);
  const std::string facts = crossed + (left_out.empty() ? "." : ", but " + left_out + '.');
  if (const std::string kinds = told_of(device, report, {v1::ORIGIN_PATH, v1::ORIGIN_UNKNOWN}); !kinds.empty())
    return capitalized(fmt::format("{} may be the cause of what {} tells: {}", name, kinds, facts));
  // Then what it took may be how far they are apart.
  const bool may_be_clocks = told_of(device, report, {v1::ORIGIN_SENSOR}).find("clock_uncertain") != std::string::npos;
  if (is_slow(device))
    return capitalized(fmt::format("{} held packets{}: {}", name, may_be_clocks ? ", or the clocks differ" : "", facts));
  if (!left_out.empty()) return fmt::format("Nothing points to {}: {}", name, facts);
  return capitalized(fmt::format("{} is not the cause: {}", name, facts));
}

std::string clock_text(const v1::Point& point, const std::string& first) {
  const double ahead = point.clock_offset_seconds();
  const std::string drift =
      point.clock_drift_ppm() != 0 ? fmt::format(" at first, drift {:+.2f} ppm", point.clock_drift_ppm()) : "";
  return fmt::format(
      "{}: its clock is {:.6f} s {} that of {}{}, +- {} (how the shortest round trip is shared between the two ways cannot be "
      "seen); all times are by the latter",
      point.name(), std::abs(ahead), ahead < 0 ? "behind" : "ahead of", first, drift,
      duration_text(point.clock_uncertainty_seconds()));
}

void add_messages(const Report::Messages& messages, ReportLines& lines) {
  if (messages.tls_connections > 0) {
    lines.push_back({1, fmt::format("TLS: {}{}{}{}", plural(messages.tls_connections, "connection", "connections"),
                                    messages.tls_names.empty() ? "" : "; to ", names_text(messages.tls_names),
                                    messages.alerts.empty() ? "" : "; alerts: " + names_text(messages.alerts))});
  }
  if (messages.http_requests > 0) {
    lines.push_back({1, fmt::format("HTTP: {}; status {}{}{}", plural(messages.http_requests, "request", "requests"),
                                    names_text(messages.http_statuses), messages.http_hosts.empty() ? "" : "; to ",
                                    names_text(messages.http_hosts))});
  }
  if (messages.dns_questions > 0) {
    lines.push_back({1, fmt::format("DNS: {}; {}", plural(messages.dns_questions, "question", "questions"),
                                    names_text(messages.dns_rcodes))});
  }
  if (messages.proxied > 0) lines.push_back({1, "with a PROXY header: " + plural(messages.proxied, "connection", "connections")});
}

uint64_t count_in(const Report& report, const char* protocol, const char* outcome) {
  const auto outcomes = report.outcomes().find(protocol);
  if (outcomes == report.outcomes().end()) return 0;
  const auto found = outcomes->second.find(outcome);
  return found == outcomes->second.end() ? 0 : found->second;
}

}  // namespace

std::string report_headline(const Report& report) {
  std::string day;
  for (const v1::Point& point : report.points()) {
    if (point.packets() == 0) continue;
    const std::string begins = short_time(point.first_seen(), true).substr(0, 10);
    if (day.empty() || begins < day) day = begins;
  }
  const v1::Summary& summary = report.summary();
  return fmt::format("Parallax: {} at {}, {}{}{}", plural(summary.packets(), "packet", "packets"),
                     plural(report.points().size(), "point", "points"),
                     plural(summary.connections(), "connection", "connections"), day.empty() ? "" : "; ", day);
}

ReportLines report_verdict(const Report& report) {
  ReportLines lines;
  const auto say = [&lines](std::string sentence) { lines.push_back({0, std::move(sentence)}); };
  const std::string blind = blind_points(report);
  if (!blind.empty()) say(blind);
  if (report.summary().packets() == 0) {
    say("No packet could be analysed.");
    return lines;
  }
  if (report.has_accusations()) {
    Report::Counts certain, possible;
    double lost_seconds = 0;
    for (const v1::Finding& finding : report.findings()) {
      if (is_certain(finding)) lost_seconds += own_time_lost_seconds(finding);
      if (finding.severity() < v1::SEVERITY_WARNING) continue;
      (is_certain(finding) ? certain : possible)[word(finding.kind()) + ' ' + where_text(finding.where())] += finding.count();
    }
    if (!certain.empty()) say("Something is wrong: " + counts_text(certain) + '.');
    if (!possible.empty()) say("Something may be wrong, but is not certain: " + counts_text(possible) + '.');
    if (lost_seconds > 0) say("Waiting cost " + duration_text(lost_seconds) + " in all, of all connections together.");
  } else if (blind.empty()) {
    say(quiet_verdict(report));
    const bool is_said = std::any_of(report.devices().begin(), report.devices().end(), [&](const v1::Device& device) {
      return !not_followed_at(device, report).empty() && traffic_of(device).forwarded() > 0;
    });
    if (const std::string others = not_followed(report.points()); !others.empty() && !is_said)
      say("Nothing is said of what is not followed: " + others + '.');
  }
  if (!blind.empty()) return lines;
  for (const v1::Device& device : report.devices()) {
    if (device.between_size() == 2 && !is_accused(device, report)) say(device_verdict(device, report));
  }
  return lines;
}

ReportLines report_point_notes(const Report& report) {
  ReportLines lines;
  for (const v1::Point& point : report.points()) {
    for (const std::string& warning : point.warnings()) lines.push_back({1, warning});
    if (point.offloaded_checksums() + point.wrong_checksums() > 0)
      lines.push_back(
          {1, fmt::format("{}: of its TCP segments {} have a wrong checksum, and {} one that a host left to its network card",
                          point.name(), point.wrong_checksums(), point.offloaded_checksums())});
  }
  return lines;
}

ReportLines report_connections(const Report& report) {
  const v1::Summary& summary = report.summary();
  if (summary.connections() == 0) return {{0, "Connections: none"}};
  ReportLines lines{{0, "Connections: " + counts_text(report.protocols())}};
  for (const auto& [protocol, outcomes] : report.outcomes()) lines.push_back({1, protocol + ": " + counts_text(outcomes)});
  if (!report.closes().empty()) lines.push_back({1, "closed (of the established): " + counts_text(report.closes())});
  if (report.retransmissions() > 0)
    lines.push_back({1, fmt::format("retransmissions: {}, counted at each point", count_text(report.retransmissions()))});
  add_messages(report.messages(), lines);
  if (summary.has_access_log()) {
    for (const std::string& line : access_log_lines(summary.access_log()))
      lines.push_back({line.starts_with("access log") ? 1u : 2u, line});
  }
  if (report.points().size() < 2 && report.crossed().empty()) return lines;
  lines.push_back(
      {1, fmt::format("paired: {} of {}{}", count_text(summary.paired_connections()), count_text(summary.connections()),
                      report.points().size() > 1
                          ? fmt::format("; {} found no partner", plural(summary.unpaired_legs(), "leg", "legs"))
                          : "")});
  for (const auto& [place, crossed] : report.crossed()) {
    lines.push_back({2, fmt::format("{}: {}{}", place, counts_text(crossed.methods),
                                    crossed.undecided == 0 ? ""
                                                           : fmt::format("; the fate of {} was not followed",
                                                                         plural(crossed.undecided, "packet", "packets")))});
  }
  return lines;
}

ReportLines report_device(const v1::Device& device) {
  std::string changes;
  for (int i = 0; i < device.changes_size(); ++i) changes += (i > 0 ? ", " : "; changes ") + word(device.changes(i));
  ReportLines lines{{0, fmt::format("Device {}: {}, {}{}", place_of(device), word(device.kind()),
                                    plural(device.connections(), "connection", "connections"), changes)}};
  const auto way = [&](Direction direction, bool has, const v1::Distribution& transit, const v1::DeviceTraffic& traffic) {
    if (traffic.entered() == 0) return;
    std::string text = way_text(device, direction) + ": ";
    if (ends_connections(device)) {
      text += fmt::format("{} came to it; what it made of them is another connection's{}",
                          plural(traffic.entered(), "packet", "packets"),
                          has ? "; transit of messages, by turns: " + transit_text(transit) : "");
    } else {
      text +=
          fmt::format("{} entered, {} crossed, {} lost{}{}{}{}", count_text(traffic.entered()), count_text(traffic.forwarded()),
                      count_text(traffic.lost()), share_text(traffic.answered_by_device(), "answered by the device"),
                      share_text(traffic.superseded(), "superseded by later ones"),
                      share_text(traffic.undecided(), "not accounted for"), has ? "; transit " + transit_text(transit) : "");
    }
    lines.push_back({1, std::move(text)});
  };
  way(Direction::toward_inside, device.has_transit_toward_inside_seconds(), device.transit_toward_inside_seconds(),
      device.toward_inside());
  way(Direction::toward_outside, device.has_transit_toward_outside_seconds(), device.transit_toward_outside_seconds(),
      device.toward_outside());
  if (std::string slowed = slowed_text(device); !slowed.empty()) lines.push_back({1, std::move(slowed)});
  if (device.resets_originated() > 0) lines.push_back({1, "resets of its own: " + count_text(device.resets_originated())});
  std::vector<const v1::AddressMapEntry*> translated;
  for (const v1::AddressMapEntry& entry : device.address_map()) {
    if (endpoint_text(entry.outside()) != endpoint_text(entry.inside())) translated.push_back(&entry);
  }
  std::stable_sort(translated.begin(), translated.end(),
                   [](const auto* a, const auto* b) { return a->connections() > b->connections(); });
  for (size_t i = 0; i < translated.size() && i < kAddressesMax; ++i) {
    const v1::AddressMapEntry& entry = *translated[i];
    lines.push_back(
        {1, fmt::format("{} is {} {}: {}", endpoint_text(entry.outside()), endpoint_text(entry.inside()),
                        is_hairpin(device) ? "behind it" : "inside", plural(entry.connections(), "connection", "connections"))});
  }
  if (translated.size() > kAddressesMax)
    lines.push_back({1, fmt::format("and {} more addresses", translated.size() - kAddressesMax)});
  return lines;
}

ReportLines report_fine(const Report& report) {
  ReportLines lines;
  if (const auto tcp = report.protocols().find("tcp"); tcp != report.protocols().end()) {
    const auto closed = [&](const char* close) {
      uint64_t sum = 0;
      for (const auto& [name, count] : report.closes()) sum += name.starts_with(close) ? count : 0;
      return sum;
    };
    if (const uint64_t established = count_in(report, "tcp", "established"); established > 0)
      lines.push_back({1, fmt::format("{} of {} established; {} of them closed with FIN", count_text(established),
                                      plural(tcp->second, "TCP connection", "TCP connections"), count_text(closed("fin")))});
  }
  if (const auto udp = report.protocols().find("udp"); udp != report.protocols().end()) {
    if (const uint64_t answered = count_in(report, "udp", "answered"); answered > 0)
      lines.push_back({1, fmt::format("{} of {} answered", count_text(answered),
                                      plural(udp->second, "UDP conversation", "UDP conversations"))});
  }
  for (const v1::Device& device : report.devices()) {
    const v1::DeviceTraffic both = traffic_of(device);
    if (device.between_size() == 2 && both.forwarded() > 0 && !shows_one_capture_twice(device, report))
      lines.push_back({1, fmt::format("{} passed {} of {}", device_name(device), count_text(both.forwarded()),
                                      plural(both.entered(), "packet", "packets"))});
  }
  if (report.summary().sensor_loss() == 0 && report.summary().bounds_hit().empty())
    lines.push_back({1, "the sensor itself lost nothing, and no bound was hit"});
  return lines;
}

ReportLines report_not_judged(const Report& report) {
  ReportLines lines;
  const auto say = [&lines](std::string text) { lines.push_back({1, std::move(text)}); };
  const v1::Summary& summary = report.summary();
  if (summary.sensor_loss() > 0) say(plural(summary.sensor_loss(), "packet", "packets") + " lost by the sensor itself");
  for (const v1::Point& point : report.points()) {
    if (point.capture_loss_segments() > 0)
      say(fmt::format("{}: {} acknowledged and never seen: packets are missing from this capture", point.name(),
                      plural(point.capture_loss_segments(), "segment was", "segments were")));
    if (point.decode_errors() > 0)
      say(fmt::format("{}: {} could not be decoded: {}", point.name(), plural(point.decode_errors(), "packet", "packets"),
                      counts_text({point.decode_errors_by_reason().begin(), point.decode_errors_by_reason().end()})));
  }
  if (const std::string blind = blind_points(report); !blind.empty()) say(blind);
  if (report.points().size() == 1 && report.devices().empty())
    say("what a device beyond " + report.points().front().name() + " did: packets were seen at one point only");
  if (report.points().size() > 1 && report.devices().empty() && summary.unpaired_legs() > 0)
    say(fmt::format("{} found no partner: where the packets went cannot be told",
                    plural(summary.unpaired_legs(), "leg", "legs")));
  for (const v1::Device& device : report.devices()) {
    if (const uint64_t packets = not_judged(device, report); device.between_size() == 2 && packets > 0)
      say(fmt::format("what {} did with {}: seen at one point alone, not followed, or at an edge of the capture",
                      device_name(device), plural(packets, "packet", "packets")));
  }
  if (const std::string others = not_followed(report.points()); !others.empty())
    say(others + ": not followed, and none that was lost is told");
  if (const uint64_t unexplained = report.unanswered_unexplained(); unexplained > 0)
    say(fmt::format("why {} unanswered: the answer may be due after the end of the capture, or have been missed by it",
                    plural(unexplained, "TCP connection was", "TCP connections were")));
  if (const uint64_t midstream = count_in(report, "tcp", "midstream"); midstream > 0)
    say(fmt::format("how {} opened: open before the capture began",
                    plural(midstream, "TCP connection was", "TCP connections were")));
  const auto& findings = report.findings();
  if (const auto doubtful = static_cast<uint64_t>(
          std::count_if(findings.begin(), findings.end(), [](const v1::Finding& f) { return !is_certain(f); }));
      doubtful > 0)
    say(fmt::format("who is to blame for {} of confidence below 0.5: {} own evidence says what was missing",
                    plural(doubtful, "finding", "findings"), doubtful == 1 ? "its" : "their"));
  for (const std::string& bound : summary.bounds_hit()) say("bound hit: " + bound);
  if (const std::string off = not_looked_for(summary); !off.empty()) say(off);
  return lines;
}

ReportLines report_clocks(const Report& report) {
  const auto& points = report.points();
  if (points.size() < 2) return {{1, "one point: no verdict rests on the clocks of two"}};
  if (!report.clocks_compared())
    return {{1, "stamps are taken as they stand: the clocks of the points were not compared with each other"}};
  const auto& findings = report.findings();
  const bool is_doubted = std::any_of(findings.begin(), findings.end(),
                                      [](const v1::Finding& f) { return f.kind() == v1::FINDING_KIND_CLOCK_UNCERTAIN; });
  ReportLines lines;
  if (is_doubted)
    lines.push_back({1, "the clocks of the points cannot be brought together for all of the time: see clock_uncertain"});
  for (size_t i = 1; i < points.size(); ++i) {
    if (is_doubted && !points[i].has_clock_uncertainty_seconds()) continue;
    lines.push_back({1, points[i].has_clock_uncertainty_seconds()
                            ? clock_text(points[i], points.front().name())
                            : points[i].name() + ": nothing says that its clock differs from that of " + points.front().name()});
  }
  return lines;
}

}  // namespace parallax
