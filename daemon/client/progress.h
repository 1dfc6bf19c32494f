// How far a long run is, as one line on a terminal that overwrites itself and is gone at the end. Elsewhere nothing is written.
//
// One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace parallax {

class Progress {
 public:
  // `patience`: what is done sooner is not worth a line.
  explicit Progress(FILE* err, std::chrono::milliseconds patience = std::chrono::seconds(1));
  ~Progress() { end(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // What is being done ("reading"), and of how many bytes.
  void begin(std::string what, uint64_t bytes);
  // Cheap: draws five times a second at most.
  void at(uint64_t bytes);
  void end();

 private:
  using Clock = std::chrono::steady_clock;

  FILE* const err_;
  const std::chrono::milliseconds patience_;
  const bool on_;
  bool drawn_ = false;
  std::string what_;
  uint64_t bytes_ = 0;
  Clock::time_point begin_{}, next_{};
};

}  // namespace parallax
