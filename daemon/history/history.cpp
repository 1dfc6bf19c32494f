#include "daemon/history/history.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "daemon/history/learned_device.h"

namespace parallax {
namespace {

constexpr auto kRetryInterval = std::chrono::seconds(5);
constexpr auto kDevicesInterval = std::chrono::seconds(60);
constexpr auto kSignInterval =
    std::chrono::seconds(10);  // of life: by so much the end of a run that was killed may be told too early
constexpr size_t kBatch = 256;
constexpr size_t kCheckedAtOnce = 4096;
constexpr int64_t kLearnedForNs = 90 * 86'400'000'000'000;  // where history.max_age_seconds is 0

int64_t now_ns() { return std::chrono::system_clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }

v1::RememberedFinding remembered(const FindingRecord& record, const MessageNames& names) {
  v1::RememberedFinding message;
  *message.mutable_finding() = to_proto(record, names);
  for (const FindingLeg& leg : record.legs) {
    v1::RememberedLeg& kept = *message.add_legs();
    kept.set_connection_id(leg.connection_id);
    kept.set_protocol(to_proto(leg.protocol));
    *kept.mutable_client() = to_proto(leg.client);
    *kept.mutable_server() = to_proto(leg.server);
  }
  return message;
}

uint64_t size_of(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

}  // namespace

History::History(HistoryOptions options, Tell tell)
    : options_(std::move(options)), tell_(std::move(tell)), marks_(options_.directory) {
  state_.file = path();
  state_.limit_findings = options_.bounds.findings;
  state_.limit_bytes = options_.bounds.bytes;
  open();
}

History::~History() {
  stop();
  close();
  if (lock_ >= 0) ::close(lock_);
}

// Empty: it is there, and this daemon's.
std::string History::take_directory() {
  const std::string& directory = options_.directory;
  if (::mkdir(directory.c_str(), 0750) != 0 && errno != EEXIST)
    return fmt::format("cannot make {}: {}", directory, std::strerror(errno));
  if (lock_ >= 0) return {};
  const std::string lock = directory + "/lock";
  // One that others left behind may be locked, too, where nothing can be made.
  int fd = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0) return fmt::format("cannot open {}: {}", lock, std::strerror(errno));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd);
    return fmt::format("{} is locked: another parallaxd has this directory", lock);
  }
  lock_ = fd;
  return {};
}

// SQLite gives the files beside it the same mode.
std::string History::make_file() const {
  const int fd = ::open(path().c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0) return fmt::format("cannot open {}: {}", path(), std::strerror(errno));
  ::fchmod(fd, 0640);
  ::close(fd);
  return {};
}

bool History::open() {
  next_try_ = Clock::now() + kRetryInterval;
  std::string error = take_directory();
  if (engine_ == nullptr) {
    // Also where nothing can be written now: then it can be later.
    std::string repair;
    const Result<Engine::NextIds> read = marks_.read(repair);
    if (read) first_ids_ = *read;
    ids_are_known_ = read && lock_ >= 0;
    if (!repair.empty()) tell_(News::trouble, "history: " + repair);
  }
  if (error.empty()) error = make_file();
  if (!error.empty()) {
    fault(error);
    return false;
  }
  try {
    auto file = std::make_unique<HistoryFile>(path(), options_.bounds, options_.run);
    if (engine_ == nullptr) first_ids_.finding = std::max(first_ids_.finding, file->highest_id() + 1);
    const std::lock_guard state(state_mutex_);
    if (!learned_before_) learned_before_ = file->devices();
    state_.earlier_findings = file->earlier_findings();
    state_.findings = file->findings();
    state_.bytes = size_of(path()) + size_of(path() + "-wal");
    const std::lock_guard guard(file_mutex_);
    file_ = std::move(file);
  } catch (const DatabaseError& failure) {
    return failed(failure) && open();
  }
  if (engine_ != nullptr && !ids_are_free()) {
    close();
    fault(fmt::format(
        "{} has ids that this run has given to others, since it could not be read at the start; it will be written again "
        "after the next start",
        path()));
    return false;
  }
  is_checked_ = false;
  next_sign_ = {};
  if (engine_ != nullptr) watch_ = engine_->watch_findings(Severity::info, false);
  return true;
}

// Late: whether no earlier run has given what this one may have given meanwhile.
bool History::ids_are_free() {
  if (ids_are_known_) return true;
  std::string repair;
  const Result<Engine::NextIds> marks = marks_.read(repair);
  const auto earlier = file_->recall(first_ids_.finding - 1, 1, true);
  ids_are_known_ = marks && marks->finding <= first_ids_.finding && earlier.empty();
  return ids_are_known_;
}

