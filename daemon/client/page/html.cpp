#include "daemon/client/page/html.h"

#include <array>
#include <utility>

#include "daemon/message/text_table.h"

namespace parallax {
namespace {

// U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069 (Unicode, "Trojan Source").
bool turns_direction(std::string_view utf8) {
  if (utf8.size() < 3 || utf8[0] != '\xe2') return false;
  const auto second = static_cast<unsigned char>(utf8[1]), third = static_cast<unsigned char>(utf8[2]);
  if (second == 0x80) return third == 0x8e || third == 0x8f || (third >= 0xaa && third <= 0xae);
  return second == 0x81 && third >= 0xa6 && third <= 0xa9;
}

constexpr std::array<std::pair<char, const char*>, 5> kEntities{
    {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}}};

}  // namespace

std::string escaped(std::string_view raw) {
  const std::string text = printable(raw);
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (turns_direction(std::string_view(text).substr(i, 3))) {
      out += "&#xFFFD;";
      i += 2;
      continue;
    }
    const char* entity = nullptr;
    for (const auto& [c, name] : kEntities) {
      if (text[i] == c) entity = name;
    }
    entity != nullptr ? void(out += entity) : out.push_back(text[i]);
  }
  return out;
}

}  // namespace parallax
