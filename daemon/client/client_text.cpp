#include "daemon/client/client_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <map>

#include "config/enum_text.h"
#include "daemon/client/not_followed.h"
#include "daemon/client/not_looked_for.h"
#include "daemon/message/to_proto.h"

namespace parallax {
namespace {

constexpr int kAddressesShown = 10;

template <typename E>
std::string word(E value) {
  const auto* found = google::protobuf::GetEnumDescriptor<E>()->FindValueByNumber(value);
  return found != nullptr ? enum_text(*found) : std::to_string(static_cast<int>(value));
}

std::string time_text(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return "-";
  const auto seconds = static_cast<time_t>(time.seconds());
  std::tm parts{};
  if (::gmtime_r(&seconds, &parts) == nullptr) return "-";
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                     parts.tm_hour, parts.tm_min, parts.tm_sec, time.nanos() / 1'000'000);
}

std::string end_text(const v1::Endpoint& end) {
  const bool v6 = end.address().find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", end.address(), end.port()) : fmt::format("{}:{}", end.address(), end.port());
}

std::string pairing_text(const v1::Connection& connection) {
  std::string text;
  for (const v1::Crossing& crossing : connection.crossings()) {
    if (!text.empty()) text += ", ";
    text += word(crossing.pairing().method());
  }
  return text.empty() ? "-" : text;
}

// "203.0.113.5:40000 > 198.51.100.1:443 at outside"; the ends at the last point of the path, if they differ from the client's
// view.
std::string rewritten_text(const v1::Connection& connection) {
  if (connection.legs_size() < 2) return "-";
  const v1::Leg& leg = *connection.legs().rbegin();
  const std::string ends = fmt::format("{} > {}", end_text(leg.client()), end_text(leg.server()));
  if (ends == fmt::format("{} > {}", end_text(connection.client()), end_text(connection.server()))) return "same";
  return fmt::format("{} at {}", ends, leg.point());
}

std::string distribution_text(const v1::Distribution& times) {
  return fmt::format("median {}, 99 % {}, max {}", duration_text(times.median()), duration_text(times.p99()),
                     duration_text(times.max()));
}

std::string state_text(const v1::PortStatus& port) {
  if (port.outage().empty()) return port.link_up() ? "up" : "link down";
  return fmt::format("{} since {}", printable(port.outage()), time_text(port.outage_since()));
}

std::string port_table(const v1::Status& status) {
  TextTable table({{"PORT"},
                   {"POINT"},
                   {"SOURCE"},
                   {"STATE"},
                   {"PACKETS", true},
                   {"BYTES", true},
                   {"LOST BY SENSOR", true},
                   {"UNREADABLE", true}});
  for (const v1::PortStatus& port : status.ports()) {
    table.add({port.name(), port.point(), port.source(), state_text(port), count_text(port.packets()), bytes_text(port.bytes()),
               count_text(port.drops()), count_text(port.decode_errors())});
  }
  return table.text();
}

std::string drops_text(const v1::Status& status) {
  std::string text;
  for (const v1::PortStatus& port : status.ports()) {
    const std::map<std::string, uint64_t> reasons(port.drops_by_reason().begin(), port.drops_by_reason().end());
    for (const auto& [reason, count] : reasons) {
      if (count != 0) text += fmt::format("  {} lost {} at {}\n", printable(port.name()), count_text(count), printable(reason));
    }
  }
  return text;
}

// "  removed by size: 12 files, 768 MiB, 1,200,000 packets from 2026-01-31 12:00:00.000 to 2026-01-31 12:04:10.250"
std::string removal_text(const v1::SpoolRemoval& removal) {
  std::string text = fmt::format("  removed by {}: {} {}, {}", printable(removal.reason()), count_text(removal.files()),
                                 removal.files() == 1 ? "file" : "files", bytes_text(removal.bytes()));
  if (removal.packets() > 0) {
    text += fmt::format(", {} packets from {} to {}", count_text(removal.packets()), time_text(removal.oldest_packet()),
                        time_text(removal.newest_packet()));
  }
  return text + '\n';
}

// Empty where nothing is pinned, or was to be.
std::string pinned_text(const v1::PinnedStatus& pinned) {
  std::string failed;
  uint64_t failures = 0;
  const std::map<std::string, uint64_t> reasons(pinned.failed_by_reason().begin(), pinned.failed_by_reason().end());
  for (const auto& [reason, count] : reasons) {
    if (count > 0) failed += fmt::format("{}{} {}", failed.empty() ? "" : ", ", printable(reason), count_text(count));
    failures += count;
  }
  if (pinned.files() + pinned.made() + pinned.waiting() + pinned.dropped() + failures == 0) return {};
  std::string text = fmt::format("Pinned: {} {}, {} of {}", count_text(pinned.files()), pinned.files() == 1 ? "file" : "files",
                                 bytes_text(pinned.bytes()), bytes_text(pinned.limit_bytes()));
  if (pinned.files_of_earlier_runs() > 0)
    text += fmt::format(" ({} of earlier runs of the daemon)", count_text(pinned.files_of_earlier_runs()));
  if (pinned.oldest_packet().seconds() != 0)
    text += fmt::format(", {} to {}", time_text(pinned.oldest_packet()), time_text(pinned.newest_packet()));
  if (pinned.waiting() > 0) text += fmt::format(", {} to be pinned", count_text(pinned.waiting()));
  text += '\n';
  if (failures > 0) text += fmt::format("  not pinned: {}\n", failed);
  if (pinned.dropped() > 0) text += fmt::format("  not pinned, because too many waited: {}\n", count_text(pinned.dropped()));
  for (const v1::SpoolRemoval& removal : pinned.removed()) text += removal_text(removal);
  if (!pinned.error().empty()) text += fmt::format("  error: {}\n", printable(pinned.error()));
  return text;
}

std::string spool_text(const v1::Status& status) {
  if (!status.has_spool() || status.spool().directory().empty()) return "Spool: none\n";
  const v1::SpoolStatus& spool = status.spool();
  std::string text = fmt::format("Spool: {}, {} files, {} of {}", printable(spool.directory()), count_text(spool.files()),
                                 bytes_text(spool.bytes()), bytes_text(spool.limit_bytes()));
  if (spool.oldest_packet().seconds() != 0) {
    text += fmt::format(", {} to {}", time_text(spool.oldest_packet()), time_text(spool.newest_packet()));
  }
  text += fmt::format(", {} packets dropped\n", count_text(spool.dropped_packets()));
  if (spool.min_free_bytes() > 0) {
    text += fmt::format("  {} of its disk are free, {} are to be\n", bytes_text(spool.free_bytes()),
                        bytes_text(spool.min_free_bytes()));
  }
  if (spool.max_age_seconds() > 0)
    text += fmt::format("  no packet is kept for more than {}\n", duration_text(spool.max_age_seconds()));
  for (const v1::SpoolRemoval& removal : spool.removed()) text += removal_text(removal);
  if (!spool.error().empty()) text += fmt::format("  error: {}\n", printable(spool.error()));
  return text + pinned_text(spool.pinned());
}

std::string history_text(const v1::Status& status) {
  if (!status.has_history()) return "History: none\n";
  const v1::HistoryStatus& history = status.history();
  std::string text =
      fmt::format("History: {}, {} findings of {}, {} of {}, {} of earlier runs at the start\n", printable(history.file()),
                  count_text(history.findings()), count_text(history.limit_findings()), bytes_text(history.bytes()),
                  bytes_text(history.limit_bytes()), count_text(history.earlier_findings()));
  const std::map<std::string, uint64_t> reasons(history.removed_by_reason().begin(), history.removed_by_reason().end());
  for (const auto& [reason, count] : reasons) {
    if (count > 0) text += fmt::format("  removed by {}: {} findings\n", printable(reason), count_text(count));
  }
  if (history.dropped() > 0)
    text += fmt::format("  forgotten before they could be written: {} findings\n", count_text(history.dropped()));
  if (history.set_aside() > 0)
    text += fmt::format("  damaged and set aside since the start: {}; the log has where\n", count_text(history.set_aside()));
  if (!history.error().empty()) text += fmt::format("  error: {}\n", printable(history.error()));
  return text;
}

// "  WHAT: 3 disk_full, 1 stop" and the line's end; empty: all are 0.
template <typename Counts>
std::string counts_line(std::string_view what, const Counts& counts) {
  std::string text;
  for (const auto& [name, count] : std::map<std::string, uint64_t>(counts.begin(), counts.end())) {
    if (count > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count_text(count), printable(name));
  }
  return text.empty() ? text : fmt::format("  {}: {}\n", what, text);
}

std::string connection_log_text(const v1::Status& status) {
  if (!status.has_connection_log()) return "Connection log: none\n";
  const v1::ConnectionLogStatus& log = status.connection_log();
  std::string text =
      fmt::format("Connection log: {}, {} lines written, {} in {} files of {}\n", printable(log.directory()),
                  count_text(log.written()), bytes_text(log.bytes()), count_text(log.files()), bytes_text(log.limit_bytes()));
  text += counts_line("connections not written", log.dropped_by_reason());
  text += counts_line("files removed", log.removed_by_reason());
  if (!log.error().empty()) text += fmt::format("  error: {}\n", printable(log.error()));
  return text;
}

std::string webhook_text(const v1::Status& status) {
  if (!status.has_webhook()) return "Webhook: none\n";
  const v1::WebhookStatus& webhook = status.webhook();
  std::string text = fmt::format("Webhook: {}, {} changes of findings told in {} posts, {} firing, {} waiting\n",
                                 printable(webhook.receiver()), count_text(webhook.alerts()), count_text(webhook.posts()),
                                 count_text(webhook.firing()), count_text(webhook.waiting()));
  text += counts_line("posts failed", webhook.failed_by_reason());
  text += counts_line("changes not told", webhook.dropped_by_reason());
  if (!webhook.error().empty()) text += fmt::format("  error: {}\n", printable(webhook.error()));
  return text;
}

}  // namespace

