// The place of the spool on disk: made where that is right, locked against a second daemon, and watched, since somebody may
// remove it, move it or unmount it.
//
// Held by the spool's directory; one thread, that of the writer.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "capture/core/result.h"

namespace parallax {

class SpoolLocation {
 public:
  // Locks the directory. A missing one is made, but not its parent, and not where it `must_be_mount`: a mistyped path, or a
  // disk that is not mounted, would fill another disk.
  static Result<std::unique_ptr<SpoolLocation>> take(const std::string& path, bool must_be_mount);
  // Why the path cannot be taken, as far as that is known without making or locking anything; empty: it can.
  static std::string why_unfit(const std::string& path, bool must_be_mount);
  ~SpoolLocation();
  SpoolLocation(const SpoolLocation&) = delete;

  bool was_made() const { return was_made_; }
  // Empty: the path leads to it, and the lock is in place. Otherwise it is lost, and why.
  std::string why_lost() const;
  // The same directory, whatever became of the lock.
  bool is_where(const SpoolLocation& other) const;
  // Of the disk, for whoever is not root; UINT64_MAX: it does not say.
  uint64_t free_bytes() const;

 private:
  SpoolLocation(std::string path, int lock_fd, bool was_made);

  const std::string path_;
  const int lock_fd_;
  const bool was_made_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace parallax
