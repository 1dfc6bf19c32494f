// Something a thread runs: a stage of the pipeline. Threads are loops over stages, so that on a machine with few cores
// rx and analysis share one (run to completion) with the same code.
#pragma once

namespace parallax {

class Pollable {
 public:
  virtual ~Pollable() = default;
  // Does a bounded amount of work; returns whether there was any. Never blocks.
  virtual bool poll() = 0;
  // All input has ended and all output is out (files only; a live stage never finishes by itself).
  virtual bool finished() const { return false; }
};

}  // namespace parallax