std::string status_text(const v1::Status& status) {
  std::string text =
      fmt::format("Sensor {}, parallaxd {}, up {}, clock within {}\n\n", printable(status.sensor()), printable(status.version()),
                  duration_text(status.uptime_seconds()), duration_text(status.clock_uncertainty_seconds()));
  text += port_table(status) + drops_text(status) + '\n' + spool_text(status) + history_text(status) +
          connection_log_text(status) + webhook_text(status);
  const v1::Summary& summary = status.summary();
  text += fmt::format("Connections: {}, {} paired; {} legs unpaired; {} packets lost by the sensor; {} late\n",
                      count_text(summary.connections()), count_text(summary.paired_connections()),
                      count_text(summary.unpaired_legs()), count_text(summary.sensor_loss()), count_text(status.late_packets()));
  const std::map<std::string, uint64_t> kinds(summary.findings_by_kind().begin(), summary.findings_by_kind().end());
  std::string findings;
  for (const auto& [kind, count] : kinds) {
    if (count != 0) findings += fmt::format("{}{} {}", findings.empty() ? "" : ", ", printable(kind), count_text(count));
  }
  text += fmt::format("Findings: {}\n", findings.empty() ? "none" : findings);
  if (const std::string off = not_looked_for(summary); !off.empty()) text += off + '\n';
  if (const std::string others = not_followed({status.points().begin(), status.points().end()}); !others.empty())
    text += fmt::format("Not followed: {}\n", printable(others));
  for (const std::string& bound : summary.bounds_hit()) text += fmt::format("Bound hit: {}\n", printable(bound));
  return text;
}

