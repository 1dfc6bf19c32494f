#include "daemon/run/pinned_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <utility>

#include "daemon/message/to_proto.h"

namespace parallax {
namespace {

constexpr std::string_view kPrefix = "finding-", kSuffix = ".pcapng", kPart = ".pcapng.part";
constexpr uint64_t kBlockBytes = 4096;  // of file systems: an empty file is not free of charge
constexpr size_t kRepairsMax = 100;

int64_t utc_ns() { return std::chrono::system_clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }
uint64_t taken(uint64_t bytes) { return (bytes / kBlockBytes + 1) * kBlockBytes; }
std::string failed(const std::string& what, const std::string& path) { return what + ' ' + path + ": " + std::strerror(errno); }
bool disk_full(int error) { return error == ENOSPC || error == EDQUOT; }

// nullopt: not a name of ours.
std::optional<uint64_t> id_of(std::string_view name, std::string_view suffix) {
  if (!name.starts_with(kPrefix) || !name.ends_with(suffix) || name.size() <= kPrefix.size() + suffix.size()) return std::nullopt;
  const std::string_view digits = name.substr(kPrefix.size(), name.size() - kPrefix.size() - suffix.size());
  uint64_t id = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  const bool is_one = failure == std::errc{} && end == digits.data() + digits.size() && digits.front() != '0';
  return is_one && id <= PinnedFiles::kIdMax ? std::optional(id) : std::nullopt;
}

void describe(const v1::PinnedSlice& slice, PinnedFile& file) {
  file.pinned_ns = from_timestamp(slice.pinned());
  file.from_ns = from_timestamp(slice.from());
  file.to_ns = from_timestamp(slice.to());
  for (const v1::SlicePoint& point : slice.summary().points()) file.packets += point.packets();
  if (slice.summary().has_first_packet()) {
    file.first_ns = from_timestamp(slice.summary().first_packet());
    file.last_ns = from_timestamp(slice.summary().last_packet());
  }
  file.is_withdrawn = slice.finding().state() == v1::FINDING_STATE_WITHDRAWN;
}

}  // namespace

PinnedFiles::Open::~Open() {
  if (fd >= 0) ::close(fd);
}

PinnedFiles::PinnedFiles(PinnedFilesOptions options)
    : options_(std::move(options)), min_free_(options_.min_free), directory_(options_.spool + "/pinned") {
  recover();
  highest_id_at_start_ = highest_id();
}

std::string PinnedFiles::path_of(uint64_t id) const { return fmt::format("{}/{}{}{}", directory_, kPrefix, id, kSuffix); }

void PinnedFiles::recover() {
  const auto repaired = [this](std::string text) {
    if (repairs_.size() < kRepairsMax) repairs_.push_back(std::move(text));
  };
  std::error_code error;
  std::vector<uint64_t> ids;
  for (auto entry = std::filesystem::directory_iterator(directory_, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (const auto id = id_of(name, kSuffix)) ids.push_back(*id);
    if (!id_of(name, kPart)) continue;
    const std::string path = directory_ + '/' + name;
    repaired(::unlink(path.c_str()) == 0 ? "removed " + path + ", which was not written to its end"
                                         : failed("cannot remove", path));
  }
  if (error && error != std::errc::no_such_file_or_directory) repaired("cannot read " + directory_ + ": " + error.message());
  for (const uint64_t id : ids) {
    const Result<std::unique_ptr<Open>> opened = open(id);
    if (!opened) {
      repaired(opened.error() + "; left out");
      continue;
    }
    PinnedFile file;
    file.id = id;
    file.bytes = taken((*opened)->bytes);
    if ((*opened)->end) {
      describe(*(*opened)->end, file);
    } else {
      struct stat status {};
      ::fstat((*opened)->fd, &status);
      file.pinned_ns = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec;
      file.is_damaged = true;
      repaired(path_of(id) + " is damaged at its end: a slice of it cannot be checked");
    }
    bytes_ += file.bytes;
    files_.emplace(id, file);
  }
}

Result<std::unique_ptr<PinnedFiles::Open>> PinnedFiles::open(uint64_t id) const {
  const std::string path = path_of(id);
  auto opened = std::make_unique<Open>();
  opened->fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat status {};
  if (opened->fd < 0 || ::fstat(opened->fd, &status) != 0) return Error{failed("cannot open", path)};
  if (!S_ISREG(status.st_mode)) return Error{path + " is no regular file"};
  opened->bytes = static_cast<uint64_t>(status.st_size);
  opened->end = read_pinned_end(opened->fd, opened->bytes);
  if (opened->end && opened->end->finding().id() != id) opened->end.reset();  // renamed by somebody: not what it says
  return opened;
}

// Where the spool's directory is lost, or another disk than the one that is to be mounted there, nothing is to be written.
std::string PinnedFiles::why_not_in_place() const {
  struct stat here {
  }, parent{};
  if (::stat((options_.spool + "/parallax.lock").c_str(), &here) != 0)
    return "spool directory " + options_.spool + " is not in place";
  if (!options_.require_mount) return {};
  if (::stat(options_.spool.c_str(), &here) != 0 || ::stat((options_.spool + "/..").c_str(), &parent) != 0 ||
      (here.st_dev == parent.st_dev && here.st_ino != parent.st_ino)) {
    return "spool directory " + options_.spool + " is not a mount point";
  }
  return {};
}

uint64_t PinnedFiles::free_bytes() const {
  struct statvfs disk {};
  if (::statvfs(options_.spool.c_str(), &disk) != 0) return UINT64_MAX;
  return uint64_t{disk.f_bavail} * disk.f_frsize;
}

Result<std::unique_ptr<PinnedFiles::Writer>> PinnedFiles::begin(uint64_t id, PinFailure& failure) {
  failure = PinFailure::write_error;
  if (std::string why = why_not_in_place(); !why.empty()) return Error{std::move(why)};
  if (::mkdir(directory_.c_str(), 0750) != 0 && errno != EEXIST) {
    if (disk_full(errno)) failure = PinFailure::disk_full;
    return Error{failed("cannot make", directory_)};
  }
  if (struct stat status{}; ::stat(directory_.c_str(), &status) == 0 && !S_ISDIR(status.st_mode))
    return Error{directory_ + " is there and no directory"};
  const std::string path = part_of(id);
  ::unlink(path.c_str());  // one that could not be removed before; if it stays, that is said below
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0 || ::fchmod(fd, 0640) != 0) {  // whatever the umask
    if (disk_full(errno)) failure = PinFailure::disk_full;
    const Error error{failed("cannot create", path)};
    if (fd >= 0) ::close(fd);
    return error;
  }
  return std::unique_ptr<Writer>(new Writer(*this, id, fd));
}

PinnedFiles::Writer::~Writer() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(files_.part_of(id_).c_str());
  const std::lock_guard guard(files_.mutex_);
  files_.being_written_ = 0;
}

