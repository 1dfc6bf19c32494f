// A finding as an alert, and alerts as the message of Alertmanager's webhook, version 4
// (https://prometheus.io/docs/alerting/latest/configuration/#webhook_config).
//
// The labels name what is wrong and where; numbers, and the sentence, are annotations. Nothing of a packet's payload is in it but
// what a finding's sentence says. Pure; for any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "analysis/model/model.h"
#include "daemon/message/to_proto.h"

namespace parallax {

// Of one run of one sensor.
struct AlertSource {
  std::string sensor;
  int64_t started_ns = 0;
  MessageNames names;
};

struct Alert {
  uint64_t finding_id = 0;
  FindingKind kind{};
  Severity severity{};
  bool is_firing = true;
  std::map<std::string, std::string> labels, annotations;
  int64_t starts_ns = 0, ends_ns = 0;  // the end of one that fires is not known
  std::string fingerprint;             // of a finding always the same, and of no other finding of any run

  bool operator==(const Alert&) const = default;
};

Alert alert_of(const FindingRecord& finding, const AlertSource& source);

// The alerts of one group: those of one kind of finding.
struct WebhookMessage {
  std::string receiver, external_url, sensor;
  FindingKind kind{};
  bool is_firing = true;  // any of the group is
  std::vector<const Alert*> alerts;
  size_t truncated = 0;  // alerts of the group that fire and are left out
};

std::string to_json(const WebhookMessage& message);

}  // namespace parallax
