// A program run by a test: its standard output and error are kept, and it does not outlive the test.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace parallax::test {

class ChildProcess {
 public:
  // `arguments[0]` is the program: a path, or looked up in PATH. `environment` is added to the test's own: "NAME=value".
  explicit ChildProcess(std::vector<std::string> arguments, std::vector<std::string> environment = {});
  ~ChildProcess();  // kills what still runs
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  void signal(int number);
  // Exit code; 128 and the signal's number where one ended it; -1: still running.
  int wait(std::chrono::milliseconds timeout);
  // Waits until `text` has been written to standard error. False: it was not, or the program ended without.
  bool wait_for_error_text(const std::string& text, std::chrono::milliseconds timeout);

  std::string out();
  std::string err();
  pid_t pid() const { return pid_; }

 private:
  void read_available(int timeout_ms);

  pid_t pid_ = -1;
  int out_ = -1, err_ = -1;
  std::string out_text_, err_text_;
  int exit_code_ = -1;
};

// The built program `name`.
std::string program(const std::string& name);
// A fresh directory below the system's place for temporary files; removed with what is in it when this goes.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace parallax::test