bool PinnedFiles::Writer::failed(PinFailure failure, std::string error) {
  failure_ = failure;
  error_ = std::move(error);
  return false;
}

bool PinnedFiles::Writer::write(std::span<const uint8_t> bytes) {
  pieces_.add(bytes);
  return put(bytes);
}

bool PinnedFiles::Writer::put(std::span<const uint8_t> bytes) {
  {
    const std::lock_guard guard(files_.mutex_);
    files_.being_written_ = taken(bytes_ + bytes.size());
  }
  if (!files_.make_room(0)) return failed(PinFailure::write_error, "spool.pinned.size has no room for it");
  const uint64_t free = files_.free_bytes(), min_free = files_.min_free_;
  if (min_free > 0 && (free < min_free || free - min_free < bytes.size()))
    return failed(PinFailure::min_free, "less than spool.min_free is free on its disk");
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      return failed(disk_full(errno) ? PinFailure::disk_full : PinFailure::write_error,
                    parallax::failed("cannot write", files_.part_of(id_)));
    ::sync_file_range(fd_, static_cast<off_t>(bytes_), written, SYNC_FILE_RANGE_WRITE);
    bytes_ += static_cast<uint64_t>(written);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return true;
}

bool PinnedFiles::Writer::keep(v1::PinnedSlice slice) {
  for (v1::PinnedPiece& piece : pieces_.take()) *slice.add_pieces() = std::move(piece);
  PcapngBuffer end;
  append_pinned_end(end, slice);
  if (!put(end)) return false;
  // Some file systems say at the end only that there was no room.
  if (::fdatasync(fd_) != 0 || ::rename(files_.part_of(id_).c_str(), files_.path_of(id_).c_str()) != 0) {
    return failed(disk_full(errno) ? PinFailure::disk_full : PinFailure::write_error,
                  parallax::failed("cannot keep", files_.part_of(id_)));
  }
  ::close(std::exchange(fd_, -1));
  PinnedFile file;
  file.id = id_;
  file.bytes = taken(bytes_);
  describe(slice, file);
  const std::lock_guard guard(files_.mutex_);
  files_.being_written_ = 0;
  const auto known = files_.files_.find(id_);
  if (known != files_.files_.end()) files_.bytes_ -= known->second.bytes;
  files_.files_[id_] = file;
  files_.bytes_ += file.bytes;
  ++files_.made_;
  files_.error_.clear();
  return true;
}

