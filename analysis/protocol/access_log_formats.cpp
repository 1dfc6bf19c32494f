#include "analysis/protocol/access_log_formats.h"

#include <algorithm>
#include <charconv>

#include "analysis/model/address_text.h"
#include "analysis/protocol/http_head.h"

namespace parallax {
namespace {

constexpr int64_t kSecond = 1'000'000'000, kMillisecond = 1'000'000;
constexpr size_t kListLengthMax = 512;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Decimal digits alone, at most 18 of them.
bool parse_count(std::string_view text, uint64_t& out) {
  if (text.empty() || text.size() > 18 || !std::all_of(text.begin(), text.end(), is_digit)) return false;
  return std::from_chars(text.data(), text.data() + text.size(), out).ec == std::errc();
}

bool parse_number(std::string_view text, int64_t least, int64_t most, int64_t& out) {
  uint64_t value = 0;
  if (!parse_count(text, value)) return false;
  out = static_cast<int64_t>(value);
  return out >= least && out <= most;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Up to the next `separator`, and takes both away from `text`.
std::string_view next_part(std::string_view& text, char separator) {
  const size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
std::string lower_case(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char l = lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

// ---- times ----

// Days since 1970-01-01 of the Gregorian calendar (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
int64_t days_from_civil(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2;
  const int64_t era = year / 400, year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

struct LogTime {
  int64_t ns = 0, resolution_ns = kSecond;
};

// "12:34:56" or "12:34:56.789".
bool parse_clock(std::string_view text, LogTime& out) {
  int64_t hour, minute, second;
  if (text.size() < 8 || text[2] != ':' || text[5] != ':' || !parse_number(text.substr(0, 2), 0, 23, hour) ||
      !parse_number(text.substr(3, 2), 0, 59, minute) || !parse_number(text.substr(6, 2), 0, 60, second))
    return false;
  out.ns += (hour * 3600 + minute * 60 + second) * kSecond;
  out.resolution_ns = kSecond;
  if (text.size() == 8) return true;
  int64_t fraction;
  if (text[8] != '.' || text.size() > 8 + 10 || !parse_number(text.substr(9), 0, kSecond - 1, fraction)) return false;
  for (size_t digits = text.size() - 9; digits > 0; --digits) out.resolution_ns /= 10;
  out.ns += fraction * out.resolution_ns;
  return true;
}

bool add_date(std::string_view year, int64_t month, std::string_view day, LogTime& out) {
  int64_t y, d;
  if (!parse_number(year, 1970, 2100, y) || !parse_number(day, 1, 31, d)) return false;
  out.ns += days_from_civil(y, month, d) * 86400 * kSecond;
  return true;
}

// "10/Oct/2000:13:55:36 -0700", in haproxy "06/Feb/2009:12:14:14.655" of a zone that it does not say.
bool parse_log_time(std::string_view text, bool with_zone, LogTime& out) {
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() < 20 || text[2] != '/' || text[6] != '/' || text[11] != ':') return false;
  const size_t month = kMonths.find(text.substr(3, 3));
  if (month == kMonths.npos || month % 3 != 0) return false;
  if (!add_date(text.substr(7, 4), static_cast<int64_t>(month / 3 + 1), text.substr(0, 2), out)) return false;
  std::string_view rest = text.substr(12);
  const std::string_view clock = next_part(rest, ' ');
  if (!parse_clock(clock, out)) return false;
  if (!with_zone) return rest.empty();
  int64_t hours, minutes;
  if (rest.size() != 5 || (rest[0] != '+' && rest[0] != '-') || !parse_number(rest.substr(1, 2), 0, 15, hours) ||
      !parse_number(rest.substr(3, 2), 0, 59, minutes))
    return false;
  out.ns -= (rest[0] == '-' ? -1 : 1) * (hours * 60 + minutes) * 60 * kSecond;
  return true;
}

// ---- fields ----

// What stands between quotes, without the escapes `\"`, `\\` and `\x1f` of Apache and nginx. False: it does not end.
bool take_quoted(std::string_view& text, std::string& out) {
  out.clear();
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return true;
    }
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    ++i;
    const bool is_hex = text[i] == 'x' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
    if (is_hex) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return false;
}

// haproxy writes what cannot be printed, and `"`, as `#22`.
std::string without_hash_escapes(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_escape = text[i] == '#' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
    out += is_escape ? static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2])) : text[i];
    if (is_escape) i += 2;
  }
  return out;
}

