// Link types: the enumeration, its numbers and its texts, all from link_types.def. Files may hold others, as numbers.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace parallax {

enum class LinkType : uint16_t {
#define X(name, number, text) name = number,
#include "capture/core/link_types.def"
#undef X
};

// Those that decode() reads, in the order of their numbers.
inline constexpr std::array kLinkTypes{
#define X(name, number, text) LinkType::name,
#include "capture/core/link_types.def"
#undef X
};

bool is_read(LinkType type);
// libpcap's name in lower case; "linktype_N" for one that is not read.
std::string link_type_name(LinkType type);

}  // namespace parallax
