#include "tests/support/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace parallax::test {
namespace {

using Clock = std::chrono::steady_clock;

int milliseconds_left(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 50));
}

}  // namespace

ChildProcess::ChildProcess(std::vector<std::string> arguments, std::vector<std::string> environment) {
  std::array<int, 2> out{}, err{};
  if (::pipe2(out.data(), O_CLOEXEC) != 0 || ::pipe2(err.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(out[1], STDOUT_FILENO);
    ::dup2(err[1], STDERR_FILENO);
    for (std::string& variable : environment) ::putenv(variable.data());
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(out[1]);
  ::close(err[1]);
  out_ = out[0];
  err_ = err[0];
  ::fcntl(out_, F_SETFL, O_NONBLOCK);
  ::fcntl(err_, F_SETFL, O_NONBLOCK);
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0 && exit_code_ < 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(out_);
  ::close(err_);
}

void ChildProcess::signal(int number) {
  if (exit_code_ < 0) ::kill(pid_, number);
}

void ChildProcess::read_available(int timeout_ms) {
  std::array<pollfd, 2> waiting{pollfd{out_, POLLIN, 0}, pollfd{err_, POLLIN, 0}};
  ::poll(waiting.data(), waiting.size(), timeout_ms);
  std::array<char, 65536> buffer;
  for (const auto& [handle, text] : {std::pair(out_, &out_text_), std::pair(err_, &err_text_)}) {
    for (ssize_t count = 0; (count = ::read(handle, buffer.data(), buffer.size())) > 0;)
      text->append(buffer.data(), static_cast<size_t>(count));
  }
}

int ChildProcess::wait(std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  while (exit_code_ < 0) {
    int status = 0;
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    read_available(0);
    if (ended == pid_) {
      exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      read_available(0);
      break;
    }
    if (Clock::now() >= deadline) return -1;
    ::usleep(2000);
  }
  return exit_code_;
}

bool ChildProcess::wait_for_error_text(const std::string& text, std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  while (err_text_.find(text) == std::string::npos) {
    if (Clock::now() >= deadline || wait(std::chrono::milliseconds(0)) >= 0) return err_text_.find(text) != std::string::npos;
    read_available(milliseconds_left(deadline));
  }
  return true;
}

std::string ChildProcess::out() {
  read_available(0);
  return out_text_;
}
std::string ChildProcess::err() {
  read_available(0);
  return err_text_;
}

std::string program(const std::string& name) {
  if (const char* const directory = std::getenv("PARALLAX_BIN_DIR"); directory != nullptr)
    return std::string(directory) + "/" + name;
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "bin" / name).string();
}

TemporaryDirectory::TemporaryDirectory() {
  path_ = (std::filesystem::temp_directory_path() / "parallax_test_XXXXXX").string();
  if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp " + path_);
}
TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace parallax::test
