#include "daemon/client/not_followed.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "daemon/client/report_words.h"
#include "daemon/message/text_table.h"

namespace parallax {

std::string not_followed(const std::vector<v1::Point>& points) {
  constexpr std::array<std::pair<const char*, const char*>, 2> kWords = {
      {{"icmp_echo", "ICMP echo"}, {"other_protocols", "protocols other than TCP and UDP"}}};
  std::string text;
  for (const auto& [name, words] : kWords) {
    std::string counts;
    for (const v1::Point& point : points) {
      const auto found = point.not_followed().find(name);
      if (found == point.not_followed().end()) continue;
      counts += counts.empty() ? plural(found->second, "packet", "packets") : ", " + count_text(found->second);
      counts += " at " + point.name();
    }
    if (!counts.empty()) text += fmt::format("{}{} ({})", text.empty() ? "" : " and ", words, counts);
  }
  return text;
}

}  // namespace parallax
