// The known word that a mistyped one was probably meant to be.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace parallax {

// Empty: none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

// ` (did you mean "X"?)`, or empty.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

// The words as a list for a sentence: "a, b or c".
std::string one_of(const std::vector<std::string>& words);

}  // namespace parallax