TextTable finding_table() {
  return TextTable({{"ID", true}, {"SEVERITY"}, {"KIND"}, {"WHERE"}, {"BY"}, {"COUNT", true}, {"LAST SEEN"}, {"SUMMARY"}});
}

// What is known of the run comes with the finding; of what is only pinned nothing is.
std::string summary_of(const v1::Finding& finding) {
  if (!finding.has_earlier_run()) return finding.summary();
  const std::string& note = finding.earlier_run().note();
  return note.empty() ? "[earlier run] " + finding.summary() : fmt::format("{} [{}]", finding.summary(), note);
}

void add_row(const v1::Finding& finding, TextTable& table) {
  table.add({std::to_string(finding.id()), word(finding.severity()), word(finding.kind()), where_text(finding.where()),
             word(finding.origin()), count_text(finding.count()), time_text(finding.last_seen()), summary_of(finding)});
}

std::string finding_line(const v1::Finding& finding) {
  const bool is_over = finding.state() == v1::FINDING_STATE_CLOSED || finding.state() == v1::FINDING_STATE_WITHDRAWN;
  return printable(fmt::format("{}  {:<8}  {:<22}  {} x{}  {}{}", time_text(finding.last_seen()), word(finding.severity()),
                               word(finding.kind()), finding.id(), finding.count(), finding.summary(),
                               is_over ? fmt::format(" [{}]", word(finding.state())) : "")) +
         '\n';
}

std::string dropped_text(uint64_t count) {
  return count == 1
             ? "1 finding was dropped: it was forgotten before this command could take its latest state"
             : fmt::format("{} findings were dropped: they were forgotten before this command could take their latest state",
                           count);
}

TextTable connection_table() {
  return TextTable({{"ID", true},
                    {"PROTOCOL"},
                    {"CLIENT"},
                    {"SERVER"},
                    {"OUTCOME"},
                    {"SYNS", true},
                    {"CLOSE"},
                    {"BY"},
                    {"PAIRED BY"},
                    {"BEYOND THE DEVICE"},
                    {"FINDINGS"}});
}

