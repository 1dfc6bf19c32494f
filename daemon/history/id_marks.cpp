#include "daemon/history/id_marks.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace parallax {
namespace {

constexpr uint64_t kIdMax = uint64_t{1} << 53;  // what JSON's readers can count

std::string failure(const std::string& path) { return fmt::format("cannot write {}: {}", path, std::strerror(errno)); }

// The directory's entry outlives a power cut, too.
void sync_directory_of(const std::string& path) {
  const int fd = ::open(path.substr(0, path.rfind('/')).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

Result<Engine::NextIds> IdMarks::read(std::string& repair) const {
  const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) {
    if (errno == ENOENT) return Engine::NextIds{1, 1};
    return Error{fmt::format("cannot read {}: {}", path_, std::strerror(errno))};
  }
  char text[128];
  const ssize_t size = ::read(fd, text, sizeof text - 1);
  ::close(fd);
  text[size > 0 ? size : 0] = '\0';
  unsigned long long finding = 0, connection = 0;
  const bool is_read = std::sscanf(text, "finding %llu\nconnection %llu\n", &finding, &connection) == 2;
  if (is_read && finding > 0 && connection > 0 && finding < kIdMax && connection < kIdMax)
    return Engine::NextIds{finding, connection};
  repair = fmt::format("{} is damaged: ids of connections begin anew, those of findings after the last that is known", path_);
  return Engine::NextIds{1, 1};
}

std::string IdMarks::keep_ahead(Engine::NextIds next) {
  const bool is_ahead =
      marks_.finding >= next.finding + kFindingsAhead / 2 && marks_.connection >= next.connection + kConnectionsAhead / 2;
  return is_ahead ? std::string() : write({next.finding + kFindingsAhead, next.connection + kConnectionsAhead});
}

std::string IdMarks::write(Engine::NextIds marks) {
  const std::string part = path_ + ".part";
  const int fd = ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0) return failure(part);
  const std::string text = fmt::format("finding {}\nconnection {}\n", marks.finding, marks.connection);
  const bool is_written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  const std::string error = is_written ? "" : failure(part);
  ::close(fd);
  if (!is_written) return error;
  if (::rename(part.c_str(), path_.c_str()) != 0) return failure(path_);
  sync_directory_of(path_);
  marks_ = marks;
  return {};
}

}  // namespace parallax
