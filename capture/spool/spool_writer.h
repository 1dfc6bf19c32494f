// The spool's writer: writes the batches that the gatherer has filled into the ring of files.
//
// A stage for a slow thread of its own: poll() blocks on the disk. A batch is one write and ends on a block of pcapng: a large
// one goes past the page cache, what a quiet wire gathers within flush_interval_ns through it, without padding. What the disk
// takes only in part is cut off again. The oldest files go to keep to the limits (size, age, least free space); on a full disk at
// most one a second. What cannot be written is dropped and counted. Never gives up: each batch is tried anew, and once a second
// the directory is looked at, so that it goes on when the fault is over.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "capture/core/counter.h"
#include "capture/core/pollable.h"
#include "capture/spool/spool.h"
#include "capture/spool/spool_batch.h"
#include "capture/spool/spool_batch_queue.h"
#include "capture/spool/spool_directory.h"
#include "capture/spool/spool_fault.h"
#include "capture/spool/spool_lane.h"
#include "capture/spool/spool_output.h"

namespace parallax {

class SpoolWriter : public Pollable {
 public:
  struct Counters {  // one writer: the spool's thread
    Counter bytes_written;
    Counter bytes_written_direct;  // of them
    Counter packets_written;
    Counter packets_dropped;  // the disk did not take them
    Counter write_errors;
  };

  // `directory`, `lanes` and queues outlive the writer. REQUIRES: options.file_size is set.
  SpoolWriter(const SpoolOptions& options, const std::vector<SpoolPort>& ports, SpoolDirectory& directory,
              const std::vector<std::unique_ptr<SpoolLane>>& lanes, SpoolBatchQueue& full, SpoolBatchQueue& empty);
  ~SpoolWriter() override;

  // Writes a batch; false: none was full.
  bool poll() override;
  Rest rest() override;
  bool finished() const override { return finished_.load(std::memory_order_acquire); }

  // Any thread: what is full is written, the file finished, and that is all. REQUIRES: the gatherer has finished.
  void stop() {
    stopping_.store(true, std::memory_order_release);
    full_.wake();
  }

  // Any thread.
  const Counters& counters() const { return counters_; }
  uint64_t free_bytes() const { return free_bytes_.load(std::memory_order_relaxed); }  // of the disk, when last looked at
  SpoolLimits limits() const {
    return {size_.load(std::memory_order_relaxed), max_age_ns_.load(std::memory_order_relaxed),
            min_free_.load(std::memory_order_relaxed)};
  }
  void set_limits(const SpoolLimits& limits) {
    size_.store(limits.size, std::memory_order_relaxed);
    max_age_ns_.store(limits.max_age_ns, std::memory_order_relaxed);
    min_free_.store(limits.min_free, std::memory_order_relaxed);
  }
  std::string error() const;  // what keeps it from writing, or did a moment ago; empty: nothing

 private:
  using Clock = std::chrono::steady_clock;

  void write(SpoolBatch& batch);
  bool append(SpoolBatch& batch, int& error);
  void drop(const SpoolBatch& batch);
  void take_losses();
  void look_after_directory(Clock::time_point now);
  void keep_age();
  // Removes the oldest files until `bytes` fit within the limits. False: they do not, and why has been told.
  bool make_room(uint64_t bytes);
  bool keep_size(uint64_t bytes);
  bool keep_free(uint64_t bytes);
  // False: there is none, or it cannot be removed, which has been told.
  bool remove_oldest(SpoolRemovalReason reason);
  bool recover_space(int error);
  bool begin_file(int& error);
  void finish_file();
  void append_file_statistics(PcapngBuffer& out) const;
  SpoolOptions::PortStatistics port_statistics(PortIndex port) const;
  // Appends what holds no packets.
  bool append(std::span<const uint8_t> bytes, int& error);
  void failed(const std::string& what, int error);
  std::string named(const std::string& what) const;  // with the directory that it happened in

  const SpoolOptions options_;  // its limits are those of the start
  std::atomic<uint64_t> size_, min_free_;
  std::atomic<int64_t> max_age_ns_;
  const std::vector<SpoolPort> ports_;
  SpoolDirectory& directory_;
  const std::vector<std::unique_ptr<SpoolLane>>& lanes_;  // for what they have lost
  SpoolBatchQueue &full_, &empty_;
  Counters counters_;
  std::atomic<bool> stopping_{false}, finished_{false};

  SpoolOutput file_;
  uint64_t file_size_max_;                              // options_.file_size, or what the system allows
  uint64_t file_size_;                                  // the same, or less while the disk is full
  std::vector<uint64_t> delivered_;                     // packets in the file, by port
  std::vector<SpoolOptions::PortStatistics> at_begin_;  // of the file, by port
  std::vector<uint64_t> not_written_;                   // packets that the disk did not take, by port
  std::vector<uint64_t> ports_dropped_;                 // as port_statistics said when last asked
  int64_t ports_asked_ns_ = 0;                          // UTC
  Clock::time_point next_removal_{};                    // when a full disk may cost a file again
  Clock::time_point next_look_{};
  bool disk_was_full_ = false;  // when a write failed last
  SpoolFault directory_fault_, space_fault_, write_fault_;
  std::atomic<uint64_t> free_bytes_{0};
};

}  // namespace parallax