// The oldest files go first. False: it does not fit, even alone.
bool PinnedFiles::make_room(uint64_t bytes) {
  while (true) {
    {
      const std::lock_guard guard(mutex_);
      if (bytes_ + being_written_ + bytes <= options_.size && files_.size() <= kFilesMax) return true;
    }
    if (!remove_oldest(SpoolRemovalReason::size)) return false;
  }
}

bool PinnedFiles::remove_oldest(SpoolRemovalReason reason) {
  const std::lock_guard guard(mutex_);
  const auto oldest = std::min_element(files_.begin(), files_.end(),
                                       [](const auto& a, const auto& b) { return a.second.pinned_ns < b.second.pinned_ns; });
  if (oldest == files_.end()) return false;
  if (::unlink(path_of(oldest->first).c_str()) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) {
      error_ = failed("cannot remove", path_of(oldest->first));
      return false;
    }
    reason = SpoolRemovalReason::others;
  }
  note_removal(oldest->second, reason);
  files_.erase(oldest);
  return true;
}

// REQUIRES: mutex_ is held.
void PinnedFiles::note_removal(const PinnedFile& file, SpoolRemovalReason reason) {
  const SpoolRemoval removal{1, file.bytes, file.packets, file.first_ns, file.last_ns};
  removals_[static_cast<size_t>(reason)].add(removal);
  removals_untold_[static_cast<size_t>(reason)].add(removal);
  bytes_ -= file.bytes;
}

