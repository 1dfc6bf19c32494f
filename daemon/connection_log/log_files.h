// The files of a log of lines: one is written, and ended by size or age; the oldest go, to keep to bounds.
//
//     DIRECTORY/conn-20260131T120000.123456Z.log   by when it was begun; once ended nobody writes it any more
//     DIRECTORY/conn.log                           a link to the one that is written
//
// A file ends with a whole line, always but for where the daemon was killed while it wrote: the next start cuts that off. The
// directory is locked for one daemon. Nothing throws; an Error is a sentence. One thread.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "capture/core/result.h"

namespace parallax {

struct LogFileBounds {
  uint64_t file_bytes = 64 << 20;
  int64_t file_age_ns = 0;  // 0: any
  uint64_t bytes = 1 << 30;
  size_t files = 100;
  int64_t max_age_ns = 0;  // since a file was written last; 0: any
};

enum class LogRemovalReason : uint8_t { size, count, age, others };
inline constexpr std::array<const char*, 4> kLogRemovalNames{"size", "count", "age", "others"};
using LogRemovals = std::array<uint64_t, kLogRemovalNames.size()>;  // files

class LogFiles {
 public:
  LogFiles(std::string directory, LogFileBounds bounds) : directory_(std::move(directory)), bounds_(bounds) {}
  ~LogFiles() { close(); }
  LogFiles(const LogFiles&) = delete;
  LogFiles& operator=(const LogFiles&) = delete;

  // Takes the directory, and knows what is in it. Made where its parent exists. Empty, or why not.
  std::string open();
  bool is_open() const { return directory_handle_ >= 0; }
  void close();

  // Writes the whole lines at the beginning of `lines`, one at the least, all that fit into the file; how many bytes those are.
  // What could be written of a line that is cut is taken back. After an error, but for a full disk, nothing is known of the file:
  // close() and open() again.
  Result<size_t> write(std::string_view lines);
  // Ends the file where it is too old, removes what is beyond a bound, looks whether the files are still there. Empty, or why
  // not.
  std::string look_after();

  void set_bounds(LogFileBounds bounds) { bounds_ = bounds; }  // kept by the next look_after()

  const std::string& directory() const { return directory_; }
  uint64_t limit_bytes() const { return bounds_.bytes; }
  const std::string& file() const { return file_path_; }  // that is written; empty: none
  uint64_t bytes() const { return bytes_; }
  size_t files() const { return files_.size(); }
  LogRemovals take_removals() { return std::exchange(removals_, {}); }
  std::string take_repair() {
    return std::exchange(repair_, {});
  }                                                      // what was cut off at the opening, in a sentence; empty: nothing
  bool disk_was_full() const { return disk_was_full_; }  // as the last error says

 private:
  struct File {
    std::string name;
    uint64_t bytes;
    int64_t written_ns;
  };

  std::string begin_file();
  void end_file();
  void survey();
  void mend_last();
  void remove_first(LogRemovalReason reason);
  bool is_in_place() const;
  std::string failure(const char* what, const std::string& path);

  const std::string directory_;
  LogFileBounds bounds_;
  int directory_handle_ = -1, file_ = -1;
  std::string file_path_;
  std::deque<File> files_;  // by age; the last is written where file_ is open
  uint64_t bytes_ = 0;
  LogRemovals removals_{};
  std::string repair_;
  bool disk_was_full_ = false;
  std::chrono::steady_clock::time_point begun_{};
};

}  // namespace parallax
