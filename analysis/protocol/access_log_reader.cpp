#include "analysis/protocol/access_log_reader.h"

#include <algorithm>

namespace parallax {
namespace {

// In the order in which a line is tried: haproxy's is the more particular.
struct FormatRow {
  AccessLogFormat format;
  LogLineStatus (*parse)(std::string_view text, W3cFields& fields, LogLine& out);
};
constexpr FormatRow kFormats[] = {
    {AccessLogFormat::w3c,
     [](std::string_view text, W3cFields& fields, LogLine& out) {
       const bool may_be = text.starts_with('#') || !fields.names.empty();
       return may_be ? parse_w3c_line(text, fields, out) : LogLineStatus::malformed;
     }},
    {AccessLogFormat::haproxy, [](std::string_view text, W3cFields&, LogLine& out) { return parse_haproxy_line(text, out); }},
    {AccessLogFormat::common, [](std::string_view text, W3cFields&, LogLine& out) { return parse_common_line(text, out); }},
};

// Referer and User-Agent stand before what an administrator has added.
constexpr uint8_t kCombinedSlots = 2;

}  // namespace

void AccessLogReader::note_malformed() {
  if (++log_.malformed == 1) log_.first_malformed_line = line_;
}

void AccessLogReader::add(std::string_view text) {
  ++line_;
  while (!text.empty() && (text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
  if (text.empty()) return;
  LogLine line;
  LogLineStatus status = LogLineStatus::malformed;
  for (const FormatRow& row : kFormats) {
    if (log_.format != AccessLogFormat::unknown && row.format != log_.format) continue;
    line = {};
    status = row.parse(text, w3c_, line);
    if (status == LogLineStatus::malformed) continue;
    // Only a whole entry decides which format it is.
    if (status == LogLineStatus::request) log_.format = row.format;
    break;
  }
  if (status == LogLineStatus::comment) return;
  ++log_.lines;
  if (status == LogLineStatus::malformed) return note_malformed();
  if (status == LogLineStatus::without_request) {
    ++log_.without_request;
  } else if (log_.entries.size() == kEntriesMax) {
    ++log_.not_kept;
  } else {
    take(line);
  }
}

void AccessLogReader::take(LogLine& line) {
  line.entry.line = line_;
  peers_named_ |= line.entry.has_peer;
  column_named_ |= line.column_named;
  with_user_agent_ += line.slot_count >= kCombinedSlots;
  for (uint8_t i = 0; i < line.slot_count; ++i) {
    std::string& value = line.slots[i];
    if (value.empty() || value == "-") continue;
    if (std::vector<Address> addresses; !parse_address_list(value, addresses)) {
      ++slots_[i].others;
    } else {
      ++slots_[i].lists;
      values_.push_back({log_.entries.size(), i, std::move(value)});
    }
  }
  log_.entries.push_back(std::move(line.entry));
}

// Which field lists clients; -1: none. Clients write what they like into it, and into all others: most of its values decide.
int AccessLogReader::client_slot() const {
  const bool is_combined = log_.format == AccessLogFormat::common && with_user_agent_ > 0;
  int best = -1;
  uint64_t most = 0;
  for (const auto& [slot, counts] : slots_) {
    if ((is_combined && slot < kCombinedSlots) || counts.lists <= counts.others || counts.lists <= most) continue;
    best = slot;
    most = counts.lists;
  }
  return best;
}

AccessLog AccessLogReader::finish() {
  const int slot = client_slot();
  for (SlotValue& value : values_) {
    if (value.slot != slot) continue;
    AccessLogEntry& entry = log_.entries[value.entry];
    std::vector<Address> addresses;
    parse_address_list(value.list, addresses);
    entry.clients.insert(entry.clients.end(), addresses.rbegin(), addresses.rend());
    entry.forwarded_for = std::move(value.list);
  }
  values_.clear();
  const bool is_haproxy = log_.format == AccessLogFormat::haproxy;
  if (log_.format == AccessLogFormat::common && with_user_agent_ > 0) log_.format = AccessLogFormat::combined;
  log_.has_zone = !is_haproxy;
  std::string& fields = log_.client_fields;
  if (peers_named_) fields = log_.format == AccessLogFormat::w3c ? "c-ip" : "the address that connected";
  std::string list;
  if (column_named_) list = "the column X-Forwarded-For";
  if (slot >= 0 && is_haproxy) list = "captured header " + std::to_string(slot + 1) + ", which lists addresses";
  if (slot >= 0 && !is_haproxy) list = "quoted field " + std::to_string(slot + 1) + " after the request, which lists addresses";
  if (!list.empty()) fields += (fields.empty() ? "" : " and ") + list;
  return std::move(log_);
}

}  // namespace parallax