// "GET /a HTTP/1.1". A target may hold blanks where a client has sent them.
bool parse_request_line(std::string_view text, AccessLogEntry& entry) {
  const size_t first = text.find(' '), last = text.rfind(' ');
  if (first == text.npos || first == 0 || last == first || !text.substr(last + 1).starts_with("HTTP/")) return false;
  const std::string_view method = text.substr(0, first), target = text.substr(first + 1, last - first - 1);
  const bool is_token =
      std::all_of(method.begin(), method.end(), [](char c) { return (c >= 'A' && c <= 'Z') || c == '-' || c == '_'; });
  if (!is_token || target.empty()) return false;
  entry.method = method;
  entry.target = target;
  return true;
}

bool parse_status(std::string_view text, uint16_t& out) {
  int64_t status;
  if (text.size() != 3 || !parse_number(text, 100, 999, status)) return false;
  out = static_cast<uint16_t>(status);
  return true;
}

void note_time(const LogTime& time, int64_t before_ns, int64_t after_ns, AccessLogEntry& entry) {
  entry.from_ns = time.ns - before_ns;
  entry.to_ns = time.ns + time.resolution_ns - 1 + after_ns;
}

// Addresses at the beginning of a line, after a virtual host's name perhaps: who connected; or, where an administrator has put
// the list of clients there, that ("203.0.113.5, 10.0.0.2 - - "), with who connected after it or not.
void take_peers(std::string_view prefix, AccessLogEntry& entry) {
  bool has_commas = false;
  std::vector<Address>& clients = entry.clients;
  for (size_t place = 0; !prefix.empty() && clients.size() < AccessLogEntry::kClientsMax; ++place) {
    std::string_view word = next_part(prefix, ' ');
    const bool has_comma = word.ends_with(',');
    if (has_comma) word.remove_suffix(1);
    Address address;
    if (parse_address(word, address)) {
      clients.push_back(address);
      has_commas |= has_comma;
    } else if (place > 0 || !clients.empty()) {
      break;
    }
  }
  entry.has_peer = !clients.empty();
  if (clients.size() < 2) return;
  const size_t listed = clients.size() - (has_commas ? 0 : 1);
  for (size_t i = 0; i < listed; ++i) entry.forwarded_for += (i == 0 ? "" : ", ") + to_string(clients[i]);
  std::reverse(clients.begin(), clients.end());
}

// Where "[dd/" begins; npos: nowhere. syslog's "haproxy[123]:" is none.
size_t find_time(std::string_view text) {
  for (size_t at = text.find('['); at != text.npos; at = text.find('[', at + 1)) {
    if (at > 0 && text[at - 1] == ' ' && at + 3 < text.size() && is_digit(text[at + 1]) && is_digit(text[at + 2]) &&
        text[at + 3] == '/')
      return at;
  }
  return text.npos;
}

}  // namespace

bool parse_address_list(std::string_view text, std::vector<Address>& out) {
  out.clear();
  if (text.empty() || text.size() > kListLengthMax) return false;
  while (!text.empty()) {
    const std::string_view one = trimmed(next_part(text, ','));
    if (one == "unknown") continue;
    Endpoint client;
    if (!parse_forwarded_for(one, client)) return false;
    // The last ones are who the proxies themselves have seen.
    if (out.size() == AccessLogEntry::kClientsMax - 1) out.erase(out.begin());
    out.push_back(client.address);
  }
  return !out.empty();
}

