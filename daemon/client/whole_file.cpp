#include "daemon/client/whole_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace parallax {
namespace {

std::string cannot(const std::string& path) { return fmt::format("{} cannot be written: {}", path, std::strerror(errno)); }

bool write_all(int file, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(file, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    content.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<WholeFile>> WholeFile::open(const std::string& path) {
  std::error_code none;
  const std::filesystem::path place = std::filesystem::weakly_canonical(path, none);
  const std::string name = none ? path : place.string();
  if (const auto status = std::filesystem::status(name, none); std::filesystem::exists(status) && !is_regular_file(status))
    return Error{path + " cannot be written: it is there and no regular file"};
  const std::string beside = fmt::format("{}.{}.part", name, getpid());
  const int file = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) return Error{cannot(path)};
  return std::unique_ptr<WholeFile>(new WholeFile(name, beside, file));
}

WholeFile::~WholeFile() {
  if (file_ < 0) return;
  ::close(file_);
  ::unlink(beside_.c_str());
}

std::string WholeFile::put(std::string_view content) {
  // Some file systems say at the end only that there was no room.
  if (!write_all(file_, content) || ::fsync(file_) != 0 || ::rename(beside_.c_str(), path_.c_str()) != 0) return cannot(path_);
  ::close(std::exchange(file_, -1));
  return {};
}

}  // namespace parallax
