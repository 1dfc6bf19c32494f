#include "daemon/connection_log/connection_log.h"

#include <fmt/format.h>

#include <algorithm>

namespace parallax {
namespace {

constexpr auto kRetryInterval = std::chrono::seconds(2);
constexpr auto kLookInterval = std::chrono::seconds(1);
constexpr size_t kBatch = 256;

}  // namespace

void ConnectionLog::open(std::string directory, LogFileBounds bounds) {
  state_.directory = directory;
  state_.limit_bytes = bounds.bytes;
  files_ = std::make_shared<LogFiles>(std::move(directory), bounds);
  open();
}

bool ConnectionLog::open() {
  next_try_ = Clock::now() + kRetryInterval;
  if (std::string error = files_->open(); !error.empty()) {
    failed(error);
    return false;
  }
  note_opened();
  return true;
}

void ConnectionLog::note_opened() {
  if (const std::string repair = files_->take_repair(); !repair.empty()) tell_(News::notice, "connection log: " + repair);
  next_look_ = {};
  update_state();
}

void ConnectionLog::start(Engine& engine) {
  engine_ = &engine;
  if (files_ != nullptr) run_thread();
}

void ConnectionLog::run_thread() {
  thread_.start("connection-log", [this](BackgroundThread::Round round) { run(round); });
}

void ConnectionLog::stop() { thread_.stop(); }

void ConnectionLog::change(std::shared_ptr<LogFiles> files) {
  if (files == nullptr) return turn_off();
  bool was_on = false;
  {
    const std::lock_guard guard(state_mutex_);
    was_on = !state_.directory.empty();
    next_files_ = std::move(files);
    next_bounds_.reset();
  }
  if (was_on) return;
  take_change();
  engine_->tell_ends(true);
  run_thread();
}

void ConnectionLog::change(LogFileBounds bounds) {
  const std::lock_guard guard(state_mutex_);
  next_bounds_ = bounds;
}

void ConnectionLog::turn_off() {
  thread_.stop();
  count_dropped(LineDropReason::stop, engine_->tell_ends(false));  // what had ended just now
  files_.reset();
  error_told_.clear();
  is_disk_full_ = false;
  const std::lock_guard guard(state_mutex_);
  state_.directory.clear();
  state_.file.clear();
  state_.files = state_.bytes = state_.limit_bytes = 0;
  state_.error.clear();
}

// By the thread, or while there is none.
void ConnectionLog::take_change() {
  std::shared_ptr<LogFiles> files;
  {
    const std::lock_guard guard(state_mutex_);
    if (next_files_ == nullptr && !next_bounds_) return;
    files = std::exchange(next_files_, nullptr);
    if (const auto bounds = std::exchange(next_bounds_, std::nullopt)) (files ? files : files_)->set_bounds(*bounds);
  }
  next_look_ = {};
  if (files == nullptr) return;
  if (files_ != nullptr) update_state();  // what was removed of the others
  files_ = std::move(files);
  error_told_.clear();
  is_disk_full_ = false;
  {
    const std::lock_guard guard(state_mutex_);
    state_.error.clear();
  }
  note_opened();
}

void ConnectionLog::run(BackgroundThread::Round round) {
  const bool last = round == BackgroundThread::Round::last;
  try {
    go_round(last);
  } catch (const std::exception& error) {  // out of memory
    failed(error.what());
  }
  if (last) files_->close();
}

void ConnectionLog::go_round(bool last) {
  const Clock::time_point now = Clock::now();
  take_change();
  if (!files_->is_open() && (last || now >= next_try_)) open();
  if (files_->is_open() && (last || now >= next_look_)) look_after();
  const bool may_write = files_->is_open() && (error_told_.empty() || last || now >= next_try_);
  if (may_write) write_ended(last);
  if (last) return drop_what_is_left();
  // Nothing is taken while it could not be written: the engine keeps it better.
  if (!may_write) count_dropped(cause(), engine_->take_ended(0).not_kept);
}

void ConnectionLog::look_after() {
  next_look_ = Clock::now() + kLookInterval;
  const std::string error = files_->look_after();
  update_state();
  if (error.empty()) return;
  failed(error);
  files_->close();
  next_try_ = {};
  open();
}

void ConnectionLog::write_ended(bool last) {
  const Clock::time_point end = Clock::now() + kStopBudget;
  while (write_pending()) {
    if (last && Clock::now() >= end) return;
    const EndedConnections ended = engine_->take_ended(kBatch);
    count_dropped(cause(), ended.not_kept);
    for (const EndedConnections::Ended& one : ended.connections) append_connection_line(source_, one, pending_);
    if (ended.connections.empty()) return is_well();
  }
}

// False: it cannot be written now.
bool ConnectionLog::write_pending() {
  while (!pending_.empty()) {
    const Result<size_t> written = files_->write(pending_);
    if (!written) {
      {
        const std::lock_guard guard(state_mutex_);
        ++state_.write_errors;
      }
      is_disk_full_ = files_->disk_was_full();
      failed(written.error());
      next_try_ = Clock::now() + kRetryInterval;
      if (!is_disk_full_) files_->close();
      return false;
    }
    const auto lines = std::count(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(*written), '\n');
    {
      const std::lock_guard guard(state_mutex_);
      state_.written += static_cast<uint64_t>(lines);
      state_.written_bytes += *written;
    }
    pending_.erase(0, *written);
    update_state();
    // Files may be ended and begun faster than they are looked after.
    if (Clock::now() >= next_look_ || files_->bytes() > files_->limit_bytes()) look_after();
    if (!files_->is_open()) return false;
  }
  return true;
}

// At the stop.
void ConnectionLog::drop_what_is_left() {
  const LineDropReason reason = error_told_.empty() ? LineDropReason::stop : cause();
  uint64_t connections = static_cast<uint64_t>(std::count(pending_.begin(), pending_.end(), '\n'));
  for (bool more = true; more;) {
    const EndedConnections ended = engine_->take_ended(kBatch);
    connections += ended.connections.size() + ended.not_kept;
    more = ended.are_more;
  }
  pending_.clear();
  if (connections == 0) return;
  count_dropped(reason, connections);
  tell_(News::trouble, fmt::format("connection log: {} connections were not written before it was stopped", connections));
}

LineDropReason ConnectionLog::cause() const {
  if (error_told_.empty()) return LineDropReason::overrun;
  return is_disk_full_ ? LineDropReason::disk_full : LineDropReason::write_error;
}

void ConnectionLog::count_dropped(LineDropReason reason, uint64_t connections) {
  if (connections == 0) return;
  dropped_ += connections;
  const std::lock_guard guard(state_mutex_);
  state_.dropped[static_cast<size_t>(reason)] += connections;
}

void ConnectionLog::failed(const std::string& error) {
  {
    const std::lock_guard guard(state_mutex_);
    state_.error = error;
  }
  if (error_told_.empty()) dropped_before_error_ = dropped_;
  if (error != error_told_) tell_(News::trouble, fmt::format("connection log: nothing is written: {}", error));
  error_told_ = error;
}

void ConnectionLog::is_well() {
  if (error_told_.empty()) return;
  error_told_.clear();
  is_disk_full_ = false;
  {
    const std::lock_guard guard(state_mutex_);
    state_.error.clear();
  }
  tell_(News::notice, fmt::format("connection log: {} is written again; {} connections were dropped meanwhile",
                                  files_->directory(), dropped_ - dropped_before_error_));
}

void ConnectionLog::update_state() {
  static constexpr std::array<const char*, kLogRemovalNames.size()> kWhy{
      "to keep to connection_log.size", "to keep to connection_log.files", "to keep to connection_log.max_age_seconds",
      "by others than parallaxd"};
  const LogRemovals removals = files_->take_removals();
  for (size_t reason = 0; reason < removals.size(); ++reason) {
    if (removals[reason] > 0)
      tell_(News::notice, fmt::format("connection log: {} {} removed {}", removals[reason],
                                      removals[reason] == 1 ? "file was" : "files were", kWhy[reason]));
  }
  const std::lock_guard guard(state_mutex_);
  state_.directory = files_->directory();
  state_.limit_bytes = files_->limit_bytes();
  state_.file = files_->file();
  state_.files = files_->files();
  state_.bytes = files_->bytes();
  for (size_t reason = 0; reason < removals.size(); ++reason) state_.removals[reason] += removals[reason];
}

ConnectionLogState ConnectionLog::state() const {
  const std::lock_guard guard(state_mutex_);
  return state_;
}

}  // namespace parallax
