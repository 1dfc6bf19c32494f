#include "capture/spool/spool_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <unordered_set>

namespace parallax {

namespace {

constexpr size_t kRepairsMax = 100;
constexpr const char* kCurrentName = "parallax-current.pcapng";
constexpr size_t kRemovedByOthersMax = 1024;

int64_t utc_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

std::string failed(const std::string& what, const std::string& path) { return what + ' ' + path + ": " + std::strerror(errno); }

// The serial of "parallax-20231114T221320Z-00000042.pcapng"; nullopt: not a name of ours.
std::optional<uint64_t> serial_of(std::string_view name) {
  constexpr std::string_view kPattern =
                                 "parallax-dddddddd"
                                 "Tdddddd"
                                 "Z-",
                             kEnd = ".pcapng";
  if (name.size() <= kPattern.size() + kEnd.size() || !name.ends_with(kEnd)) return std::nullopt;
  for (size_t i = 0; i < kPattern.size(); ++i) {
    const bool digit = name[i] >= '0' && name[i] <= '9';
    // The d in a pattern stands for a digit; "parallax-" has none.
    if (kPattern[i] == 'd' ? !digit : name[i] != kPattern[i]) return std::nullopt;
  }
  const std::string_view number = name.substr(kPattern.size(), name.size() - kPattern.size() - kEnd.size());
  uint64_t serial = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), serial);
  if (error != std::errc() || end != number.data() + number.size() || serial == 0) return std::nullopt;
  return serial;
}

uint64_t size_of(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

}  // namespace

SpoolFileView::~SpoolFileView() { close(fd_); }

std::vector<bool> SpoolFileView::may_hold_any(std::span<const uint64_t> keys) const {
  std::vector<bool> may(chunks_.size(), true);
  const auto holds_any = [&](std::span<const uint64_t> filter) {
    return std::any_of(keys.begin(), keys.end(), [&](uint64_t key) { return may_hold(filter, key); });
  };
  for (size_t i = 0; i < legs_.size(); ++i) may[i] = legs_[i] == nullptr || holds_any(*legs_[i]);
  if (!legs_.empty()) return may;
  read_spool_legs(fd_, [&](uint64_t offset, std::span<const uint64_t> filter) {
    const auto chunk =
        std::lower_bound(chunks_.begin(), chunks_.end(), offset, [](const SpoolChunk& a, uint64_t b) { return a.offset < b; });
    if (chunk == chunks_.end() || chunk->offset != offset) return;
    may[static_cast<size_t>(chunk - chunks_.begin())] = holds_any(filter);
  });
  return may;
}

SpoolDirectory::SpoolDirectory(std::string path, bool must_be_mount)
    : path_(std::move(path)), must_be_mount_(must_be_mount), empty_since_ns_(utc_ns()) {}

SpoolDirectory::~SpoolDirectory() = default;

Result<std::unique_ptr<SpoolDirectory>> SpoolDirectory::open(const std::string& path, bool must_be_mount) {
  Result<std::unique_ptr<SpoolLocation>> location = SpoolLocation::take(path, must_be_mount);
  if (!location) return Error{location.error()};
  std::unique_ptr<SpoolDirectory> directory(new SpoolDirectory(path, must_be_mount));
  directory->location_ = std::move(*location);
  const Result<bool> recovered = directory->recover();
  if (!recovered) return Error{recovered.error()};
  return directory;
}

Result<bool> SpoolDirectory::recover() {
  if (location_->was_made()) repaired("made directory " + path_ + ", which did not exist");
  std::vector<File> files;
  bool current = false;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(path_, error); !error && entry != std::filesystem::directory_iterator();
       entry.increment(error)) {
    File file;
    file.name = entry->path().filename();
    if (file.name == kCurrentName) current = true;
    const std::optional<uint64_t> serial = serial_of(file.name);
    if (!serial) continue;
    file.serial = *serial;
    next_serial_ = std::max(next_serial_, *serial + 1);
    files.push_back(std::move(file));
  }
  if (error) return Error{"cannot read spool directory " + path_ + ": " + error.message()};
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) { return a.serial < b.serial; });
  for (File& file : files) recover_file(std::move(file), false);
  if (current) {
    File file;
    file.name = kCurrentName;
    recover_file(std::move(file), true);
  }
  note_serial_gaps();
  return true;
}

// Serials follow one another: where some are missing somebody has removed their files while nobody looked.
void SpoolDirectory::note_serial_gaps() {
  const std::lock_guard guard(mutex_);
  for (size_t i = 1; i < finished_.size(); ++i) {
    const File &before = finished_[i - 1], &after = finished_[i];
    if (after.serial > before.serial + 1 && before.index.last_ns < after.index.first_ns) {
      add_removed_by_others({before.index.last_ns, after.index.first_ns});
    }
  }
}