void History::close() {
  const std::lock_guard guard(file_mutex_);
  is_current_ = false;
  salvage_.reset();
  file_.reset();
}

// The file, with its log, out of the way; the thread takes over what can be read of it.
void History::set_aside(const std::string& why) {
  close();
  const std::string aside = fmt::format("{}.set-aside-{:%Y%m%dT%H%M%SZ}", path(), fmt::gmtime(std::time(nullptr)));
  for (const char* const beside : {"", "-wal", "-shm"}) ::rename((path() + beside).c_str(), (aside + beside).c_str());
  aside_ = aside;
  tell_(News::trouble, fmt::format("history: {} is set aside as {}: {}", path(), aside, why));
  {
    const std::lock_guard guard(state_mutex_);
    ++state_.set_aside;
  }
  std::vector<std::filesystem::path> kept;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory, error)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("history.db.set-aside-") && name.ends_with("Z")) kept.push_back(entry.path());
  }
  std::sort(kept.begin(), kept.end());
  for (size_t i = 0; i + kSetAsideMax < kept.size(); ++i) {
    for (const char* const beside : {"", "-wal", "-shm"}) std::filesystem::remove(kept[i].string() + beside, error);
    tell_(News::notice, fmt::format("history: {} is removed: {} newer ones are kept", kept[i].string(), kSetAsideMax));
  }
}

// True: it is set aside, and another one may take its place at once.
bool History::failed(const DatabaseError& error) {
  constexpr auto kSetAsideInterval = std::chrono::seconds(60);  // a disk that spoils whatever is written to it
  {
    const std::lock_guard guard(state_mutex_);
    ++state_.write_errors;
  }
  if (error.cause() == DatabaseError::Cause::damaged && Clock::now() >= next_set_aside_) {
    next_set_aside_ = Clock::now() + kSetAsideInterval;
    set_aside(error.what());
    next_try_ = {};
    return true;
  }
  close();
  fault(fmt::format("{}: {}", path(), error.what()));
  return false;
}

// Nobody has removed it, or put another in its place: SQLite would go on writing what nobody finds again.
bool History::is_in_place() const {
  struct stat own {
  }, there{};
  const std::string lock = options_.directory + "/lock";
  return ::fstat(lock_, &own) == 0 && ::stat(lock.c_str(), &there) == 0 && own.st_ino == there.st_ino &&
         own.st_dev == there.st_dev && ::access(path().c_str(), F_OK) == 0;
}

void History::give_up_directory() {
  close();
  ::close(std::exchange(lock_, -1));
  marks_.forget();
  next_try_ = {};
  fault(fmt::format("{} is gone, or another is in its place", path()));
}

// Empty: it is over.
void History::fault(const std::string& error) {
  {
    const std::lock_guard guard(state_mutex_);
    state_.error = error;
  }
  if (!error.empty()) is_current_ = false;
  if (error == error_told_) return;
  if (!error.empty()) tell_(News::trouble, fmt::format("history: nothing is written: {}", error));
  if (error.empty()) tell_(News::notice, fmt::format("history: {} is written again", path()));
  error_told_ = error;
}

void History::start(const Engine& engine, MessageNames names) {
  engine_ = &engine;
  names_ = std::move(names);
  watch_ = engine.watch_findings(Severity::info, false);
  if (ids_are_known_) {
    if (std::string error = marks_.keep_ahead(engine.next_ids()); !error.empty()) fault(error);
  }
  thread_.start("history", [this](BackgroundThread::Round round) { run(round); });
}

void History::stop() { thread_.stop(); }

void History::run(BackgroundThread::Round round) {
  try {
    go_round(round == BackgroundThread::Round::last);
  } catch (const DatabaseError& error) {
    failed(error);
  } catch (const std::exception& error) {  // out of memory
    close();
    fault(error.what());
  }
}

void History::go_round(bool last) {
  if (is_damaged_.exchange(false)) throw DatabaseError(DatabaseError::Cause::damaged, "a finding is not as it was written");
  if (file_ != nullptr && !is_in_place()) give_up_directory();
  if (file_ == nullptr && (last || Clock::now() >= next_try_)) open();
  const Engine::NextIds next = engine_->next_ids();
  if (ids_are_known_) {
    const std::string error = last ? marks_.settle(next) : marks_.keep_ahead(next);
    if (!error.empty()) return fault(error);
  }
  if (file_ == nullptr) return;
  if (!is_checked_) is_checked_ = !file_->check_some(kCheckedAtOnce);
  write_changes();
  salvage_some(last);
  const Clock::time_point now = Clock::now();
  if (last || now >= next_devices_) {
    next_devices_ = now + kDevicesInterval;
    write_devices();
  }
  if (last || now >= next_sign_) {
    next_sign_ = now + kSignInterval;
    file_->keep_bounds(now_ns());
    file_->note_alive(now_ns(), last);
  }
  take_removals();
  if (!error_told_.empty()) fault("");
}

