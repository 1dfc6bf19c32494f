// The pinned files of a spool: which there are, within a budget of their own, and what became of those that are gone.
//
//     SPOOL/pinned/finding-7.pcapng         pinned_file.h
//     SPOOL/pinned/finding-8.pcapng.part    being written; left by a crash it is removed at start
//
// One thread writes and removes (the maker of pins); any thread asks. A lock is held while the list is copied or a file is
// opened, never while data is written. Files that are not named like ours are left alone.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <ctime>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "capture/core/result.h"
#include "capture/spool/spool_removal.h"
#include "daemon/run/pinned_file.h"

namespace parallax {

// Why nothing was pinned of a finding that met a rule.
enum class PinFailure : uint8_t {
  withdrawn,
  forgotten,
  no_packets,
  out_of_range,
  min_free,
  disk_full,
  write_error,
  stopped,
  internal
};
inline constexpr size_t kPinFailureCount = 9;
// As in metrics and messages. `forgotten`: its connections; `no_packets`, `out_of_range`: the ring had none of them, or no
// longer.
constexpr std::string_view name_of(PinFailure reason) {
  constexpr std::array<std::string_view, kPinFailureCount> kNames{
      "withdrawn", "forgotten", "no_packets", "out_of_range", "min_free", "disk_full", "write_error", "stopped", "internal"};
  return kNames[static_cast<size_t>(reason)];
}

struct PinnedFile {
  uint64_t id = 0;     // of the finding
  uint64_t bytes = 0;  // that it takes of the budget: whole blocks of 4 KiB
  uint64_t packets = 0;
  int64_t pinned_ns = 0;
  int64_t from_ns = 0, to_ns = 0;                   // what was asked of the ring
  int64_t first_ns = kTimeMax, last_ns = kTimeMin;  // of its packets; first > last: none, or not known
  bool is_withdrawn = false;                        // the finding
  bool is_damaged = false;                          // its end, and all of the above is not known
};

struct PinnedFilesOptions {
  std::string spool;  // the spool's directory
  uint64_t size = 0;  // of all files
  int64_t max_age_ns = 0;
  uint64_t min_free = 0;  // of the disk
  bool require_mount = false;
};

struct PinnedFilesStatus {
  uint64_t files = 0, files_of_earlier_runs = 0, bytes = 0, limit_bytes = 0;
  int64_t oldest_packet_ns = 0, newest_packet_ns = 0;  // 0, 0: none
  uint64_t made = 0, dropped = 0, waiting = 0;
  std::array<uint64_t, kPinFailureCount> failed{};
  SpoolRemovals removals{};
  std::string error;  // why the last one failed
};

class PinnedFiles {
 public:
  static constexpr uint64_t kIdMax = uint64_t{1} << 53;  // a larger one is no finding's
  static constexpr size_t kFilesMax = 1 << 16;           // where they are small: the oldest goes first

  // A pin that is being written. Owned by the maker of pins; goes away without a trace unless it is kept.
  class Writer {
   public:
    ~Writer();
    Writer(const Writer&) = delete;
    // Makes room in the budget, and writes. False: failure() says why.
    bool write(std::span<const uint8_t> bytes);
    // Writes the end, and puts the file in its place.
    bool keep(v1::PinnedSlice slice);
    PinFailure failure() const { return failure_; }
    const std::string& error() const { return error_; }

   private:
    friend class PinnedFiles;
    Writer(PinnedFiles& files, uint64_t id, int fd) : files_(files), id_(id), fd_(fd) {}
    bool put(std::span<const uint8_t> bytes);
    bool failed(PinFailure failure, std::string error);

    PinnedFiles& files_;
    const uint64_t id_;
    int fd_;
    uint64_t bytes_ = 0;
    PinnedPieces pieces_;
    PinFailure failure_ = PinFailure::internal;
    std::string error_;
  };

  // An open pinned file: it stays readable when it is removed.
  struct Open {
    int fd = -1;
    uint64_t bytes = 0;
    std::optional<v1::PinnedSlice> end;  // nullopt: damaged
    Open() = default;
    ~Open();
    Open(const Open&) = delete;
  };

  // Finds what earlier runs have pinned. Nothing is made before it is needed.
  explicit PinnedFiles(PinnedFilesOptions options);
  // Of the disk, from now on. Any thread.
  void set_min_free(uint64_t bytes) { min_free_ = bytes; }

  // The maker of pins.
  Result<std::unique_ptr<Writer>> begin(uint64_t id, PinFailure& failure);
  // Keeps to the age and to what is to be left of the disk, and finds out what others have removed. About once a second.
  // `spool_has_given_way`: there is nothing else left to remove.
  void look(bool spool_has_given_way);
  // Notes with the file that its finding was withdrawn. Empty, or why it could not be.
  std::string note_withdrawn(const v1::Finding& finding);
  SpoolRemovals take_removals();                             // since they were last taken
  void count_failure(PinFailure reason, std::string error);  // empty: nothing that somebody should look at
  void count_dropped(uint64_t findings) { dropped_ += findings; }
  void set_waiting(uint64_t findings) { waiting_ = findings; }

  // Any thread.
  std::vector<std::string> repairs() const { return repairs_; }  // at start: for the log
  uint64_t highest_id() const;                                   // 0: there are none
  // Found by an earlier run of the daemon: the engine's own findings have the ids after those that there were at start.
  bool is_of_earlier_run(uint64_t id) const { return id <= highest_id_at_start_; }
  std::optional<PinnedFile> find(uint64_t id) const;
  std::vector<PinnedFile> after(uint64_t id, size_t limit) const;
  Result<std::unique_ptr<Open>> open(uint64_t id) const;
  PinnedFilesStatus status() const;
  const std::string& directory() const { return directory_; }

 private:
  std::string path_of(uint64_t id) const;
  std::string part_of(uint64_t id) const { return path_of(id) + ".part"; }
  void recover();
  void recover_file(uint64_t id);
  std::string why_not_in_place() const;
  uint64_t free_bytes() const;
  bool make_room(uint64_t bytes);
  bool remove_oldest(SpoolRemovalReason reason);
  void note_removal(const PinnedFile& file, SpoolRemovalReason reason);

  void forget_missing();

  const PinnedFilesOptions options_;  // its min_free is that of the start
  std::atomic<uint64_t> min_free_;    // 0: none
  const std::string directory_;
  timespec listed_{};  // when the directory had changed last, as of the last look
  bool list_again_ = true;
  std::vector<std::string> repairs_;
  uint64_t highest_id_at_start_ = 0;
  std::atomic<uint64_t> dropped_{0}, waiting_{0};
  mutable std::mutex mutex_;  // guards what follows
  std::map<uint64_t, PinnedFile> files_;
  uint64_t bytes_ = 0, being_written_ = 0;
  uint64_t made_ = 0;
  std::array<uint64_t, kPinFailureCount> failed_{};
  SpoolRemovals removals_{}, removals_untold_{};
  std::string error_;
};

}  // namespace parallax
