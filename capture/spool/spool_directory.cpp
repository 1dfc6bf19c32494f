#include "capture/spool/spool_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>

namespace parallax {

namespace {

constexpr const char* kLockName = "parallax.lock";
constexpr size_t kRepairsMax = 100;
constexpr const char* kCurrentName = "parallax-current.pcapng";

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

// "process 1234", as the owner wrote it into the lock file.
std::string owner(int lock_fd) {
  char text[32] = {};
  const ssize_t n = pread(lock_fd, text, sizeof(text) - 1, 0);
  const std::string pid(text, n > 0 ? static_cast<size_t>(n) : 0);
  return pid.empty() ? "another process" : "process " + pid.substr(0, pid.find('\n'));
}

Result<int> lock(const std::string& directory) {
  const std::string path = directory + '/' + kLockName;
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0) return Error{failed("cannot open", path)};
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const std::string message =
        errno == EWOULDBLOCK ? "spool directory " + directory + " is in use by " + owner(fd) + "; each daemon needs its own"
                             : failed("cannot lock", path);
    close(fd);
    return Error{message};
  }
  // Only for the message above: on a full disk it may stay unwritten.
  const std::string pid = std::to_string(getpid()) + '\n';
  if (ftruncate(fd, 0) == 0 && pwrite(fd, pid.data(), pid.size(), 0) < 0) errno = 0;
  return fd;
}

}  // namespace

SpoolFileView::~SpoolFileView() { close(fd_); }

SpoolDirectory::~SpoolDirectory() { close(lock_fd_); }

Result<std::unique_ptr<SpoolDirectory>> SpoolDirectory::open(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) {
    std::filesystem::create_directories(path, error);
    if (error) return Error{"cannot make spool directory " + path + ": " + error.message()};
    std::filesystem::permissions(path, std::filesystem::perms(0750), error);  // it holds payload
  }
  const Result<int> lock_fd = lock(path);
  if (!lock_fd) return Error{lock_fd.error()};
  std::unique_ptr<SpoolDirectory> directory(new SpoolDirectory(path, *lock_fd));
  const Result<bool> recovered = directory->recover();
  if (!recovered) return Error{recovered.error()};
  return directory;
}

Result<bool> SpoolDirectory::recover() {
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
  return true;
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
  if (!current) {
    finished_.push_back(std::move(file));
    return;
  }
  {
    const std::lock_guard guard(mutex_);
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

Result<int> SpoolDirectory::begin_current() {
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
  const std::lock_guard guard(mutex_);
  current_ = {};
  current_.name = kCurrentName;
  has_current_ = true;
  return fd;
}

void SpoolDirectory::grow_current(uint64_t bytes) {
  const std::lock_guard guard(mutex_);
  current_.bytes += bytes;
}

void SpoolDirectory::grow_current(const SpoolChunk& chunk) {
  const std::lock_guard guard(mutex_);
  current_.bytes += chunk.bytes;
  current_.index.add(chunk);
}

void SpoolDirectory::add_loss(const SpoolLoss& loss) {
  const std::lock_guard guard(mutex_);
  current_.index.add(loss);
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
  if (rename(from.c_str(), path_of(current_.name).c_str()) != 0) return Error{failed("cannot rename", from)};
  finished_.push_back(std::move(current_));
  return true;
}

bool SpoolDirectory::remove_oldest() {
  const std::lock_guard guard(mutex_);
  if (finished_.empty()) return false;
  unlink(path_of(finished_.front().name).c_str());  // gone already, or not ours to remove: no longer counted either way
  finished_.pop_front();
  return true;
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

Result<std::vector<std::unique_ptr<SpoolFileView>>> SpoolDirectory::view(int64_t from_ns, int64_t to_ns) const {
  std::vector<std::unique_ptr<SpoolFileView>> views;
  std::string error;
  const auto add = [&](const File& file) {
    if (file.index.packets == 0 || file.index.first_ns > to_ns || file.index.last_ns < from_ns) return;
    std::vector<SpoolChunk> chunks;
    for (const SpoolChunk& chunk : file.index.chunks) {
      if (chunk.meets(from_ns, to_ns)) chunks.push_back(chunk);
    }
    if (chunks.empty()) return;
    const std::string path = path_of(file.name);
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
      views.push_back(std::make_unique<SpoolFileView>(fd, path, std::move(chunks), file.index.losses));
    } else if (errno != ENOENT) {  // removed by somebody else: then it holds nothing
      error = failed("cannot open", path);
    }
  };
  const std::lock_guard guard(mutex_);
  for (const File& file : finished_) add(file);
  if (has_current_) add(current_);
  if (!error.empty()) return Error{error};
  return views;
}

}  // namespace parallax
