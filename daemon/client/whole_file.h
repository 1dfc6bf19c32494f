// A file that appears whole or not at all: written beside its place under a name of its own, and renamed once all of it is there.
//
// One thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "capture/core/result.h"

namespace parallax {

class WholeFile {
 public:
  // Opened at once, so that what cannot be written is known before the work. A symbolic link is followed; what is there and is no
  // regular file is refused.
  static Result<std::unique_ptr<WholeFile>> open(const std::string& path);
  ~WholeFile();  // what has not been put in place is removed
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  // Once: writes the content and puts the file in place. The error; empty: it is there.
  std::string put(std::string_view content);

 private:
  WholeFile(std::string path, std::string beside, int file) : path_(std::move(path)), beside_(std::move(beside)), file_(file) {}

  const std::string path_, beside_;
  int file_;  // -1: closed
};

}  // namespace parallax