// Reads a file's index, from its end or by a scan, and cuts what is no whole block. What cannot be read is left where it is,
// but for the current file: its name is needed.
void SpoolDirectory::recover_file(File file, bool current) {
  const std::string path = path_of(file.name);
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) {
    repaired(failed("cannot open", path) + "; left out");
    return;
  }
  file.bytes = size_of(fd);
  const Result<SpoolFileHeader> header = read_spool_header(fd);
  if (!header) {
    close(fd);
    const std::string state = path + " (" + std::to_string(file.bytes) + " bytes) " + header.error();
    if (!current) {
      repaired(state + "; left out");
    } else if (unlink(path.c_str()) == 0) {
      repaired(state + "; removed");
    }
    return;
  }
  std::optional<SpoolFileIndex> index = read_spool_index(fd, file.bytes);
  if (!index) {
    SpoolScan scan = scan_spool_file(fd, *header);
    if (scan.valid_bytes < file.bytes) {
      repaired(path + ": cut from " + std::to_string(file.bytes) + " to " + std::to_string(scan.valid_bytes) +
               " bytes, the end of its last whole block");
      if (ftruncate(fd, static_cast<off_t>(scan.valid_bytes)) != 0) repaired(failed("cannot cut", path));
      file.bytes = scan.valid_bytes;
    }
    // What the sensor lost meanwhile was not written down: within this file an absence proves nothing.
    if (scan.index.packets > 0) scan.index.add(SpoolLoss{scan.index.first_ns, scan.index.last_ns});
    PcapngBuffer block;
    append_spool_index(block, scan.index);
    if (pwrite(fd, block.data(), block.size(), static_cast<off_t>(file.bytes)) == static_cast<ssize_t>(block.size())) {
      file.bytes += block.size();
    } else if (ftruncate(fd, static_cast<off_t>(file.bytes)) != 0) {  // a full disk: the next start scans again
      repaired(failed("cannot cut", path));
    }
    index = std::move(scan.index);
  }
  close(fd);
  file.index = std::move(*index);
  file.index.legs = {};
  {
    const std::lock_guard guard(mutex_);
    // It may have been away and come back with its directory.
    std::erase_if(removed_by_others_, [&](const SpoolLoss& removed) {
      return removed.from_ns == file.index.first_ns && removed.to_ns == file.index.last_ns;
    });
    if (!current) {
      finished_.push_back(std::move(file));
      return;
    }
    current_ = std::move(file);
    has_current_ = true;
  }
  const Result<bool> finished = finish_current();
  if (!finished) repaired(finished.error());
}

void SpoolDirectory::repaired(std::string text) {
  const std::lock_guard guard(mutex_);
  if (repairs_.size() < kRepairsMax) repairs_.push_back(std::move(text));
}

std::vector<std::string> SpoolDirectory::repairs() const {
  const std::lock_guard guard(mutex_);
  return repairs_;
}

