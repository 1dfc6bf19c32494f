#include "daemon/connection_log/log_files.h"

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

namespace parallax {
namespace {

constexpr const char* kLink = "conn.log";
constexpr std::string_view kPrefix = "conn-", kSuffix = "Z.log";
constexpr mode_t kMode = 0640;

int64_t now_ns() { return std::chrono::system_clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }

bool is_of_log(std::string_view name) {
  constexpr std::string_view kForm = "conn-20260131T120000.123456Z.log";
  return name.size() == kForm.size() && name.starts_with(kPrefix) && name.ends_with(kSuffix);
}

std::string name_at(int64_t time_ns) {
  constexpr int64_t kSecondNs = 1'000'000'000;
  return fmt::format("{}{:%Y%m%dT%H%M%S}.{:06}{}", kPrefix, fmt::gmtime(static_cast<std::time_t>(time_ns / kSecondNs)),
                     time_ns % kSecondNs / 1000, kSuffix);
}

}  // namespace

std::string LogFiles::failure(const char* what, const std::string& path) {
  disk_was_full_ = errno == ENOSPC || errno == EDQUOT;
  return fmt::format("cannot {} {}: {}", what, path, std::strerror(errno));
}

std::string LogFiles::open() {
  disk_was_full_ = false;
  if (::mkdir(directory_.c_str(), 0750) != 0 && errno != EEXIST) return failure("make", directory_);
  directory_handle_ = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory_handle_ < 0) return failure("open", directory_);
  if (::flock(directory_handle_, LOCK_EX | LOCK_NB) != 0) {
    close();
    return fmt::format("{} is locked: another parallaxd writes its log there", directory_);
  }
  survey();
  mend_last();
  return {};
}

void LogFiles::close() {
  end_file();
  if (directory_handle_ >= 0) ::close(std::exchange(directory_handle_, -1));
}

void LogFiles::end_file() {
  if (file_ < 0) return;
  ::close(std::exchange(file_, -1));
  if (files_.back().bytes == 0) {
    ::unlinkat(directory_handle_, files_.back().name.c_str(), 0);
    files_.pop_back();
  }
  file_path_.clear();
}

