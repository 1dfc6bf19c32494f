// While it lives, this process writes to the disk of a directory no faster than so many bytes a second: by the kernel's own means
// (the blkio controller of cgroups). Needs root, and a directory on a disk.
#pragma once

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace parallax {

class SlowDisk {
 public:
  SlowDisk(const std::string& directory, uint64_t bytes_per_second)
      : group_(kRoot / ("parallax-test-" + std::to_string(getpid()))) {
    std::error_code error;
    if (!std::filesystem::exists(kRoot / kLimit, error) || !std::filesystem::create_directory(group_, error)) return;
    holds_ = put(group_ / kLimit, disk_of(directory) + ' ' + std::to_string(bytes_per_second)) &&
             put(group_ / kMembers, std::to_string(getpid()));
  }
  ~SlowDisk() {
    put(kRoot / kMembers, std::to_string(getpid()));
    std::error_code error;
    std::filesystem::remove(group_, error);
  }
  SlowDisk(const SlowDisk&) = delete;
  SlowDisk& operator=(const SlowDisk&) = delete;

  // False: there is no such controller here, this process may not use it, or the directory is on no disk.
  bool holds() const { return holds_; }

 private:
  inline static const std::filesystem::path kRoot = "/sys/fs/cgroup/blkio";
  static constexpr const char* kLimit = "blkio.throttle.write_bps_device";
  static constexpr const char* kMembers = "cgroup.procs";

  static bool put(const std::filesystem::path& file, const std::string& text) {
    std::ofstream out(file);
    out << text << std::endl;
    return out.good();
  }
  // "MAJOR:MINOR" of the whole disk, which alone can be limited, where the directory is on a part of it.
  static std::string disk_of(const std::string& directory) {
    struct stat status {};
    if (stat(directory.c_str(), &status) != 0) return {};
    const std::string device = std::to_string(major(status.st_dev)) + ':' + std::to_string(minor(status.st_dev));
    const std::filesystem::path block = "/sys/dev/block/" + device;
    if (!std::filesystem::exists(block / "partition")) return device;
    std::ifstream whole(std::filesystem::canonical(block).parent_path() / "dev");
    std::string number;
    whole >> number;
    return number;
  }

  const std::filesystem::path group_;
  bool holds_ = false;
};

}  // namespace parallax