// Only where the directory has changed, or did so at about the time of the last look.
void PinnedFiles::forget_missing() {
  constexpr int64_t kStampNs = 2'000'000'000;  // the coarsest stamps of file systems
  struct stat status {};
  const timespec changed = ::stat(directory_.c_str(), &status) == 0 ? status.st_mtim : timespec{};
  if (!list_again_ && changed.tv_sec == listed_.tv_sec && changed.tv_nsec == listed_.tv_nsec) return;
  listed_ = changed;
  list_again_ = utc_ns() - (changed.tv_sec * 1'000'000'000 + changed.tv_nsec) < kStampNs;
  const std::lock_guard guard(mutex_);
  std::erase_if(files_, [&](const auto& entry) {
    const bool is_missing = ::lstat(path_of(entry.first).c_str(), &status) != 0 && (errno == ENOENT || errno == ENOTDIR);
    if (is_missing) note_removal(entry.second, SpoolRemovalReason::others);
    return is_missing;
  });
}

void PinnedFiles::look(bool spool_has_given_way) {
  forget_missing();
  if (options_.max_age_ns > 0) {
    const int64_t oldest_ns = utc_ns() - options_.max_age_ns;
    const std::lock_guard guard(mutex_);
    std::erase_if(files_, [&](const auto& entry) {
      const PinnedFile& file = entry.second;
      const bool is_old = (file.first_ns <= file.last_ns ? file.first_ns : file.pinned_ns) < oldest_ns;
      if (!is_old || ::unlink(path_of(file.id).c_str()) != 0) return false;
      note_removal(file, SpoolRemovalReason::age);
      return true;
    });
  }
  make_room(0);  // the limit may be another one than when they were made
  if (spool_has_given_way && free_bytes() < min_free_) remove_oldest(SpoolRemovalReason::min_free);
}

std::string PinnedFiles::note_withdrawn(const v1::Finding& finding) {
  const Result<std::unique_ptr<Open>> opened = open(finding.id());
  if (!opened) return opened.error();
  if (!(*opened)->end) return path_of(finding.id()) + " is damaged at its end";
  *(*opened)->end->mutable_finding() = finding;
  PcapngBuffer end;
  append_pinned_end(end, *(*opened)->end);
  const std::string path = path_of(finding.id());
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return failed("cannot open", path);
  std::string error;
  // What it said before stands in front of it, should a part only go in.
  if (::write(fd, end.data(), end.size()) != static_cast<ssize_t>(end.size())) error = failed("cannot write", path);
  ::close(fd);
  const std::lock_guard guard(mutex_);
  const auto known = files_.find(finding.id());
  if (known == files_.end()) return error;
  known->second.is_withdrawn = true;
  const uint64_t bytes = taken((*opened)->bytes + end.size());
  bytes_ += bytes - known->second.bytes;
  known->second.bytes = bytes;
  return error;
}

SpoolRemovals PinnedFiles::take_removals() {
  const std::lock_guard guard(mutex_);
  return std::exchange(removals_untold_, {});
}

void PinnedFiles::count_failure(PinFailure reason, std::string error) {
  const std::lock_guard guard(mutex_);
  ++failed_[static_cast<size_t>(reason)];
  if (!error.empty()) error_ = std::move(error);
}

uint64_t PinnedFiles::highest_id() const {
  const std::lock_guard guard(mutex_);
  return files_.empty() ? 0 : files_.rbegin()->first;
}

std::optional<PinnedFile> PinnedFiles::find(uint64_t id) const {
  const std::lock_guard guard(mutex_);
  const auto known = files_.find(id);
  return known == files_.end() ? std::nullopt : std::optional(known->second);
}

std::vector<PinnedFile> PinnedFiles::after(uint64_t id, size_t limit) const {
  std::vector<PinnedFile> files;
  const std::lock_guard guard(mutex_);
  for (auto it = files_.upper_bound(id); it != files_.end() && files.size() < limit; ++it) files.push_back(it->second);
  return files;
}

PinnedFilesStatus PinnedFiles::status() const {
  PinnedFilesStatus status;
  status.limit_bytes = options_.size;
  status.dropped = dropped_;
  status.waiting = waiting_;
  const std::lock_guard guard(mutex_);
  status.files = files_.size();
  status.bytes = bytes_ + being_written_;
  int64_t oldest_ns = kTimeMax, newest_ns = kTimeMin;
  for (const auto& [id, file] : files_) {
    status.files_of_earlier_runs += is_of_earlier_run(id);
    oldest_ns = std::min(oldest_ns, file.first_ns);
    newest_ns = std::max(newest_ns, file.last_ns);
  }
  if (oldest_ns <= newest_ns) {
    status.oldest_packet_ns = oldest_ns;
    status.newest_packet_ns = newest_ns;
  }
  status.made = made_;
  status.failed = failed_;
  status.removals = removals_;
  status.error = error_;
  return status;
}

}  // namespace parallax
