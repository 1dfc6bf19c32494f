// The spool's directory: who owns it, which files are in it, what each holds.
//
// The writer's thread changes it, any thread asks; a lock is held for as long as a list is copied or a file opened, never
// while data is written. Files in it that are not named like ours are left alone.
//
//     parallax.lock                                 locked by the process that owns the directory
//     parallax-current.pcapng                       being written
//     parallax-20231114T221320Z-00000042.pcapng     finished: UTC of its first packet, and a serial that only grows
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "capture/core/result.h"
#include "capture/spool/spool_file.h"

namespace parallax {

// A part of a file, open for reading: it stays readable when the ring removes the file.
class SpoolFileView {
 public:
  SpoolFileView(int fd, std::string path, std::vector<SpoolChunk> chunks, std::vector<SpoolLoss> losses)
      : fd_(fd), path_(std::move(path)), chunks_(std::move(chunks)), losses_(std::move(losses)) {}
  ~SpoolFileView();
  SpoolFileView(const SpoolFileView&) = delete;
  int fd() const { return fd_; }
  const std::string& path() const { return path_; }
  const std::vector<SpoolChunk>& chunks() const { return chunks_; }
  const std::vector<SpoolLoss>& losses() const { return losses_; }  // all of the file

 private:
  const int fd_;
  const std::string path_;
  const std::vector<SpoolChunk> chunks_;
  const std::vector<SpoolLoss> losses_;
};

class SpoolDirectory {
 public:
  struct Totals {
    uint64_t bytes = 0, files = 0, packets = 0;
    int64_t first_ns = kTimeMax, last_ns = kTimeMin;
  };

  // Makes the directory if it is missing, locks it, repairs what a crash left, and reads the index of every file.
  static Result<std::unique_ptr<SpoolDirectory>> open(const std::string& path);
  ~SpoolDirectory();
  SpoolDirectory(const SpoolDirectory&) = delete;

  std::vector<std::string> repairs() const;  // what was mended, for the log

  // Writer.
  Result<int> begin_current();                 // creates the file, empty; the descriptor is the caller's
  void grow_current(uint64_t bytes);           // by bytes that are no packets
  void grow_current(const SpoolChunk& chunk);  // written, and to be seen by readers from now on
  void add_loss(const SpoolLoss& loss);        // to the current file
  // Gives the current file its final name, or removes it if it holds no packet. Error: it could not be renamed, and is lost to
  // the index.
  Result<bool> finish_current();
  // Removes the oldest finished file. False: there is none.
  bool remove_oldest();
  const SpoolFileIndex& current_index() const { return current_.index; }

  // Any thread.
  Totals totals() const;
  // The files that hold packets within the range, oldest first, the current one last.
  Result<std::vector<std::unique_ptr<SpoolFileView>>> view(int64_t from_ns, int64_t to_ns) const;

 private:
  struct File {
    std::string name;
    uint64_t serial = 0, bytes = 0;
    SpoolFileIndex index;
  };
  SpoolDirectory(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}
  std::string path_of(const std::string& name) const { return path_ + '/' + name; }
  std::string finished_name(const SpoolFileIndex& index);
  Result<bool> recover();
  void recover_file(File file, bool current);
  void repaired(std::string text);

  const std::string path_;
  const int lock_fd_;
  uint64_t next_serial_ = 1;
  mutable std::mutex mutex_;  // guards what follows; the writer alone changes it
  std::vector<std::string> repairs_;
  std::deque<File> finished_;
  bool has_current_ = false;
  File current_;
};

}  // namespace parallax
