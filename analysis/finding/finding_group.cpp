#include "analysis/finding/finding_group.h"

#include <algorithm>

#include "analysis/model/text.h"

namespace parallax {
namespace {

// "to 203.0.113.80:80", or of one client's attempts at many services "of 192.0.2.66 to 5000 ports of 203.0.113.80".
std::string destination_of(const FindingGroup& group) {
  if (!group.is_spread) return " to " + group.record.service.value_or("?");
  const std::string at_least = group.is_full() ? "at least " : "";
  return " of " + to_string(*group.only_source) + " to " + at_least +
         (group.one_host ? plural(group.services.size(), "port") + " of " + to_string(*group.host)
                         : plural(group.services.size(), "service"));
}

}  // namespace

std::string FindingGroup::attempts_text(std::string_view noun) const {
  return proved == 0 || proved == attempts ? plural(attempts, noun) : std::to_string(proved) + " of " + plural(attempts, noun);
}

SentenceWords::SentenceWords(const FindingGroup& group, const std::vector<std::string>& path)
    : connections(plural(group.connections, "connection") + destination_of(group)),
      first(group.record.where.kind == Where::Kind::unknown ? "?" : path[group.record.where.first]),
      second(group.record.where.kind == Where::Kind::between ? path[group.record.where.second] : "?"),
      source(group.toward_client() ? second : first),
      target(group.toward_client() ? first : second),
      sender(group.toward_client() ? "server" : "client"),
      receiver(group.toward_client() ? "client" : "server"),
      remark(group.remark.empty() ? "" : ' ' + group.remark) {}

}  // namespace parallax