void add_row(const v1::Connection& connection, TextTable& table) {
  std::string findings;
  for (const uint64_t id : connection.finding_ids()) findings += fmt::format("{}{}", findings.empty() ? "" : " ", id);
  table.add({std::to_string(connection.id()), word(connection.protocol()), end_text(connection.client()),
             end_text(connection.server()), word(connection.outcome()), count_text(connection.syn_attempts()),
             word(connection.close()), word(connection.closed_by()), pairing_text(connection), rewritten_text(connection),
             findings.empty() ? "-" : findings});
}

// "  at 200 to 500 packets a second (12 s): mean 41 us toward inside, 38 us toward outside"
std::string load_text(const v1::TransitAtLoad& at) {
  std::string text = fmt::format("  at {} to {} packets a second ({} s): mean", count_text(at.packets_per_second_from()),
                                 count_text(at.packets_per_second_below()), count_text(at.seconds()));
  if (at.has_toward_inside_seconds()) text += fmt::format(" {} toward inside", duration_text(at.toward_inside_seconds()));
  if (at.has_toward_outside_seconds()) {
    text += fmt::format("{} {} toward outside", at.has_toward_inside_seconds() ? "," : "",
                        duration_text(at.toward_outside_seconds()));
  }
  return text + '\n';
}

// What earlier runs have learned, for people to compare with.
std::string learned_text(const v1::Device& device) {
  const v1::LearnedDevice& learned = device.learned_before();
  std::string changes;
  for (const int change : learned.changes())
    changes += fmt::format("{}{}", changes.empty() ? "" : ", ", word(static_cast<v1::DeviceChange>(change)));
  std::string text =
      fmt::format("  learned by earlier runs, until {}: {}, {} connections, changes {}\n", time_text(learned.last_learned()),
                  word(learned.kind()), count_text(learned.connections()), changes.empty() ? "nothing" : changes);
  if (learned.address_map_size() == 0) return text;
  TextTable table({{"  OUTSIDE, BEFORE"}, {"INSIDE"}, {"CONNECTIONS", true}, {"UNTIL"}});
  const int shown = std::min(learned.address_map_size(), kAddressesShown);
  for (int i = 0; i < shown; ++i) {
    const v1::LearnedAddress& entry = learned.address_map(i);
    table.add({"  " + end_text(entry.outside()), end_text(entry.inside()), count_text(entry.connections()),
               time_text(entry.last_learned())});
  }
  text += table.text();
  if (shown < learned.address_map_size())
    text += fmt::format("  and {} more; --format json has them all\n", learned.address_map_size() - shown);
  return text;
}

std::string device_text(const v1::Device& device) {
  std::string text = "Device";
  v1::Where where;
  *where.mutable_between() = device.between();
  if (device.between_size() == 2) text += ' ' + printable(where_text(where));
  text += fmt::format(": {}, {} connections, {} resets of its own\n", word(device.kind()), count_text(device.connections()),
                      count_text(device.resets_originated()));
  std::string changes;
  for (const int change : device.changes()) {
    changes += fmt::format("{}{}", changes.empty() ? "" : ", ", word(static_cast<v1::DeviceChange>(change)));
  }
  text += fmt::format("  changes: {}\n", changes.empty() ? "nothing" : changes);
  const char* by_turns = device.transit_is_by_turns() ? ", of messages by turns" : "";
  if (device.has_transit_toward_inside_seconds()) {
    text += fmt::format("  transit toward inside{}: {}\n", by_turns, distribution_text(device.transit_toward_inside_seconds()));
  }
  if (device.has_transit_toward_outside_seconds()) {
    text += fmt::format("  transit toward outside{}: {}\n", by_turns, distribution_text(device.transit_toward_outside_seconds()));
  }
  for (const v1::TransitAtLoad& at : device.transit_by_load()) text += load_text(at);
  text += fmt::format("  segments lost: {} toward inside, {} toward outside\n", count_text(device.lost_toward_inside()),
                      count_text(device.lost_toward_outside()));
  const std::string learned = device.has_learned_before() ? learned_text(device) : "";
  if (device.address_map_size() == 0) return text + learned;
  TextTable table({{"  OUTSIDE"}, {"INSIDE"}, {"CONNECTIONS", true}});
  const int shown = std::min(device.address_map_size(), kAddressesShown);
  for (int i = 0; i < shown; ++i) {
    const v1::AddressMapEntry& entry = device.address_map(i);
    table.add({"  " + end_text(entry.outside()), end_text(entry.inside()), count_text(entry.connections())});
  }
  text += table.text();
  if (shown < device.address_map_size())
    text += fmt::format("  and {} more; --format json has them all\n", device.address_map_size() - shown);
  return text + learned;
}

}  // namespace parallax
