// UTF-8: what strangers wrote, made fit for messages and for people. Pure, any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace parallax {

// Length of the valid UTF-8 sequence at the beginning of `text`, 0 if there is none (RFC 3629: no surrogates, nothing
// overlong, nothing above U+10FFFF). REQUIRES: not empty.
size_t utf8_length(std::string_view text);

// `text` as valid UTF-8 that steers neither a terminal nor the order in which people read it: each control character, each that
// turns the direction of writing or ends a line, and each byte that is no UTF-8, becomes `instead`, U+FFFD.
std::string sanitised(std::string_view text, std::string_view instead = "\xef\xbf\xbd");

}  // namespace parallax
