#include "capture/source/eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>

namespace parallax {
namespace {

constexpr size_t kLogLinesKept = 4;

// What EAL and the drivers say: on to standard error, and the last lines kept for error texts. Threads of drivers may log.
class EalLog {
 public:
  // Never destroyed: EAL may log until the process ends.
  static EalLog& instance() {
    static EalLog& log = *new EalLog;
    return log;
  }

  FILE* stream() {
    if (stream_ == nullptr) {
      stream_ = fopencookie(this, "w", {.read = nullptr, .write = write, .seek = nullptr, .close = nullptr});
      if (stream_ != nullptr) setvbuf(stream_, nullptr, _IOLBF, 0);
    }
    return stream_;
  }

  std::string take() {
    const std::lock_guard lock(mutex_);
    std::string joined;
    for (const std::string& line : lines_) joined += (joined.empty() ? "" : "; ") + line;
    lines_.clear();
    return joined;
  }

 private:
  static ssize_t write(void* cookie, const char* text, size_t length) {
    static_cast<EalLog*>(cookie)->add(std::string(text, length));
    return static_cast<ssize_t>(length);
  }

  void add(std::string text) {
    const std::lock_guard lock(mutex_);
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
    if (text.empty()) return;
    fprintf(stderr, "dpdk: %s\n", text.c_str());
    std::replace(text.begin(), text.end(), '\n', ' ');
    lines_.push_back(std::move(text));
    if (lines_.size() > kLogLinesKept) lines_.pop_front();
  }

  std::mutex mutex_;
  std::deque<std::string> lines_;
  FILE* stream_ = nullptr;
};

enum class EalState { not_started, running, failed, stopped };
EalState eal_state = EalState::not_started;
std::mutex eal_mutex;

uint64_t free_huge_pages() {
  uint64_t pages = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", error)) {
    uint64_t free = 0;
    std::ifstream(entry.path() / "free_hugepages") >> free;
    pages += free;
  }
  return pages;
}

// One EAL thread, which is the calling one, free to run where it could before: EAL would otherwise start a thread for each
// core and pin the caller, and every thread made by it later.
std::string lcores_argument(const cpu_set_t& cores) {
  std::string list;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &cores)) list += (list.empty() ? "" : ",") + std::to_string(core);
  }
  return "--lcores=0@(" + list + ")";
}

std::vector<std::string> eal_arguments(const EalOptions& options, const cpu_set_t& cores) {
  std::vector<std::string> arguments{"parallax", "--no-telemetry", "--log-level=warning", lcores_argument(cores)};
  if (options.huge_pages) {
    arguments.push_back("--in-memory");
  } else {
    arguments.insert(arguments.end(), {"--no-huge", "--no-shconf", "-m", std::to_string(options.memory_mib)});
  }
  if (options.pci_addresses.empty()) arguments.push_back("--no-pci");
  for (const std::string& address : options.pci_addresses) arguments.insert(arguments.end(), {"-a", address});
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  return arguments;
}

std::string start_error(const EalOptions& options, int error) {
  std::string text = "DPDK's environment does not start: " + std::string(rte_strerror(error));
  if (const std::string log = eal_take_log(); !log.empty()) text += " (" + log + ")";
  if (options.huge_pages) {
    text += "; huge pages need vm.nr_hugepages and permission, eal.huge_pages: false does without";
  } else {
    text += "; eal.memory_mib is " + std::to_string(options.memory_mib);
  }
  return text;
}

}  // namespace

std::string eal_start(const EalOptions& options) {
  const std::lock_guard lock(eal_mutex);
  if (eal_state == EalState::running) return {};
  if (eal_state != EalState::not_started) return "DPDK's environment cannot be started a second time in one process";
  if (options.huge_pages && free_huge_pages() == 0) {
    return "DPDK's environment does not start: no free huge pages; set vm.nr_hugepages (sysctl), or eal.huge_pages: false";
  }
  cpu_set_t cores;
  CPU_ZERO(&cores);
  sched_getaffinity(0, sizeof(cores), &cores);
  std::vector<std::string> arguments = eal_arguments(options, cores);
  // EAL permutes the array and keeps pointers into it.
  static std::vector<std::string> kept;
  static std::vector<char*> argv;
  kept = std::move(arguments);
  for (std::string& argument : kept) argv.push_back(argument.data());
  argv.push_back(nullptr);

  if (FILE* stream = EalLog::instance().stream()) rte_openlog_stream(stream);
  const int result = rte_eal_init(static_cast<int>(kept.size()), argv.data());
  const int error = rte_errno;
  sched_setaffinity(0, sizeof(cores), &cores);
  if (result < 0) {
    eal_state = EalState::failed;
    return start_error(options, error);
  }
  eal_state = EalState::running;
  return {};
}

bool eal_running() {
  const std::lock_guard lock(eal_mutex);
  return eal_state == EalState::running;
}

void eal_stop() {
  const std::lock_guard lock(eal_mutex);
  if (eal_state != EalState::running) return;
  rte_eal_cleanup();
  eal_state = EalState::stopped;
}

std::string pci_address_of(const std::string& device) {
  const std::string address = device.substr(0, device.find(','));
  // [domain:]bus:device.function, hexadecimal
  std::string shape;
  for (const char c : address) {
    const bool digit = std::isxdigit(static_cast<unsigned char>(c)) != 0;
    if (digit && !shape.empty() && shape.back() == 'x') continue;
    shape += digit ? 'x' : c;
  }
  return shape == "x:x:x.x" || shape == "x:x.x" ? address : std::string{};
}

std::string eal_take_log() { return EalLog::instance().take(); }

}  // namespace parallax
