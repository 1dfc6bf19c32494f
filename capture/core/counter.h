// A counter with one writer and any number of readers: a plain add for the writer, never torn for the reader.
#pragma once

#include <atomic>
#include <cstdint>

namespace parallax {

class Counter {
 public:
  void add(uint64_t n = 1) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace parallax
