// Something a thread runs: a stage of the pipeline. Threads are loops over stages, so that on a machine with few cores
// rx and analysis share one (run to completion) with the same code.
#pragma once

#include <cstdint>
#include <span>

namespace parallax {

// How a stage that finds nothing to do may be left alone: it is polled again after at most `longest_us`, or as soon as one of the
// descriptors is readable.
struct Rest {
  uint32_t longest_us = 100;
  std::span<const int> descriptors = {};  // valid until the stage's next poll()
};

class Pollable {
 public:
  virtual ~Pollable() = default;
  // Does a bounded amount of work; returns whether there was any. Never blocks.
  virtual bool poll() = 0;
  // Asked by the thread that polls, where all its stages found nothing to do.
  virtual Rest rest() { return {}; }
  // All input has ended and all output is out (files only; a live stage never finishes by itself).
  virtual bool finished() const { return false; }
};

}  // namespace parallax
