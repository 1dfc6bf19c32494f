#include "daemon/client/extcap_dialog.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/enum_text.h"
#include "daemon/message/text_table.h"
#include "daemon/message/time_text.h"

namespace parallax {
namespace {

constexpr size_t kSummaryBytesMax = 160;  // the list is as wide as its widest line

// Braces end a value, and a line break the line.
std::string value_text(std::string_view text) {
  std::string safe = printable(text);
  std::replace(safe.begin(), safe.end(), '{', '(');
  std::replace(safe.begin(), safe.end(), '}', ')');
  return safe;
}

struct Argument {
  const char *call, *display, *type, *more, *group, *tooltip;
};

// The first is the list that finding_values() fills.
constexpr std::array<Argument, 10> kArguments{{
    {"finding", "Finding", "selector", "{reload=true}{placeholder=Load the sensor's findings}", "Packets",
     "The packets of this finding; goes before all that follows"},
    {"incident", "Incident", "boolflag", "", "Packets", "Also those of all findings that tell of the same connections"},
    {"connection", "Connection", "string", "{validation=[0-9]*}", "Packets",
     "The packets of the connection of this number, as `parallax connections` lists them; goes before a time"},
    {"from", "From", "string", "", "Packets", "All packets from this time on: 2026-01-31T12:00:00Z, or an age: 90s, 10m, 2h"},
    {"to", "To", "string", "", "Packets", "... until this time; now, if empty"},
    {"filter", "Filter", "string", "", "Packets", "BPF, on top of the selection; addresses, not host names"},
    {"target", "Address", "string", "", "Sensor", "unix:/PATH or HOST:PORT"},
    {"tls-ca", "Authority", "fileselect", "{mustexist=true}", "Sensor", "Certificate of the authority that signed the daemon's"},
    {"tls-cert", "Certificate", "fileselect", "{mustexist=true}", "Sensor", "Certificate to show to the daemon"},
    {"tls-key", "Key", "fileselect", "{mustexist=true}", "Sensor", "Its key"},
}};

std::string default_of(std::string_view call, const ClientOptions& client) {
  if (call == "from") return std::string(kDialogFrom);
  if (call == "target") return client.target;
  if (call == "tls-ca") return client.tls_ca;
  if (call == "tls-cert") return client.tls_cert;
  if (call == "tls-key") return client.tls_key;
  return {};
}

std::string cut(const std::string& text) {
  if (text.size() <= kSummaryBytesMax) return text;
  return text.substr(0, text.rfind(' ', kSummaryBytesMax)) + " ...";
}

}  // namespace

std::string dialog_arguments(const ClientOptions& client) {
  std::string text;
  for (size_t i = 0; i < kArguments.size(); ++i) {
    const Argument& argument = kArguments[i];
    const std::string value = value_text(default_of(argument.call, client));
    text += fmt::format("arg {{number={}}}{{call=--{}}}{{display={}}}{{type={}}}{}{}{{group={}}}{{tooltip={}}}\n", i,
                        argument.call, argument.display, argument.type, argument.more,
                        value.empty() ? "" : "{default=" + value + "}", argument.group, argument.tooltip);
  }
  return text;
}

std::string finding_values(std::vector<v1::Finding> findings) {
  const auto last_seen = [](const v1::Finding& finding) { return std::pair(finding.last_seen().seconds(), finding.id()); };
  std::sort(findings.begin(), findings.end(), [&](const auto& x, const auto& y) { return last_seen(x) > last_seen(y); });
  // What is pinned of earlier runs is kept because somebody wants it: newer findings do not push it out of the list.
  size_t of_this_run = 0, of_earlier_runs = 0;
  std::erase_if(findings, [&](const v1::Finding& finding) {
    return ++(finding.has_earlier_run() ? of_earlier_runs : of_this_run) > kDialogFindingsMax;
  });
  std::string text = "value {arg=0}{value=0}{display=None: by connection or time}{default=true}\n";
  for (const v1::Finding& finding : findings) {
    const auto* kind = v1::FindingKind_descriptor()->FindValueByNumber(finding.kind());
    text += fmt::format("value {{arg=0}}{{value={}}}{{display={}  {}{}  {}: {}}}\n", finding.id(), finding.id(),
                        time_text(finding.last_seen().seconds(), 0), finding.has_earlier_run() ? "  [earlier run]" : "",
                        kind == nullptr ? "?" : enum_text(*kind), value_text(cut(finding.summary())));
  }
  return text;
}

}  // namespace parallax
