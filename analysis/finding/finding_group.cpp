#include "analysis/finding/finding_group.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "analysis/model/text.h"

namespace parallax {
namespace {

// "to 203.0.113.80:80", or of one client's attempts at many services "from 192.0.2.66 to 5000 ports of 203.0.113.80".
std::string destination_of(const FindingGroup& group) {
  if (!group.is_spread) return " to " + group.record.service.value_or("?");
  const std::string at_least = group.is_full() ? "at least " : "";
  const std::string source = group.only_source ? to_string(*group.only_source) : plural(group.sources.size(), "source");
  return " from " + source + " to " + at_least +
         (group.one_host ? plural(group.services.size(), "port") + " of " + to_string(*group.host)
                         : plural(group.services.size(), "service"));
}

// " of 192.0.2.10", " of 12 clients"; empty: said already, or not known.
std::string clients_of(const FindingGroup& group) {
  if (group.is_spread || group.clients.empty()) return "";
  if (group.connections > group.contributions.size()) return " of at least " + plural(group.clients.size(), "client");
  return " of " + (group.clients.size() == 1 ? to_string(group.clients.begin()->first) : plural(group.clients.size(), "client"));
}

bool is_hairpin_at(const FindingGroup& group) {
  const Where& where = group.record.where;
  return where.kind == Where::Kind::between && where.first == where.second;
}

}  // namespace

bool is_of_lost_openings(FindingKind kind, const Where& where, FindingDirection direction) {
  constexpr std::array kKinds{FindingKind::syn_unanswered, FindingKind::source_throttled,
                              FindingKind::datagram_dropped_by_device};
  return std::find(kKinds.begin(), kKinds.end(), kind) != kKinds.end() && where.kind == Where::Kind::between &&
         direction == FindingDirection::client_to_server;
}
bool is_of_losses_beside_pairs(FindingKind kind, const Where& where, FindingDirection direction) {
  return is_of_lost_openings(kind, where, direction) ||
         (kind == FindingKind::datagram_dropped_by_device && where.kind == Where::Kind::between && where.first != where.second);
}

std::string FindingGroup::attempts_text(std::string_view noun) const {
  if (proved == 0 || proved == attempts) return plural(attempts, noun);
  return "at least " + std::to_string(proved) + " of " + plural(attempts, noun);
}

std::string FindingGroup::durations_text() const {
  const std::string longest = seconds_of(static_cast<double>(longest_ns) / 1e9);
  const std::string shortest = seconds_of(static_cast<double>(shortest_ns) / 1e9);
  return shortest == longest ? longest : shortest + " to " + longest;
}

SentenceWords::SentenceWords(const FindingGroup& group, const std::vector<std::string>& path)
    : connections(plural(group.connections, "connection") + destination_of(group)),
      of_clients(plural(group.connections, "connection") + clients_of(group) + destination_of(group)),
      first(group.record.where.kind == Where::Kind::unknown ? "?" : path[group.record.where.first]),
      second(group.record.where.kind == Where::Kind::between ? path[group.record.where.second] : "?"),
      source(group.toward_client() ? second : first),
      target(group.toward_client() ? first : second),
      device(is_hairpin_at(group) ? "The device at " + first : "The device between " + first + " and " + second),
      seen_entering("seen at " + source +
                    (is_hairpin_at(group) ? " on the way to the device, never on the way from it" : ", never at " + target)),
      seen_leaving("seen at " + target +
                   (is_hairpin_at(group) ? " on the way from the device, never on the way to it" : ", never at " + source)),
      sender(group.toward_client() ? "server" : "client"),
      receiver(group.toward_client() ? "client" : "server"),
      remark(group.remark.empty() ? "" : ' ' + group.remark),
      example(remark) {
  if (example.empty()) return;
  if (group.connections == 1) {
    example[1] = static_cast<char>(std::toupper(static_cast<unsigned char>(example[1])));
  } else {
    example = " For example," + example;
  }
}

}  // namespace parallax
