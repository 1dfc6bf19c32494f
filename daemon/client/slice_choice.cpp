#include "daemon/client/slice_choice.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include "daemon/client/time_option.h"

namespace parallax {
namespace {

using google::protobuf::util::TimeUtil;

constexpr int kExitUsage = 2;

}  // namespace

ClientOutcome to_request(const SliceChoice& choice, v1::PullSliceRequest& request) {
  const int chosen = (choice.finding != 0) + (choice.incident != 0) + (choice.connection != 0) + !choice.from.empty() +
                     !choice.community_id.empty();
  if (chosen != 1) return {kExitUsage, "say what to pull: one of --finding, --incident, --connection, --community-id and --from"};
  if (!choice.community_id.empty()) request.set_community_id(choice.community_id);
  if (choice.finding != 0) request.set_finding_id(choice.finding);
  if (choice.incident != 0) request.set_incident_id(choice.incident);
  if (choice.connection != 0) request.set_connection_id(choice.connection);
  if (!choice.from.empty()) {
    const auto from = parse_time_option("--from", choice.from);
    const auto to = parse_time_option("--to", choice.to.empty() ? "0s" : choice.to);
    google::protobuf::Timestamp none;
    if (!choice.resume.empty() && (!TimeUtil::FromString(choice.from, &none) || !TimeUtil::FromString(choice.to, &none))) {
      return {kExitUsage,
              fmt::format("--resume: give --from and --to as times, not as ages, which mean another time now: those of {} "
                          "stand in its comment (`capinfos -k`)",
                          choice.resume)};
    }
    if (!from || !to) return {kExitUsage, !from ? from.error() : to.error()};
    if (choice.to.empty() && *to < *from)
      return {kExitUsage, fmt::format("--from {}: is still to come; the spool has packets until now, {}", choice.from,
                                      TimeUtil::ToString(*to))};
    *request.mutable_time_range()->mutable_from() = *from;
    *request.mutable_time_range()->mutable_to() = *to;
  }
  request.set_filter(choice.filter);
  return {};
}

}  // namespace parallax
