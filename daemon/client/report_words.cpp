#include "daemon/client/report_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "daemon/client/report.h"
#include "daemon/message/text_table.h"
#include "daemon/message/time_text.h"

namespace parallax {
namespace {

constexpr size_t kNamesShown = 5;

std::vector<std::pair<std::string, uint64_t>> most_frequent_first(const std::map<std::string, uint64_t>& counts) {
  std::vector<std::pair<std::string, uint64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  return sorted;
}

}  // namespace

std::string short_time(const google::protobuf::Timestamp& time, bool with_day) {
  std::string text = time_text(time.seconds(), time.nanos());
  text.pop_back();  // Z
  text[10] = ' ';
  if (text.size() == 19) text += ".000";
  text.resize(23);
  return with_day ? text : text.substr(11);
}

std::string endpoint_text(const v1::Endpoint& endpoint) {
  const bool v6 = endpoint.address().find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", endpoint.address(), endpoint.port())
            : fmt::format("{}:{}", endpoint.address(), endpoint.port());
}

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string plural(uint64_t count, const char* one, const char* many) {
  return fmt::format("{} {}", count_text(count), count == 1 ? one : many);
}

bool clocks_can_tell(const v1::Distribution& transit) { return transit.median() >= 1e-6; }

std::string transit_text(const v1::Distribution& transit) {
  if (!clocks_can_tell(transit)) return "cannot be told with the clocks of these files";
  return fmt::format("median {}, 99 % below {}, longest {}", duration_text(transit.median()), duration_text(transit.p99()),
                     duration_text(transit.max()));
}

std::string counts_text(const std::map<std::string, uint64_t>& counts) {
  std::string text;
  for (const auto& [name, count] : most_frequent_first(counts))
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count_text(count), name);
  return text;
}

std::string names_text(const std::map<std::string, uint64_t>& counts) {
  const auto sorted = most_frequent_first(counts);
  std::string text;
  for (size_t i = 0; i < sorted.size() && i < kNamesShown; ++i)
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", printable(sorted[i].first), count_text(sorted[i].second));
  const char* at_least = sorted.size() < Report::kNamesMax ? "" : "at least ";
  if (sorted.size() > kNamesShown) text += fmt::format(" and {}{} more", at_least, sorted.size() - kNamesShown);
  return text;
}

}  // namespace parallax
