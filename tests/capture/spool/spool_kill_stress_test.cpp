// The spool's process killed at random moments while it writes as fast as it can: what a restart finds is whole.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>
#include <thread>

#include "tests/support/spool_fixture.h"

namespace parallax {
namespace {

constexpr uint64_t kRuns = 200, kOfRun = 1'000'000;

SpoolOptions options_in(const std::string& directory) {
  SpoolOptions options = small_spool(directory);
  options.limits.size = 8 << 20;
  options.file_size = 2 << 20;
  options.block_bytes = 128 << 10;
  options.flush_interval_ns = 5'000'000;  // full batches, padded ones and plain tails in turn
  return options;
}

// Says on `begun` when the first packets are written, and never returns.
void write_until_killed(const std::string& directory, uint64_t run, int begun) {
  auto spool = Spool::open(options_in(directory), two_spool_ports());
  if (!spool || !(*spool)->start().empty()) _exit(1);
  for (uint64_t i = 0; i < kOfRun; ++i) {
    const uint64_t number = run * kOfRun + i;
    const std::vector<uint8_t> frame = numbered_frame(number, 60 + number % 300);
    (*spool)->lane(0).append(0, raw_packet(frame, kSpoolTestStartNs + static_cast<int64_t>(number)));
    while (i % 500 == 499 && (*spool)->status().packets_written + 2000 < i)
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    if (i == 2999 && write(begun, "", 1) != 1) _exit(1);
    if (i % 20'000 == 19'999) std::this_thread::sleep_for(std::chrono::milliseconds(8));  // a lull: a tail is written
  }
  for (;;) pause();
}

// What tshark says against the file; empty: nothing.
std::string run_tshark(const std::string& path) {
  const CommandResult result = run("tshark -n -r " + path + " -c 1000000 -q");
  return result.status == 0 ? result.errors : "exit code " + std::to_string(result.status) + ": " + result.errors;
}

TEST(SpoolKillStress, AfterAKillAtAnyMomentEveryFileIsWholeAndNothingIsMissingInBetween) {
  const TemporaryDirectory directory;
  std::mt19937 random(20231114);
  uint64_t with_packets = 0;
  for (uint64_t run = 0; run < kRuns; ++run) {
    int begun[2];
    ASSERT_EQ(pipe(begun), 0);
    const pid_t child = fork();
    if (child == 0) write_until_killed(directory.path(), run, begun[1]);
    ASSERT_GT(child, 0);
    close(begun[1]);
    char byte = 0;
    ASSERT_EQ(read(begun[0], &byte, 1), 1);
    close(begun[0]);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 30'000));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "run " << run << " ended by itself";
    const auto spool = Spool::open(options_in(directory.path()), two_spool_ports());
    ASSERT_TRUE(spool) << spool.error();
    const ReadBack back = read_spool(**spool);
    EXPECT_EQ(back.damaged, 0u) << "run " << run;
    EXPECT_TRUE(std::is_sorted(back.numbers.begin(), back.numbers.end())) << "run " << run;
    for (size_t i = 1; i < back.numbers.size(); ++i) {
      const uint64_t before = back.numbers[i - 1], number = back.numbers[i];
      const bool begins_a_run = number % kOfRun == 0;
      ASSERT_TRUE(begins_a_run || number == before + 1) << "run " << run << ": " << before << ", then " << number;
    }
    with_packets += !back.numbers.empty() && back.numbers.back() / kOfRun == run;
    if (run % 50 != 49) continue;
    for (const auto& file : std::filesystem::directory_iterator(directory.path())) {
      if (file.path().extension() != ".pcapng" || !have_command("tshark")) continue;
      EXPECT_EQ(run_tshark(file.path()), "") << file.path();
    }
  }
  EXPECT_EQ(with_packets, kRuns);
}

}  // namespace
}  // namespace parallax
