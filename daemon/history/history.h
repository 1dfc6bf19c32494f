// What outlives a restart: findings, what was learned of devices, and which ids have been given.
//
//     DIRECTORY/history.db, -wal, -shm                 history_file.h
//     DIRECTORY/history.db.set-aside-20260131T120000Z  what was damaged; the newest kSetAsideMax
//     DIRECTORY/ids                                    id_marks.h
//     DIRECTORY/lock                                   of the daemon that has it
//
// A thread of its own asks the engine what has changed, four times a second, and writes it down; nothing waits for it. There is
// no queue: what waits are the findings in the engine, in their newest state, and what that forgets before it is written is
// counted. Whatever is wrong with the directory keeps no daemon from starting: the history is off then, says why, and tries
// again. Made, started and stopped by the control thread; recalling and status are for any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "analysis/engine.h"
#include "daemon/background/background_thread.h"
#include "daemon/background/tell.h"
#include "daemon/history/history_file.h"
#include "daemon/history/history_salvage.h"
#include "daemon/history/id_marks.h"
#include "daemon/message/to_proto.h"

namespace parallax {

struct HistoryOptions {
  std::string directory;
  HistoryBounds bounds;
  HistoryRun run;
};

struct HistoryState {
  std::string file;
  uint64_t findings = 0, limit_findings = 0;
  uint64_t bytes = 0, limit_bytes = 0;
  uint64_t written = 0, dropped = 0, write_errors = 0, set_aside = 0;  // since start
  uint64_t earlier_findings = 0;                                       // as of the opening
  HistoryRemovals removals{};
  std::string error;  // what keeps it from being written; empty: nothing
};

class History {
 public:
  static constexpr size_t kSetAsideMax = 2;

  // Opens it; what is wrong is told, and tried again later.
  History(HistoryOptions options, Tell tell);
  ~History();  // stops

  // Those that this run may give: no earlier one has.
  Engine::NextIds first_ids() const { return first_ids_; }
  // Must be written before the engine gives one of them.
  void start(const Engine& engine, MessageNames names);
  // Writes what there is to write. REQUIRES: the engine has finished, or what comes is not waited for.
  void stop();

  enum class Runs { all, earlier };
  // As HistoryFile::recall(); of this run only while it is written. Empty where the history is off.
  std::vector<RecalledFinding> recall(uint64_t after_id, size_t limit, Runs runs) const;
  std::optional<RecalledFinding> find(uint64_t id) const;
  // What earlier runs have learned, by `between`.
  std::vector<v1::Device> learned_before() const;
  HistoryState state() const;

 private:
  using Clock = std::chrono::steady_clock;

  void run(BackgroundThread::Round round);
  void go_round(bool last);
  bool open();
  std::string take_directory();
  std::string make_file() const;
  void set_aside(const std::string& why);
  void close();
  bool is_in_place() const;
  void give_up_directory();
  bool failed(const DatabaseError& error);
  void fault(const std::string& error);
  bool ids_are_free();
  void take_removals();
  void write_changes();
  void write_devices();
  void salvage_some(bool last);
  std::string path() const { return options_.directory + "/history.db"; }

  const HistoryOptions options_;
  const Tell tell_;
  IdMarks marks_;
  Engine::NextIds first_ids_{1, 1};
  bool ids_are_known_ = false;  // first_ids_ are those of the directory
  int lock_ = -1;
  const Engine* engine_ = nullptr;
  MessageNames names_;
  FindingWatch watch_;
  Clock::time_point next_try_{}, next_devices_{}, next_sign_{}, next_set_aside_{};
  bool is_checked_ = false;
  std::string aside_;                        // what was set aside last, and is to be salvaged
  std::unique_ptr<HistorySalvage> salvage_;  // under way
  std::string error_told_;

  mutable std::mutex file_mutex_;      // guards what follows: held while somebody recalls, and while the file is opened or closed
  std::unique_ptr<HistoryFile> file_;  // null: the history is off
  mutable std::atomic<bool> is_damaged_{false};  // as somebody who recalled has found
  std::atomic<bool> is_current_{false};          // it has what the engine has told

  mutable std::mutex state_mutex_;
  HistoryState state_;
  std::optional<std::vector<v1::Device>> learned_before_;  // once it could be read

  BackgroundThread thread_;
};

}  // namespace parallax
