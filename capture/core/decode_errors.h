// Why a frame could not be decoded: the enumeration, its metric labels and its texts, all from decode_errors.def.
#pragma once

#include <cstdint>
#include <string_view>

namespace parallax {

enum class DecodeError : uint8_t {
#define X(name, text) name,
#include "capture/core/decode_errors.def"
#undef X
};
inline constexpr int kDecodeErrorCount = 0
#define X(name, text) +1
#include "capture/core/decode_errors.def"
#undef X
    ;
std::string_view decode_error_name(DecodeError error);
std::string_view decode_error_text(DecodeError error);

}  // namespace parallax
