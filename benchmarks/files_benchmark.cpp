// Whole runs of `parallax analyze` over files of connections that come and go: processor time a packet, and memory; beside them
// `tcptrace`, where it is installed, which looks at one of the two files alone.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "benchmarks/figures.h"
#include "benchmarks/mix_files.h"
#include "tests/support/child_process.h"

namespace parallax::bench {
namespace {

struct Cost {
  double processor_ns = 0;
  double memory_mib = 0;  // at its largest
};

// Its output is thrown away. Empty: it is not installed. Throws std::runtime_error where it fails.
std::optional<Cost> cost_of(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (const int descriptor : {STDOUT_FILENO, STDERR_FILENO})
    posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int failure = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure == ENOENT) return std::nullopt;
  int status = 0;
  rusage used{};
  if (failure != 0 || wait4(child, &status, 0, &used) != child || status != 0) throw std::runtime_error(words[0] + " failed");
  const auto ns = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_usec) * 1e3;
  };
  return Cost{ns(used.ru_utime) + ns(used.ru_stime), static_cast<double>(used.ru_maxrss) / 1024};
}

void analyze_mix(benchmark::State& state, const Mix& mix) {
  const test::TemporaryDirectory directory;
  const std::string outside = directory / "outside.pcap", inside = directory / "inside.pcap";
  write_mix(mix, outside, inside);
  const std::string parallax = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "parallax";
  const std::vector<std::string> analyze{parallax, "analyze", "outside=" + outside, "inside=" + inside};
  const auto with = [&](std::initializer_list<std::string> more) {
    std::vector<std::string> words = analyze;
    words.insert(words.end(), more);
    return words;
  };
  const auto packets = static_cast<double>(mix.packets_in_all());
  for (auto _ : state) {
    FileFigures figures{.mix = mix.name};
    const Cost text = cost_of(analyze).value(), json = cost_of(with({"--format", "json"})).value();
    figures.text_ns = text.processor_ns / packets;
    figures.json_ns = json.processor_ns / packets;
    figures.memory_mib = std::max(text.memory_mib, json.memory_mib);
    if (const auto other = cost_of({"tcptrace", "-n", "-l", "-r", outside}))
      figures.tcptrace_ns = other->processor_ns / (packets / 2);
    state.SetIterationTime(text.processor_ns * 1e-9);
    state.counters["ns_per_packet"] = figures.text_ns;
    state.counters["MiB"] = figures.memory_mib;
    record(figures);
  }
}

}  // namespace

void register_files() {
  const std::array<Mix, 3> mixes{{{"1,000 at once, 40 packets each", 1'000, 40, 27'000},
                                  {"500 at once, 10 packets each", 500, 10, 110'000},
                                  {"50,000 at once, 40 packets each", 50'000, 40, 70'000}}};
  for (Mix mix : mixes) {
    if (tiny) mix.at_once /= 100, mix.connections /= 100;
    benchmark::RegisterBenchmark(("AnalyzeFiles/" + std::to_string(mix.at_once)).c_str(),
                                 [mix](benchmark::State& state) { analyze_mix(state, mix); })
        ->UseManualTime()
        ->Iterations(1)
        ->Unit(benchmark::kMillisecond);
  }
}

}  // namespace parallax::bench