void LogFiles::survey() {
  files_.clear();
  bytes_ = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
    std::string name = entry.path().filename();
    struct stat status {};
    if (!is_of_log(name) || ::fstatat(directory_handle_, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(status.st_mode))
      continue;
    files_.push_back({std::move(name), static_cast<uint64_t>(status.st_size),
                      status.st_mtim.tv_sec * 1'000'000'000LL + status.st_mtim.tv_nsec});
    bytes_ += files_.back().bytes;
  }
  std::sort(files_.begin(), files_.end(), [](const File& a, const File& b) { return a.name < b.name; });
}

// The last file may end in the middle of a line: its daemon was killed.
void LogFiles::mend_last() {
  if (files_.empty()) return;
  File& last = files_.back();
  const int fd = ::openat(directory_handle_, last.name.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return;
  std::array<char, 4096> block;
  uint64_t whole = last.bytes;
  while (whole > 0) {
    const size_t size = std::min<uint64_t>(whole, block.size());
    if (::pread(fd, block.data(), size, static_cast<off_t>(whole - size)) != static_cast<ssize_t>(size)) break;
    const size_t end = std::string_view(block.data(), size).rfind('\n');
    if (end != std::string_view::npos) {
      whole -= size - end - 1;
      break;
    }
    whole -= size;
  }
  if (whole < last.bytes && ::ftruncate(fd, static_cast<off_t>(whole)) == 0) {
    repair_ = fmt::format("{}/{} ended in the middle of a line, of which {} bytes were cut off", directory_, last.name,
                          last.bytes - whole);
    bytes_ -= last.bytes - whole;
    last.bytes = whole;
  }
  ::close(fd);
}

std::string LogFiles::begin_file() {
  const int64_t time_ns = now_ns();
  std::string name = name_at(time_ns);
  // Names are in order also where the clock was set back: nothing is written before what is there.
  if (!files_.empty() && name <= files_.back().name) {
    for (int64_t later_ns = time_ns; name <= files_.back().name && later_ns < time_ns + 1'000'000; later_ns += 1000)
      name = name_at(later_ns);
  }
  file_path_ = directory_ + '/' + name;
  file_ = ::openat(directory_handle_, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, kMode);
  if (file_ < 0) {
    std::string why = failure("make", file_path_);
    file_path_.clear();
    return why;
  }
  ::fchmod(file_, kMode);
  begun_ = std::chrono::steady_clock::now();
  files_.push_back({name, 0, time_ns});
  // For people; without it the log is one all the same.
  const std::string next = std::string(kLink) + ".next";
  ::unlinkat(directory_handle_, next.c_str(), 0);
  if (::symlinkat(name.c_str(), directory_handle_, next.c_str()) == 0)
    ::renameat(directory_handle_, next.c_str(), directory_handle_, kLink);
  return {};
}

Result<size_t> LogFiles::write(std::string_view lines) {
  if (file_ >= 0 && files_.back().bytes + lines.find('\n') + 1 > bounds_.file_bytes && files_.back().bytes > 0) end_file();
  if (file_ < 0) {
    if (std::string why = begin_file(); !why.empty()) return Error{why};
  }
  File& file = files_.back();
  const uint64_t room = bounds_.file_bytes - std::min(bounds_.file_bytes, file.bytes);
  if (lines.size() > room) {
    const size_t end = lines.substr(0, room).rfind('\n');
    lines = lines.substr(0, (end != std::string_view::npos ? end : lines.find('\n')) + 1);
  }
  const ssize_t result = ::write(file_, lines.data(), lines.size());
  if (result < 0) return Error{failure("write to", directory_)};
  size_t written = static_cast<size_t>(result);
  if (written < lines.size()) {
    const size_t end = lines.substr(0, written).rfind('\n');
    const size_t whole = end == std::string_view::npos ? 0 : end + 1;
    if (::ftruncate(file_, static_cast<off_t>(file.bytes + whole)) != 0) return Error{failure("mend", file_path_)};
    written = whole;
  }
  file.bytes += written;
  file.written_ns = now_ns();
  bytes_ += written;
  if (written == 0) {  // no room for a whole line
    errno = ENOSPC;
    return Error{failure("write to", directory_)};
  }
  return written;
}

bool LogFiles::is_in_place() const {
  struct stat own {
  }, there{};
  const auto is_same = [&] { return own.st_ino == there.st_ino && own.st_dev == there.st_dev; };
  if (::fstat(directory_handle_, &own) != 0 || ::stat(directory_.c_str(), &there) != 0 || !is_same()) return false;
  return file_ < 0 || (::fstat(file_, &own) == 0 && ::stat(file_path_.c_str(), &there) == 0 && is_same());
}

std::string LogFiles::look_after() {
  if (!is_in_place()) return fmt::format("{} is gone, or another is in its place", file_ < 0 ? directory_ : file_path_);
  if (file_ >= 0 && bounds_.file_age_ns > 0 && files_.back().bytes > 0 &&
      std::chrono::steady_clock::now() - begun_ >= std::chrono::nanoseconds(bounds_.file_age_ns))
    end_file();
  const size_t kept = file_ >= 0 ? 1 : 0;
  const int64_t oldest_ns = bounds_.max_age_ns > 0 ? now_ns() - bounds_.max_age_ns : 0;
  while (files_.size() > kept && files_.front().written_ns < oldest_ns) remove_first(LogRemovalReason::age);
  while (files_.size() > std::max<size_t>(kept, 1) && files_.size() > bounds_.files) remove_first(LogRemovalReason::count);
  // The one that is written may grow to its bound meanwhile.
  const uint64_t reserve = file_ >= 0 ? bounds_.file_bytes - std::min(bounds_.file_bytes, files_.back().bytes) : 0;
  while (files_.size() > std::max<size_t>(kept, 1) && bytes_ + reserve > bounds_.bytes) remove_first(LogRemovalReason::size);
  return {};
}

void LogFiles::remove_first(LogRemovalReason reason) {
  const bool is_gone = ::unlinkat(directory_handle_, files_.front().name.c_str(), 0) != 0 && errno == ENOENT;
  ++removals_[static_cast<size_t>(is_gone ? LogRemovalReason::others : reason)];
  bytes_ -= files_.front().bytes;
  files_.pop_front();
}

}  // namespace parallax
