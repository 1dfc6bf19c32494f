// A line for each connection as it ends, in files of their own: the daemon's conn.log.
//
// A thread of its own takes from the engine what has ended, four times a second, and writes it down; nothing waits for it. What
// waits while it cannot write are the connections in the engine, up to limits.connections and EndedQueue::kForgottenMax; what
// that forgets before it was written is counted, by what kept the log from it. Whatever is wrong with the directory keeps no
// daemon from starting: it is said, and tried again. Made, started, changed and stopped by the control thread; state() is for
// any.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "analysis/engine.h"
#include "daemon/background/background_thread.h"
#include "daemon/background/tell.h"
#include "daemon/connection_log/connection_line.h"
#include "daemon/connection_log/log_files.h"

namespace parallax {

// Why there is no line of a connection.
enum class LineDropReason : uint8_t { overrun, disk_full, write_error, stop };
inline constexpr std::array<const char*, 4> kLineDropNames{"overrun", "disk_full", "write_error", "stop"};

struct ConnectionLogState {
  std::string directory, file;  // empty directory: there is no log now
  uint64_t files = 0, bytes = 0, limit_bytes = 0;
  uint64_t written = 0, written_bytes = 0, write_errors = 0;  // since start, as are the next two
  std::array<uint64_t, kLineDropNames.size()> dropped{};
  LogRemovals removals{};
  std::string error;  // what keeps it from being written; empty: nothing
};

class ConnectionLog {
 public:
  static constexpr auto kStopBudget = std::chrono::milliseconds(1500);

  ConnectionLog(ConnectionLineSource source, Tell tell) : tell_(std::move(tell)), source_(std::move(source)) {}

  // Before start(). Opens it; what is wrong is told, and tried again later.
  void open(std::string directory, LogFileBounds bounds);

  // The engine outlives the log, and tells ends where that was opened.
  void start(Engine& engine);
  // Files of another directory, which are open: what ends from now on is written there, and so is what waits. Null: nothing is
  // written any more. REQUIRES: it was started.
  void change(std::shared_ptr<LogFiles> files);
  // Where it is on.
  void change(LogFileBounds bounds);
  // Writes what has ended, for kStopBudget. REQUIRES: the engine has finished, or what comes is not waited for.
  void stop();
  ConnectionLogState state() const;

 private:
  using Clock = std::chrono::steady_clock;

  void run(BackgroundThread::Round round);
  void go_round(bool last);
  void run_thread();
  void turn_off();
  void take_change();
  bool open();
  void note_opened();
  void look_after();
  void write_ended(bool last);
  bool write_pending();
  void drop_what_is_left();
  void count_dropped(LineDropReason reason, uint64_t connections);
  void failed(const std::string& error);
  void is_well();
  void update_state();
  LineDropReason cause() const;

  const Tell tell_;
  const ConnectionLineSource source_;
  std::shared_ptr<LogFiles> files_;  // null: it is off
  Engine* engine_ = nullptr;
  std::string pending_;  // whole lines that have been taken
  std::string error_told_;
  uint64_t dropped_ = 0, dropped_before_error_ = 0;
  bool is_disk_full_ = false;
  Clock::time_point next_try_{}, next_look_{};

  mutable std::mutex state_mutex_;
  ConnectionLogState state_;
  std::shared_ptr<LogFiles> next_files_;      // to be taken over by the thread; null: the same
  std::optional<LogFileBounds> next_bounds_;  // the same

  BackgroundThread thread_;
};

}  // namespace parallax
