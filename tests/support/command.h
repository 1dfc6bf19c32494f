// Running other programs from tests (tshark, capinfos), and files that go away with the test.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace parallax {

struct CommandResult {
  int status = -1;     // exit code; -1: did not run
  std::string output;  // standard output
  std::string errors;  // standard error, less what tshark says about running as root
};
CommandResult run(const std::string& command_line);
bool have_command(const std::string& name);

// Fails the test unless tshark and capinfos (where installed) read `packets` packets from the file and say nothing against it.
void expect_opens_without_warning(const std::string& path, uint64_t packets);

class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class TemporaryFile {
 public:
  TemporaryFile(const std::string& name, std::span<const uint8_t> content);
  std::string path() const { return directory_.path() + '/' + name_; }

 private:
  TemporaryDirectory directory_;
  std::string name_;
};

}  // namespace parallax
