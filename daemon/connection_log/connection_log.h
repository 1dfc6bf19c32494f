// A line for each connection as it ends, in files of their own: the daemon's conn.log.
//
// A thread of its own takes from the engine what has ended, four times a second, and writes it down; nothing waits for it. What
// waits while it cannot write are the connections in the engine, up to limits.connections and EndedQueue::kForgottenMax; what
// that forgets before it was written is counted, by what kept the log from it. Whatever is wrong with the directory keeps no
// daemon from starting: it is said, and tried again. Made, started and stopped by the control thread; state() is for any thread.
#pragma once

#include <array>
#include <chrono>
#include <mutex>
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
  std::string directory, file;
  uint64_t files = 0, bytes = 0, limit_bytes = 0;
  uint64_t written = 0, written_bytes = 0, write_errors = 0;  // since start, as are the next two
  std::array<uint64_t, kLineDropNames.size()> dropped{};
  LogRemovals removals{};
  std::string error;  // what keeps it from being written; empty: nothing
};

class ConnectionLog {
 public:
  static constexpr auto kStopBudget = std::chrono::milliseconds(1500);

  // Opens it; what is wrong is told, and tried again later.
  ConnectionLog(std::string directory, LogFileBounds bounds, ConnectionLineSource source, Tell tell);

  // The engine tells ends, and outlives the log.
  void start(Engine& engine);
  // Writes what has ended, for kStopBudget. REQUIRES: the engine has finished, or what comes is not waited for.
  void stop();
  ConnectionLogState state() const;

 private:
  using Clock = std::chrono::steady_clock;

  void run(BackgroundThread::Round round);
  void go_round(bool last);
  bool open();
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
  LogFiles files_;
  Engine* engine_ = nullptr;
  std::string pending_;  // whole lines that have been taken
  std::string error_told_;
  uint64_t dropped_ = 0, dropped_before_error_ = 0;
  bool is_disk_full_ = false;
  Clock::time_point next_try_{}, next_look_{};

  mutable std::mutex state_mutex_;
  ConnectionLogState state_;

  BackgroundThread thread_;
};

}  // namespace parallax
