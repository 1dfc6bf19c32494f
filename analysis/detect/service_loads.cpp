#include "analysis/detect/service_loads.h"

#include <algorithm>

#include "analysis/model/text.h"

namespace parallax {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr double kConfidence = 0.85;

// What a listener that takes no more does to an attempt, beyond the last point.
bool is_of_listener(const Observation& o) {
  const bool is_failure =
      o.kind == FindingKind::syn_refused || o.kind == FindingKind::syn_unanswered || o.kind == FindingKind::syn_retried;
  return is_failure && o.where.kind == Where::Kind::beyond && o.doubt == Doubt::none &&
         o.direction == FindingDirection::client_to_server;
}

uint32_t failures_of(const Observation& o) {
  const auto attempts = static_cast<uint32_t>(std::max<uint64_t>(1, o.attempts));
  return o.kind == FindingKind::syn_retried ? std::max<uint32_t>(1, attempts - 1) : attempts;
}

}  // namespace

ServiceLoads::Second* ServiceLoads::Service::at(int64_t number) {
  if (number + static_cast<int64_t>(kSecondsKept) <= last_second) return nullptr;
  if (first_second == 0) first_second = number;
  last_second = std::max(last_second, number);
  Second& second = seconds[static_cast<size_t>(number) % kSecondsKept];
  if (second.number != number) second = {.number = number};
  return &second;
}

const ServiceLoads::Second* ServiceLoads::Service::find(int64_t number) const {
  const Second& second = seconds[static_cast<size_t>(number) % kSecondsKept];
  return second.number == number ? &second : nullptr;
}

void ServiceLoads::accepted(const Endpoint& service, int64_t at_ns) {
  if (Second* second = services_.use(service).at(at_ns / kSecondNs)) ++second->accepted;
}

// Attempts climb over what is accepted, which stays what it is; and before that nothing failed.
void ServiceLoads::judge(Service& service, int64_t until, const Thresholds& thresholds) {
  uint64_t accepted = 0, failed = 0;
  uint32_t least = UINT32_MAX, most = 0;
  for (int64_t number = until - kWindow + 1; number <= until; ++number) {
    const Second* second = service.find(number);
    if (second == nullptr || second->failed == 0) return;
    accepted += second->accepted;
    failed += second->failed;
    least = std::min(least, second->accepted);
    most = std::max(most, second->accepted);
  }
  const bool is_steady = least >= thresholds.listener_saturated_accepted_per_second && most <= 2 * least;
  if (!is_steady || !is_share(failed, accepted + failed, thresholds.listener_saturated_failed_percent)) return;
  // Back to where it began: seconds without a failure, with fewer attempts.
  int64_t since = until - kWindow + 1;
  const auto fails = [&](int64_t number) { return service.find(number) != nullptr && service.find(number)->failed > 0; };
  while (fails(since - 1)) --since;
  uint64_t before = 0, seconds_before = 0;
  for (int64_t number = since - kWindow; number < since; ++number) {
    if (const Second* second = service.find(number); second != nullptr && second->failed == 0 && second->accepted > 0) {
      before += second->accepted;
      ++seconds_before;
    }
  }
  const bool has_climbed =
      seconds_before > 0 && (accepted + failed) * seconds_before * 10 > before * static_cast<uint64_t>(kWindow) * 11;
  if (!has_climbed) return;
  if (service.saturated_since == 0) {
    service.saturated_since = since;
    ++begun_;
  }
  service.saturated_until = until;
  service.accept_rate = static_cast<uint32_t>((accepted + static_cast<uint64_t>(kWindow) / 2) / static_cast<uint64_t>(kWindow));
}

bool ServiceLoads::take(Observation& o, const Thresholds& thresholds) {
  if (!is_of_listener(o)) return false;
  Service& service = services_.use(o.service);
  const int64_t number = o.first_ns / kSecondNs;
  if (o.kind == FindingKind::syn_retried) accepted(o.service, o.last_ns);
  if (Second* second = service.at(number)) second->failed += failures_of(o);
  judge(service, number, thresholds);
  return explain(o);
}

bool ServiceLoads::explain(Observation& o) const {
  const Service* found = is_of_listener(o) ? services_.find(o.service) : nullptr;
  if (found == nullptr) return false;
  const Service& service = *found;
  const int64_t number = o.first_ns / kSecondNs;
  const bool is_within =
      service.saturated_since != 0 && number >= service.saturated_since && number <= service.saturated_until + kWindow;
  if (!is_within) return false;
  o.kind = FindingKind::listener_saturated;
  o.origin = Origin::server;
  o.source = {};
  o.severity.reset();
  o.confidence = std::min(o.confidence, kConfidence);
  o.rate_per_second = service.accept_rate;
  o.remark = "It began " + seconds_of(static_cast<double>(service.saturated_since - service.first_second)) +
             " after the first connection.";
  return true;
}

}  // namespace parallax
