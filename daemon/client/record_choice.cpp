#include "daemon/client/record_choice.h"

#include "daemon/client/time_option.h"

namespace parallax {

ClientOutcome to_filter(const RecordChoice& choice, v1::RecordFilter& filter) {
  constexpr int kExitUsage = 2;
  filter.set_client(choice.client);
  filter.set_service(choice.service);
  filter.set_host(choice.host);
  filter.set_port(choice.port);
  if (!choice.from.empty()) {
    const auto from = parse_time_option("--from", choice.from);
    if (!from) return {kExitUsage, from.error()};
    *filter.mutable_from() = *from;
  }
  if (!choice.to.empty()) {
    const auto to = parse_time_option("--to", choice.to);
    if (!to) return {kExitUsage, to.error()};
    *filter.mutable_to() = *to;
  }
  return {};
}

}  // namespace parallax
