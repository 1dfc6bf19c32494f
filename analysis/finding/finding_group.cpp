#include "analysis/finding/finding_group.h"

#include "analysis/model/text.h"

namespace parallax {

SentenceWords::SentenceWords(const FindingGroup& group, const std::vector<std::string>& path)
    : connections(plural(group.connections, "connection") + " to " + group.record.service.value_or("?")),
      first(group.record.where.kind == Where::Kind::unknown ? "?" : path[group.record.where.first]),
      second(group.record.where.kind == Where::Kind::between ? path[group.record.where.second] : "?"),
      source(group.toward_client() ? second : first),
      target(group.toward_client() ? first : second),
      sender(group.toward_client() ? "server" : "client"),
      receiver(group.toward_client() ? "client" : "server"),
      remark(group.remark.empty() ? "" : ' ' + group.remark) {}

}  // namespace parallax
