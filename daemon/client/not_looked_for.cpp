#include "daemon/client/not_looked_for.h"

#include "config/enum_text.h"

namespace parallax {

std::string not_looked_for(const v1::Summary& summary) {
  std::string kinds;
  for (const int number : summary.not_looked_for()) {
    const auto* kind = v1::FindingKind_descriptor()->FindValueByNumber(number);
    kinds += (kinds.empty() ? "" : ", ") + (kind != nullptr ? enum_text(*kind) : std::to_string(number));
  }
  return kinds.empty() ? "" : "Not looked for, as configured: " + kinds + '.';
}

}  // namespace parallax
