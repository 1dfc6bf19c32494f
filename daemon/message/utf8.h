// UTF-8: what strangers wrote, made fit for messages and for people. Pure, any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace parallax {

// Length of the valid UTF-8 sequence at the beginning of `text`, 0 if there is none (RFC 3629: no surrogates, nothing
// overlong, nothing above U+10FFFF). REQUIRES: not empty.
size_t utf8_length(std::string_view text);

// `text` as valid UTF-8 without control characters: each byte, or control of two bytes, that is neither becomes U+FFFD.
std::string sanitised(std::string_view text);

}  // namespace parallax
