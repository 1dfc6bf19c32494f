#include "daemon/client/page/html.h"

#include <array>
#include <utility>

#include "daemon/message/text_table.h"

namespace parallax {
namespace {

constexpr std::array<std::pair<char, const char*>, 5> kEntities{
    {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}}};

}  // namespace

std::string escaped(std::string_view raw) {
  std::string out;
  for (const char character : printable(raw)) {
    const char* entity = nullptr;
    for (const auto& [c, name] : kEntities) {
      if (character == c) entity = name;
    }
    entity != nullptr ? void(out += entity) : out.push_back(character);
  }
  return out;
}

}  // namespace parallax