std::string SpoolDirectory::finished_name(const SpoolFileIndex& index) {
  const auto seconds = static_cast<time_t>(std::max<int64_t>(index.first_ns, 0) / 1'000'000'000);
  tm utc{};
  gmtime_r(&seconds, &utc);
  char name[64];
  std::snprintf(name, sizeof(name), "parallax-%04d%02d%02dT%02d%02d%02dZ-%08llu.pcapng", utc.tm_year + 1900, utc.tm_mon + 1,
                utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, static_cast<unsigned long long>(next_serial_));
  return name;
}

SpoolDirectory::Look SpoolDirectory::look() {
  const std::string why = location_ != nullptr ? location_->why_lost() : std::string();
  if (location_ != nullptr && why.empty()) return forget_missing();
  Look look;
  const std::unique_ptr<SpoolLocation> before = std::move(location_);
  Result<std::unique_ptr<SpoolLocation>> taken = SpoolLocation::take(path_, must_be_mount_);
  if (taken) location_ = std::move(*taken);
  const bool same = before != nullptr && location_ != nullptr && location_->is_where(*before);
  if (same) return forget_missing();
  look.current_lost = forget_all();
  if (!taken) {
    look.fault = taken.error();
    return look;
  }
  if (const Result<bool> recovered = recover(); !recovered) {
    location_.reset();
    look.fault = recovered.error();
  } else if (before != nullptr) {
    look.fault = "spool directory " + path_ + " was lost (" + why + ") and is begun anew";
  }
  return look;
}

// The list is read only where the directory has changed, or did so at about the time of the last list.
SpoolDirectory::Look SpoolDirectory::forget_missing() {
  constexpr int64_t kStampNs = 2'000'000'000;  // the coarsest stamps of file systems
  Look look;
  struct stat status {};
  const auto is_gone = [&](const std::string& path) { return lstat(path.c_str(), &status) != 0 && errno == ENOENT; };
  if (has_current_ && (is_gone(path_of(kCurrentName)) || status.st_ino != current_inode_)) look.current_lost = forget_current();
  if (stat(path_.c_str(), &status) != 0) return look;
  const timespec& changed = status.st_mtim;
  if (!list_again_ && changed.tv_sec == listed_.tv_sec && changed.tv_nsec == listed_.tv_nsec) return look;
  std::unordered_set<std::string> names;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(path_, error); !error && entry != std::filesystem::directory_iterator();
       entry.increment(error)) {
    names.insert(entry->path().filename());
  }
  if (error) {
    look.fault = "cannot read spool directory " + path_ + ": " + error.message();
    return look;
  }
  listed_ = changed;
  list_again_ = utc_ns() - (changed.tv_sec * 1'000'000'000 + changed.tv_nsec) < kStampNs;
  const std::lock_guard guard(mutex_);
  std::erase_if(finished_, [&](const File& file) {
    const bool is_missing = !names.contains(file.name);
    if (is_missing) note_removal(file, SpoolRemovalReason::others);
    return is_missing;
  });
  return look;
}

bool SpoolDirectory::forget_current() {
  const std::lock_guard guard(mutex_);
  if (!has_current_) return false;
  note_removal(current_, SpoolRemovalReason::others);
  for (const SpoolLoss& loss : current_.index.losses) waiting_.add(loss);
  has_current_ = false;
  current_ = {};
  return true;
}

bool SpoolDirectory::forget_all() {
  list_again_ = true;
  {
    const std::lock_guard guard(mutex_);
    for (const File& file : finished_) note_removal(file, SpoolRemovalReason::others);
    finished_.clear();
  }
  return forget_current();
}

// REQUIRES: mutex_ is held.
void SpoolDirectory::note_removal(const File& file, SpoolRemovalReason reason) {
  removals_[static_cast<size_t>(reason)].add(file.bytes, file.index);
  removals_untold_[static_cast<size_t>(reason)].add(file.bytes, file.index);
  if (file.index.packets == 0) return;
  empty_since_ns_ = std::max(empty_since_ns_, file.index.last_ns);
  if (reason == SpoolRemovalReason::others) add_removed_by_others({file.index.first_ns, file.index.last_ns, file.index.packets});
}

// REQUIRES: mutex_ is held.
void SpoolDirectory::add_removed_by_others(const SpoolLoss& loss) {
  if (removed_by_others_.size() < kRemovedByOthersMax) {
    removed_by_others_.push_back(loss);
    return;
  }
  SpoolLoss& last = removed_by_others_.back();
  last.from_ns = std::min(last.from_ns, loss.from_ns);
  last.to_ns = std::max(last.to_ns, loss.to_ns);
  last.count += loss.count;
}

Result<int> SpoolDirectory::begin_current() {
  if (location_ == nullptr || !location_->why_lost().empty()) {
    errno = ENOENT;
    return Error{"the directory is lost"};
  }
  const std::string path = path_of(kCurrentName);
  const auto create = [&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640); };
  int fd = create();
  if (fd < 0 && errno == EEXIST) {  // left by a rename that failed
    File file;
    file.name = kCurrentName;
    recover_file(std::move(file), true);
    fd = create();
  }
  if (fd < 0) return Error{failed("cannot create", path)};
  struct stat status {};
  if (fchmod(fd, 0640) != 0 || fstat(fd, &status) != 0) {  // whatever the umask
    const Error error{failed("cannot set the mode of", path)};
    close(fd);
    unlink(path.c_str());
    return error;
  }
  current_inode_ = status.st_ino;
  const std::lock_guard guard(mutex_);
  current_ = {};
  current_.name = kCurrentName;
  std::swap(current_.index.losses, waiting_.losses);
  has_current_ = true;
  return fd;
}

void SpoolDirectory::grow_current(uint64_t bytes) {
  const std::lock_guard guard(mutex_);
  current_.bytes += bytes;
}

void SpoolDirectory::grow_current(const SpoolChunk& chunk, std::span<const uint64_t> legs) {
  const std::lock_guard guard(mutex_);
  current_.bytes += chunk.bytes;
  current_.index.add(chunk, legs);
}

void SpoolDirectory::add_loss(const SpoolLoss& loss) {
  const std::lock_guard guard(mutex_);
  (has_current_ ? current_.index : waiting_).add(loss);
}

