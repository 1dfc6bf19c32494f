// Batches on their way from one of the spool's two threads to the other: full ones to the writer, and empty ones back.
//
// One thread pushes, one takes. Whoever waits for a batch may sleep on the descriptor.
#pragma once

#include <span>

#include "capture/core/spsc_ring.h"
#include "capture/spool/spool_batch.h"

namespace parallax {

class SpoolBatchQueue {
 public:
  // Holds as many as there are, so that there is always room.
  explicit SpoolBatchQueue(size_t batches);
  ~SpoolBatchQueue();
  SpoolBatchQueue(const SpoolBatchQueue&) = delete;
  SpoolBatchQueue& operator=(const SpoolBatchQueue&) = delete;

  void push(SpoolBatch& batch);
  SpoolBatch* take();  // null: there is none
  // Any thread: whoever sleeps on the descriptor looks again.
  void wake();

  // Readable once there may be a batch. None where the system gave none: then time alone tells.
  std::span<const int> descriptors() const { return {&event_, event_ >= 0 ? 1u : 0u}; }

 private:
  SpscRing<SpoolBatch*> batches_;
  const int event_;  // eventfd
};

}  // namespace parallax
