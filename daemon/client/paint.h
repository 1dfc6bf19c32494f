// Colours on a terminal, as escape sequences of ECMA-48; nothing where there is none.
#pragma once

#include <cstdio>
#include <string>

namespace parallax {

// A terminal that takes colours, and nobody who said no (NO_COLOR, https://no-color.org).
bool takes_colour(FILE* out);

class Paint {
 public:
  explicit Paint(bool on) : on_(on) {}

  std::string bold(const std::string& text) const { return in("1", text); }
  std::string alarm(const std::string& text) const { return in("1;31", text); }  // what is wrong
  std::string notice(const std::string& text) const { return in("33", text); }   // what to look at

 private:
  std::string in(const char* rendition, const std::string& text) const {
    return on_ ? std::string("\x1b[") + rendition + 'm' + text + "\x1b[0m" : text;
  }

  const bool on_;
};

}  // namespace parallax
