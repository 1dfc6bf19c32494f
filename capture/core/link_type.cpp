#include "capture/core/link_type.h"

#include <algorithm>

namespace parallax {

bool is_read(LinkType type) { return std::find(kLinkTypes.begin(), kLinkTypes.end(), type) != kLinkTypes.end(); }

std::string link_type_name(LinkType type) {
  switch (type) {
#define X(name, number, text) \
  case LinkType::name:        \
    return text;
#include "capture/core/link_types.def"
#undef X
  }
  return "linktype_" + std::to_string(static_cast<unsigned>(type));
}

}  // namespace parallax
