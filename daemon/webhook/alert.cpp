#include "daemon/webhook/alert.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/message/json_object.h"
#include "daemon/message/time_text.h"
#include "daemon/message/utf8.h"

namespace parallax {
namespace {

using Words = std::map<std::string, std::string>;

constexpr const char* kNeverEnded = "0001-01-01T00:00:00Z";  // as Alertmanager writes it
constexpr size_t kConnectionsNamed = 16;

// FNV-1a, as Alertmanager itself makes fingerprints.
uint64_t fnv(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

void add_words(JsonObject& object, std::string_view name, const Words& words) {
  JsonObject map(object.key(name));
  for (const auto& [key, value] : words) map.add(key, value);
  map.end();
}

// Those that all alerts have, with the same value.
Words common(const std::vector<const Alert*>& alerts, Words Alert::*words) {
  if (alerts.empty()) return {};
  Words shared = alerts.front()->*words;
  for (const Alert* alert : alerts) {
    std::erase_if(shared, [&](const auto& word) {
      const auto same = (alert->*words).find(word.first);
      return same == (alert->*words).end() || same->second != word.second;
    });
  }
  return shared;
}

void append_alert(const Alert& alert, const std::string& external_url, std::string& out) {
  JsonObject object(out);
  object.add("status", alert.is_firing ? "firing" : "resolved");
  add_words(object, "labels", alert.labels);
  add_words(object, "annotations", alert.annotations);
  object.add("startsAt", time_text_ns(alert.starts_ns));
  object.add("endsAt", alert.is_firing ? kNeverEnded : time_text_ns(alert.ends_ns));
  object.add("generatorURL", external_url);
  object.add("fingerprint", alert.fingerprint);
  object.end();
}

std::string connections_text(const FindingRecord& finding) {
  std::string text;
  const size_t named = std::min(finding.connection_ids.size(), kConnectionsNamed);
  for (size_t i = 0; i < named; ++i) text += fmt::format("{}{}", i > 0 ? ", " : "", finding.connection_ids[i]);
  if (named < finding.connection_ids.size()) text += ", ...";
  return text;
}

}  // namespace

Alert alert_of(const FindingRecord& finding, const AlertSource& source) {
  const v1::Finding message = to_proto(finding, source.names);
  Alert alert;
  alert.finding_id = finding.id;
  alert.kind = finding.kind;
  alert.severity = finding.severity;
  alert.is_firing = finding.state == FindingState::open || finding.state == FindingState::updated;
  alert.starts_ns = finding.first_seen_ns;
  alert.ends_ns = std::max(finding.first_seen_ns, finding.last_seen_ns);
  alert.fingerprint = fmt::format("{:016x}", fnv(fmt::format("{}\n{}\n{}", source.sensor, source.started_ns, finding.id)));
  alert.labels = {{"alertname", std::string(name_of(finding.kind))},
                  {"severity", std::string(name_of(finding.severity))},
                  {"sensor", source.sensor},
                  {"where", where_text(message.where())},
                  {"origin", std::string(name_of(finding.origin))},
                  {"finding", std::to_string(finding.id)}};
  if (finding.service) alert.labels["service"] = sanitised(*finding.service);
  alert.annotations = {
      {"summary", sanitised(finding.summary)},           {"state", std::string(name_of(finding.state))},
      {"count", std::to_string(finding.count)},          {"confidence", fmt::format("{:.2f}", finding.confidence)},
      {"last_seen", time_text_ns(finding.last_seen_ns)}, {"packets", fmt::format("parallax slice --finding {}", finding.id)}};
  if (!finding.connection_ids.empty()) alert.annotations["connections"] = connections_text(finding);
  return alert;
}

std::string to_json(const WebhookMessage& message) {
  const Words group{{"alertname", std::string(name_of(message.kind))}, {"sensor", message.sensor}};
  std::string out;
  JsonObject object(out);
  object.add("version", "4");
  object.add("groupKey", fmt::format("{{}}:{{alertname=\"{}\", sensor=\"{}\"}}", name_of(message.kind), message.sensor));
  object.add("truncatedAlerts", message.truncated);
  object.add("status", message.is_firing ? "firing" : "resolved");
  object.add("receiver", message.receiver);
  add_words(object, "groupLabels", group);
  add_words(object, "commonLabels", common(message.alerts, &Alert::labels));
  add_words(object, "commonAnnotations", common(message.alerts, &Alert::annotations));
  object.add("externalURL", message.external_url);
  object.key("alerts") += '[';
  for (size_t i = 0; i < message.alerts.size(); ++i) {
    if (i > 0) out += ',';
    append_alert(*message.alerts[i], message.external_url, out);
  }
  out += ']';
  object.end();
  return out;
}

}  // namespace parallax
