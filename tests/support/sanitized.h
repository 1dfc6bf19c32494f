// How many times longer something may take in this build: a sanitizer looks at every access.
#pragma once

namespace parallax::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int kTimesSlower = 4;
#else
inline constexpr int kTimesSlower = 1;
#endif

}  // namespace parallax::test