Result<bool> SpoolDirectory::finish_current() {
  if (!has_current_) return true;
  const std::string from = path_of(kCurrentName);
  const std::lock_guard guard(mutex_);
  has_current_ = false;
  if (current_.index.packets == 0) {
    if (unlink(from.c_str()) != 0 && errno != ENOENT) return Error{failed("cannot remove", from)};
    return true;
  }
  current_.name = finished_name(current_.index);
  current_.serial = next_serial_++;
  if (rename(from.c_str(), path_of(current_.name).c_str()) != 0) {
    const Error error{failed("cannot rename", from)};
    if (errno == ENOENT) note_removal(current_, SpoolRemovalReason::others);
    return error;
  }
  current_.index.legs = {};
  finished_.push_back(std::move(current_));
  return true;
}

Result<bool> SpoolDirectory::remove_oldest(SpoolRemovalReason reason) {
  const std::lock_guard guard(mutex_);
  if (finished_.empty()) return false;
  Result<bool> removed = remove(finished_.front(), reason);
  if (removed) finished_.pop_front();
  return removed;
}

Result<bool> SpoolDirectory::remove_older_than(int64_t time_ns) {
  const std::lock_guard guard(mutex_);
  Result<bool> result = false;
  std::erase_if(finished_, [&](const File& file) {
    if (file.index.first_ns >= time_ns) return false;
    const Result<bool> removed = remove(file, SpoolRemovalReason::age);
    if (!removed) result = removed;
    return removed.ok();
  });
  return result;
}

// REQUIRES: mutex_ is held. What cannot be removed stays counted: it takes its place on the disk.
Result<bool> SpoolDirectory::remove(const File& file, SpoolRemovalReason reason) {
  const std::string path = path_of(file.name);
  if (unlink(path.c_str()) == 0) {
    note_removal(file, reason);
  } else if (errno == ENOENT || errno == ENOTDIR) {
    note_removal(file, SpoolRemovalReason::others);
  } else {
    return Error{failed("cannot remove", path)};
  }
  return true;
}

SpoolRemovals SpoolDirectory::removals() const {
  const std::lock_guard guard(mutex_);
  return removals_;
}

SpoolRemovals SpoolDirectory::take_removals() {
  const std::lock_guard guard(mutex_);
  return std::exchange(removals_untold_, {});
}

int64_t SpoolDirectory::empty_since_ns() const {
  const std::lock_guard guard(mutex_);
  return empty_since_ns_;
}

SpoolDirectory::Totals SpoolDirectory::totals() const {
  Totals totals;
  const auto add = [&](const File& file) {
    ++totals.files;
    totals.bytes += file.bytes;
    totals.packets += file.index.packets;
    totals.first_ns = std::min(totals.first_ns, file.index.first_ns);
    totals.last_ns = std::max(totals.last_ns, file.index.last_ns);
  };
  const std::lock_guard guard(mutex_);
  for (const File& file : finished_) add(file);
  if (has_current_) add(current_);
  return totals;
}

Result<SpoolViews> SpoolDirectory::view(int64_t from_ns, int64_t to_ns) const {
  SpoolViews views;
  std::string error;
  const auto add = [&](const File& file) {
    if (file.index.packets == 0 || file.index.first_ns > to_ns || file.index.last_ns < from_ns) return;
    std::vector<SpoolChunk> chunks;
    SpoolFileView::Legs legs;
    const auto& closed = file.index.legs.closed();
    const bool is_written = has_current_ && &file == &current_;
    for (size_t i = 0; i < file.index.chunks.size(); ++i) {
      if (!file.index.chunks[i].meets(from_ns, to_ns)) continue;
      chunks.push_back(file.index.chunks[i]);
      if (is_written) legs.push_back(i < closed.size() ? closed[i] : nullptr);
    }
    if (chunks.empty()) return;
    const std::string path = path_of(file.name);
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
      views.files.push_back(std::make_unique<SpoolFileView>(fd, path, std::move(chunks), file.index.losses, std::move(legs)));
    } else if (errno == ENOENT || errno == ENOTDIR) {  // removed since the last look
      views.removed.push_back({file.index.first_ns, file.index.last_ns, file.index.packets});
    } else {
      error = failed("cannot open", path);
    }
  };
  const auto copy = [&](const std::vector<SpoolLoss>& from, std::vector<SpoolLoss>& to) {
    for (const SpoolLoss& loss : from) {
      if (loss.from_ns <= to_ns && loss.to_ns >= from_ns) to.push_back(loss);
    }
  };
  const std::lock_guard guard(mutex_);
  copy(removed_by_others_, views.removed);
  for (const File& file : finished_) add(file);
  if (has_current_) add(current_);
  copy(waiting_.losses, views.waiting);
  if (!error.empty()) return Error{error};
  return views;
}

}  // namespace parallax
