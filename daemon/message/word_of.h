// From a message's enum value to the analysis' word for it.
#pragma once

#include "daemon/message/to_proto.h"

namespace parallax {

// to_proto() is one to one. REQUIRES: a known value, and not UNSPECIFIED.
template <typename Word>
Word word_of(int value) {
  int i = 0;
  while (to_proto(static_cast<Word>(i)) != value) ++i;
  return static_cast<Word>(i);
}

}  // namespace parallax