// host ident user [time] "request" status bytes ...
LogLineStatus parse_common_line(std::string_view text, LogLine& out) {
  const size_t begin = find_time(text), end = begin == text.npos ? begin : text.find(']', begin);
  LogTime time;
  if (end == text.npos || !parse_log_time(text.substr(begin + 1, end - begin - 1), true, time)) return LogLineStatus::malformed;
  AccessLogEntry& entry = out.entry;
  note_time(time, 0, 0, entry);
  take_peers(text.substr(0, begin), entry);
  std::string_view rest = text.substr(end + 1);
  const size_t quote = rest.find('"');
  std::string request;
  if (quote == rest.npos) return LogLineStatus::malformed;
  rest.remove_prefix(quote);
  if (!take_quoted(rest, request) || rest.empty() || rest.front() != ' ') return LogLineStatus::malformed;
  rest.remove_prefix(1);
  if (!parse_status(next_part(rest, ' '), entry.status)) return LogLineStatus::malformed;
  const std::string_view bytes = next_part(rest, ' ');
  if (bytes != "-" && !parse_count(bytes, entry.bytes)) return LogLineStatus::malformed;
  while (!rest.empty() && out.slot_count < LogLine::kSlotsMax) {
    if (rest.front() != '"') {
      next_part(rest, ' ');
      continue;
    }
    if (!take_quoted(rest, out.slots[out.slot_count++])) return LogLineStatus::malformed;
  }
  return parse_request_line(request, entry) ? LogLineStatus::request : LogLineStatus::without_request;
}

// client:port [accept date] frontend backend/server TR/Tw/Tc/Tr/Ta status bytes ... {captured|headers} {of the answer} "request"
LogLineStatus parse_haproxy_line(std::string_view text, LogLine& out) {
  const size_t begin = find_time(text), end = begin == text.npos ? begin : text.find(']', begin);
  LogTime time;
  if (end == text.npos || begin < 2 || !parse_log_time(text.substr(begin + 1, end - begin - 1), false, time))
    return LogLineStatus::malformed;
  AccessLogEntry& entry = out.entry;
  std::string_view peer = text.substr(0, begin - 1);
  peer.remove_prefix(peer.rfind(' ') + 1);  // npos + 1: nothing
  const size_t colon = peer.rfind(':');
  Address address;
  if (colon == peer.npos) return LogLineStatus::malformed;
  if (parse_address(peer.substr(0, colon), address) && parse_port(peer.substr(colon + 1), entry.peer_port)) {
    entry.clients.push_back(address);
    entry.has_peer = true;
  }
  std::string_view rest = text.substr(end + 1);
  if (!rest.starts_with(' ')) return LogLineStatus::malformed;
  rest.remove_prefix(1);
  next_part(rest, ' ');                                                                           // frontend
  if (next_part(rest, ' ').find('/') == std::string_view::npos) return LogLineStatus::malformed;  // backend/server
  std::string_view timers = next_part(rest, ' ');
  if (std::count(timers.begin(), timers.end(), '/') != 4) return LogLineStatus::malformed;
  int64_t total_ms = 0;
  std::string_view last = timers.substr(timers.rfind('/') + 1);
  if (last.starts_with('+')) last.remove_prefix(1);  // "option logasap"
  if (last != "-1" && !parse_number(last, 0, 86'400'000, total_ms)) return LogLineStatus::malformed;
  note_time(time, 0, total_ms * kMillisecond, entry);
  const std::string_view status = next_part(rest, ' ');
  std::string_view bytes = next_part(rest, ' ');
  if (bytes.starts_with('+')) bytes.remove_prefix(1);
  if (!parse_count(bytes, entry.bytes)) return LogLineStatus::malformed;
  if (status == "-1") return LogLineStatus::without_request;  // it ended before an answer
  if (!parse_status(status, entry.status)) return LogLineStatus::malformed;
  const size_t quote = rest.find('"');
  if (quote == rest.npos) return LogLineStatus::malformed;
  std::string_view fields = rest.substr(0, quote);
  if (const size_t brace = fields.find('{'); brace != fields.npos) {
    fields.remove_prefix(brace + 1);
    std::string_view headers = next_part(fields, '}');
    while (!headers.empty() && out.slot_count < LogLine::kSlotsMax)
      out.slots[out.slot_count++] = without_hash_escapes(next_part(headers, '|'));
  }
  const std::string_view quoted = rest.substr(quote + 1);
  const size_t close = quoted.rfind('"');  // none where syslog has cut the line
  if (close == quoted.npos) return LogLineStatus::malformed;
  return parse_request_line(without_hash_escapes(quoted.substr(0, close)), entry) ? LogLineStatus::request
                                                                                  : LogLineStatus::without_request;
}

