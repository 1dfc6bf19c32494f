// The database of the history: its tables, what is written into them, what is read of them, and how it is kept within its bounds.
//
//     run      a run of the daemon: when it began, when it wrote last, whether it ended in order
//     finding  one in its latest state: a RememberedFinding, with a checksum over it, its id and its run
//     device   a LearnedDevice of all runs so far, with a checksum
//
// SQLite's own checks see damage of its pages; the checksums see that of what is in them. `user_version` is the format: an older
// one is to be brought up to date in make_tables() (there is none yet); a newer one is not touched. A commit outlives a kill;
// after a power cut the file is as after one of the last commits (WAL, synchronous = NORMAL). One thread writes, on one
// connection; recalling has another one. Whoever owns it sees to it that nobody recalls while it is closed. All but trivial
// functions throw DatabaseError.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/history/database.h"
#include "parallax/v1/history.pb.h"

namespace parallax {

// Why findings were removed; as in metrics and messages.
enum class HistoryBound : uint8_t { count, age, size };
inline constexpr std::array<const char*, 3> kHistoryBoundNames{"count", "age", "size"};
using HistoryRemovals = std::array<uint64_t, kHistoryBoundNames.size()>;

struct HistoryBounds {
  uint64_t findings = 100'000;
  uint64_t bytes = 256 << 20;  // of the file; the log of changes beside it has a few MiB more
  int64_t max_age_ns = 0;      // since the finding was last written; 0: any
};

// A run of the daemon, as it describes itself.
struct HistoryRun {
  int64_t started_ns = 0;
  std::string version;
};

// A finding of this run or of an earlier one, as people are told of it.
struct RecalledFinding {
  uint64_t id = 0;
  v1::RememberedFinding remembered;
};

class HistoryFile {
 public:
  static constexpr int kFormat = 1;
  static constexpr uint64_t kBytesSpare =
      8 << 20;  // of the bound, which is kept free: a batch of the largest findings takes less

  // Opens it; what is not there is made. The run's row is there afterwards.
  HistoryFile(const std::string& path, HistoryBounds bounds, const HistoryRun& run);
  ~HistoryFile();

  // The writer.
  Transaction begin() { return Transaction(database_); }
  void put(const v1::RememberedFinding& finding, int64_t now_ns);
  void erase(uint64_t id);
  void put_device(const v1::Device& device);  // its `between` and `learned_before`
  void note_alive(int64_t now_ns, bool is_over);
  void keep_bounds(int64_t now_ns);
  // Reads so many more findings, the first time from the beginning, and at last the indexes: damage that nobody might meet
  // otherwise. False: that was all.
  bool check_some(size_t findings);
  HistoryRemovals take_removals() { return std::exchange(removals_, {}); }
  uint64_t used_bytes();  // of the file, without what is free in it

  // Those above `after_id`, by id; also of this run, unless `earlier_only`. One thread at a time; it may be another one than the
  // writer's.
  std::vector<RecalledFinding> recall(uint64_t after_id, size_t limit, bool earlier_only);
  std::vector<v1::Device> devices();

  // For what is taken over of another one (history_salvage.h).
  struct RunRow {
    int64_t id = 0, started_ns = 0, last_ns = 0;
    bool is_over = false;
    std::string version;
  };
  static bool is_history(Database& database);  // of this format
  static std::vector<RunRow> runs_of(Database& database);
  static int64_t checksum(int64_t id, int64_t run, std::string_view message);
  int64_t own_run() const { return run_; }
  int64_t adopt(const RunRow& run);  // its id here. REQUIRES: nobody recalls meanwhile
  // Unless it is here already: then what is here is newer. False: it is, or it is none.
  bool take(int64_t id, int64_t run, std::string_view message, int64_t now_ns);

  uint64_t highest_id();
  uint64_t findings() const { return findings_; }
  uint64_t earlier_findings();

 private:
  struct Writer;
  struct Reader;

  void make_tables();
  void begin_run(const HistoryRun& run);
  int64_t insert_run(const RunRow& run);
  void insert(int64_t id, int64_t run, int64_t severity, int64_t now_ns, std::string_view message);
  void tell_run(int64_t run, v1::Finding& finding) const;
  void remove(HistoryBound bound, int64_t rows);

  const std::string path_;
  const HistoryBounds bounds_;
  const int64_t own_started_ns_;
  Database database_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<Reader> reader_;  // once somebody has asked
  int64_t run_ = 0;                 // this one's row
  std::map<int64_t, RunRow> runs_;  // all others
  std::atomic<uint64_t> findings_{0};
  HistoryRemovals removals_{};
  int64_t checked_to_ = 0;  // an id
};

}  // namespace parallax