void History::write_changes() {
  while (true) {
    FindingWatch watch = watch_;
    const std::vector<FindingChange> changes = engine_->finding_changes(watch, kBatch);
    if (!changes.empty()) {
      const int64_t time_ns = now_ns();
      Transaction change = file_->begin();
      for (const FindingChange& one : changes) {
        one.finding.state == FindingState::withdrawn ? file_->erase(one.finding.id)
                                                     : file_->put(remembered(one.finding, names_), time_ns);
      }
      file_->note_alive(time_ns, false);
      change.commit();
      file_->keep_bounds(time_ns);
    }
    {
      const std::lock_guard guard(state_mutex_);
      state_.written += changes.size();
      state_.dropped += watch.dropped - watch_.dropped;
      state_.findings = file_->findings();
    }
    watch_ = watch;
    if (changes.size() < kBatch) break;
  }
  is_current_ = true;
}

void History::write_devices() {
  const int64_t time_ns = now_ns();
  const int64_t age_ns = options_.bounds.max_age_ns > 0 ? options_.bounds.max_age_ns : kLearnedForNs;
  const std::vector<v1::Device> before = learned_before();
  Transaction change = file_->begin();
  for (const DeviceRecord& record : engine_->devices()) {
    v1::Device device = to_proto(record, names_), row;
    *row.mutable_between() = device.between();
    const auto known = std::find_if(before.begin(), before.end(), [&](const v1::Device& one) {
      return std::equal(one.between().begin(), one.between().end(), device.between().begin(), device.between().end());
    });
    *row.mutable_learned_before() =
        learned_device(device, known != before.end() ? known->learned_before() : v1::LearnedDevice(), time_ns, time_ns - age_ns);
    if (row.learned_before().has_last_learned()) file_->put_device(row);
  }
  change.commit();
}

// Beside what is written anyway, since it may be a lot.
void History::salvage_some(bool last) {
  constexpr auto kAtOnce = std::chrono::milliseconds(150);
  if (!aside_.empty()) {
    const std::lock_guard guard(file_mutex_);
    salvage_ = std::make_unique<HistorySalvage>(std::exchange(aside_, {}), *file_, first_ids_.finding);
  }
  if (salvage_ == nullptr) return;
  bool is_more = true;
  for (const auto end = Clock::now() + kAtOnce; is_more && Clock::now() < end;) {
    is_more = salvage_->step(*file_, kBatch, now_ns());
    file_->keep_bounds(now_ns());
  }
  if (is_more && !last) return;
  tell_(News::notice, fmt::format("history: {} findings of what was set aside are taken over{}", salvage_->taken(),
                                  is_more ? "; the stop has cut it short" : ""));
  {
    const std::lock_guard guard(state_mutex_);
    if (learned_before_ && learned_before_->empty()) learned_before_ = salvage_->devices();
  }
  salvage_.reset();
}

void History::take_removals() {
  const HistoryRemovals removals = file_->take_removals();
  const std::lock_guard guard(state_mutex_);
  for (size_t bound = 0; bound < removals.size(); ++bound) state_.removals[bound] += removals[bound];
  state_.findings = file_->findings();
  state_.bytes = size_of(path()) + size_of(path() + "-wal");
}

std::vector<RecalledFinding> History::recall(uint64_t after_id, size_t limit, Runs runs) const {
  const std::lock_guard guard(file_mutex_);
  if (file_ == nullptr || is_damaged_) return {};
  try {
    return file_->recall(after_id, limit, runs == Runs::earlier || !is_current_);
  } catch (const DatabaseError& error) {
    // Its thread finds the same, or sets it aside.
    is_damaged_ = error.cause() == DatabaseError::Cause::damaged;
    return {};
  }
}

std::optional<RecalledFinding> History::find(uint64_t id) const {
  if (id == 0) return std::nullopt;
  std::vector<RecalledFinding> found = recall(id - 1, 1, Runs::all);
  if (found.empty() || found.front().id != id) return std::nullopt;
  return std::move(found.front());
}

std::vector<v1::Device> History::learned_before() const {
  const std::lock_guard guard(state_mutex_);
  return learned_before_.value_or(std::vector<v1::Device>());
}

HistoryState History::state() const {
  const std::lock_guard guard(state_mutex_);
  return state_;
}

}  // namespace parallax
