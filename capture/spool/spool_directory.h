// The spool's directory: which files are in it, what each holds, and what is no longer there.
//
// The writer's thread changes it, any thread asks; a lock is held for as long as a list is copied or a file opened, never
// while data is written. Files in it that are not named like ours are left alone. What others do to it is noticed by look().
//
//     parallax.lock                                 locked by the process that owns the directory
//     parallax-current.pcapng                       being written
//     parallax-20231114T221320Z-00000042.pcapng     finished: UTC of its first packet, and a serial that only grows
#pragma once

#include <sys/types.h>

#include <ctime>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "capture/core/result.h"
#include "capture/spool/spool_file.h"
#include "capture/spool/spool_location.h"
#include "capture/spool/spool_removal.h"

namespace parallax {

// A part of a file, open for reading: it stays readable when the ring removes the file.
class SpoolFileView {
 public:
  // By chunk, of a file that is being written: the filter of its legs, null while it grows. Of a finished one none.
  using Legs = std::vector<std::shared_ptr<const SpoolLegFilter>>;

  SpoolFileView(int fd, std::string path, std::vector<SpoolChunk> chunks, std::vector<SpoolLoss> losses, Legs legs)
      : fd_(fd), path_(std::move(path)), chunks_(std::move(chunks)), losses_(std::move(losses)), legs_(std::move(legs)) {}
  ~SpoolFileView();
  SpoolFileView(const SpoolFileView&) = delete;
  int fd() const { return fd_; }
  const std::string& path() const { return path_; }
  const std::vector<SpoolChunk>& chunks() const { return chunks_; }
  const std::vector<SpoolLoss>& losses() const { return losses_; }  // all of the file
  // By chunk: whether it may hold packets of one of these legs. Reads the file's filters, where it is finished.
  std::vector<bool> may_hold_any(std::span<const uint64_t> keys) const;

 private:
  const int fd_;
  const std::string path_;
  const std::vector<SpoolChunk> chunks_;
  const std::vector<SpoolLoss> losses_;
  const Legs legs_;
};

struct SpoolViews {
  std::vector<std::unique_ptr<SpoolFileView>> files;  // that hold packets within the range, oldest first, the current one last
  // Of the range: where files have been removed by others, and losses that no file has yet. interface is into the present ports.
  std::vector<SpoolLoss> removed, waiting;
};

class SpoolDirectory {
 public:
  struct Totals {
    uint64_t bytes = 0, files = 0, packets = 0;
    int64_t first_ns = kTimeMax, last_ns = kTimeMin;
  };
  struct Look {
    bool current_lost = false;  // the current file is no longer in the directory: begin another one
    std::string fault;          // a sentence; empty: the directory is in place
  };

  // Takes the directory (see SpoolLocation), repairs what a crash left, and reads the index of every file.
  static Result<std::unique_ptr<SpoolDirectory>> open(const std::string& path, bool must_be_mount);
  ~SpoolDirectory();
  SpoolDirectory(const SpoolDirectory&) = delete;

  std::vector<std::string> repairs() const;  // what was mended or made, for the log

  // Writer.
  // What others have done since the last look: files that are gone are no longer counted, and a directory that is gone is made
  // anew where that is right, or taken up again with what it holds. About once a second.
  Look look();
  Result<int> begin_current();        // creates the file, empty; the descriptor is the caller's
  void grow_current(uint64_t bytes);  // by bytes that are no packets
  // Written, and to be seen by readers from now on. `legs`: the keys of its packets.
  void grow_current(const SpoolChunk& chunk, std::span<const uint64_t> legs);
  void add_loss(const SpoolLoss& loss);  // to the current file; without one, to the next
  // Gives the current file its final name, or removes it if it holds no packet. Error: it could not be renamed, and is lost to
  // the index.
  Result<bool> finish_current();
  // Removes the oldest finished file. False: there is none. Error: it cannot be removed, and stays.
  Result<bool> remove_oldest(SpoolRemovalReason reason);
  // Removes the finished files whose first packet is from before `time_ns`.
  Result<bool> remove_older_than(int64_t time_ns);
  const SpoolFileIndex& current_index() const { return current_.index; }
  uint64_t free_bytes() const { return location_ != nullptr ? location_->free_bytes() : UINT64_MAX; }  // the latter: not known

  // Any thread.
  Totals totals() const;
  SpoolRemovals removals() const;  // since start
  SpoolRemovals take_removals();   // since they were last taken
  int64_t empty_since_ns() const;  // UTC: a spool without packets has been waiting for one since
  Result<SpoolViews> view(int64_t from_ns, int64_t to_ns) const;

 private:
  struct File {
    std::string name;
    uint64_t serial = 0, bytes = 0;
    SpoolFileIndex index;
  };
  SpoolDirectory(std::string path, bool must_be_mount);
  std::string path_of(const std::string& name) const { return path_ + '/' + name; }
  std::string finished_name(const SpoolFileIndex& index);
  Result<bool> recover();
  void recover_file(File file, bool current);
  void repaired(std::string text);
  Look forget_missing();
  bool forget_all();
  bool forget_current();
  Result<bool> remove(const File& file, SpoolRemovalReason reason);
  void note_removal(const File& file, SpoolRemovalReason reason);
  void add_removed_by_others(const SpoolLoss& loss);
  void note_serial_gaps();

  const std::string path_;
  const bool must_be_mount_;
  std::unique_ptr<SpoolLocation> location_;  // null: lost
  uint64_t next_serial_ = 1;
  ino_t current_inode_ = 0;
  timespec listed_{};  // when the directory had changed last, as of the last list
  bool list_again_ = true;
  mutable std::mutex mutex_;  // guards what follows; the writer alone changes it, but for what take_removals() takes
  std::vector<std::string> repairs_;
  std::deque<File> finished_;
  bool has_current_ = false;
  File current_;
  SpoolFileIndex waiting_;                    // losses while there is no file to note them in
  std::vector<SpoolLoss> removed_by_others_;  // bounded; beyond that the last one grows
  SpoolRemovals removals_, removals_untold_;
  int64_t empty_since_ns_ = 0;
};

}  // namespace parallax