namespace {

struct W3cRow {
  std::string_view date, time, stem, query, status, client, forwarded_for, method, taken, bytes;
};
struct W3cColumn {
  std::string_view name;
  std::string_view W3cRow::*value;
};
constexpr W3cColumn kColumns[] = {
    {"date", &W3cRow::date},
    {"time", &W3cRow::time},
    {"cs-method", &W3cRow::method},
    {"cs-uri-stem", &W3cRow::stem},
    {"cs-uri", &W3cRow::stem},
    {"cs-uri-query", &W3cRow::query},
    {"sc-status", &W3cRow::status},
    {"c-ip", &W3cRow::client},
    {"time-taken", &W3cRow::taken},
    {"sc-bytes", &W3cRow::bytes},
    {"x-forwarded-for", &W3cRow::forwarded_for},
    {"cs(x-forwarded-for)", &W3cRow::forwarded_for},
    {"x-real-ip", &W3cRow::forwarded_for},
    {"cs(x-real-ip)", &W3cRow::forwarded_for},
};

LogLineStatus take_directive(std::string_view text, W3cFields& fields) {
  const size_t colon = text.find(':');
  const std::string name = lower_case(text.substr(0, colon));
  std::string_view value = colon == text.npos ? std::string_view{} : trimmed(text.substr(colon + 1));
  if (name == "#date") fields.date = std::string(value.substr(0, 10));
  if (name != "#fields") return LogLineStatus::comment;
  constexpr size_t kFieldsMax = 128;
  fields.names.clear();
  while (!value.empty() && fields.names.size() < kFieldsMax) {
    if (const std::string_view field = next_part(value, ' '); !field.empty()) fields.names.push_back(lower_case(field));
  }
  return LogLineStatus::comment;
}

// The strict format has seconds with a fraction, IIS whole milliseconds.
int64_t time_taken_ns(std::string_view text) {
  int64_t whole = 0;
  const size_t point = text.find('.');
  if (!parse_number(text.substr(0, point), 0, 86'400'000, whole)) return 0;
  return point == text.npos ? whole * kMillisecond : (whole + 1) * kSecond;
}

}  // namespace

LogLineStatus parse_w3c_line(std::string_view text, W3cFields& fields, LogLine& out) {
  if (text.starts_with('#')) return take_directive(text, fields);
  if (fields.names.empty()) return LogLineStatus::malformed;
  W3cRow row;
  std::string_view rest = text;
  size_t count = 0;
  for (; !rest.empty() && count < fields.names.size(); ++count) {
    const std::string_view value = next_part(rest, ' ');
    for (const W3cColumn& column : kColumns) {
      if (column.name == fields.names[count] && value != "-") row.*column.value = value;
    }
  }
  if (count != fields.names.size() || !rest.empty()) return LogLineStatus::malformed;
  const std::string_view date = row.date.empty() ? std::string_view(fields.date) : row.date;
  LogTime time;
  int64_t month;
  if (date.size() != 10 || date[4] != '-' || date[7] != '-' || !parse_number(date.substr(5, 2), 1, 12, month) ||
      !add_date(date.substr(0, 4), month, date.substr(8), time) || !parse_clock(row.time, time) ||
      !parse_status(row.status, out.entry.status))
    return LogLineStatus::malformed;
  AccessLogEntry& entry = out.entry;
  note_time(time, time_taken_ns(row.taken), 0, entry);  // it is written at the end
  parse_count(row.bytes, entry.bytes);
  Address client;
  if (parse_address(row.client, client)) {
    entry.clients.push_back(client);
    entry.has_peer = true;
  }
  std::string list(row.forwarded_for);  // blanks are written as "+"
  std::replace(list.begin(), list.end(), '+', ' ');
  if (std::vector<Address> addresses; parse_address_list(list, addresses)) {
    entry.forwarded_for = std::move(list);
    entry.clients.insert(entry.clients.end(), addresses.rbegin(), addresses.rend());
    out.column_named = true;
  }
  if (row.method.empty() || row.stem.empty()) return LogLineStatus::without_request;
  entry.method = row.method;
  entry.target = row.stem;
  if (!row.query.empty()) entry.target += '?' + std::string(row.query);
  return LogLineStatus::request;
}

}  // namespace parallax
