#include "capture/spool/spool_batch_queue.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace parallax {

SpoolBatchQueue::SpoolBatchQueue(size_t batches) : batches_(batches), event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

SpoolBatchQueue::~SpoolBatchQueue() {
  if (event_ >= 0) close(event_);
}

void SpoolBatchQueue::push(SpoolBatch& batch) {
  batches_.push(&batch);
  wake();
}

SpoolBatch* SpoolBatchQueue::take() {
  if (batches_.peek().empty() && event_ >= 0) {
    eventfd_t woken = 0;
    eventfd_read(event_, &woken);  // before the second look, so that what comes after that wakes anew
  }
  const std::span<SpoolBatch* const> waiting = batches_.peek();
  if (waiting.empty()) return nullptr;
  SpoolBatch* const batch = waiting[0];
  batches_.pop(1);
  return batch;
}

void SpoolBatchQueue::wake() {
  if (event_ >= 0) eventfd_write(event_, 1);
}

}  // namespace parallax
