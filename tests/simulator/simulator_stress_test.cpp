// Hundreds of seeds. PARALLAX_SEEDS says how many, PARALLAX_FIRST_SEED where to begin: a failure names its seed and world, and
// leaves what its ports showed as a capture file each in the folder PARALLAX_KEEP.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/support/capture_bytes.h"
#include "tests/support/simulator_check.h"

namespace parallax::test {
namespace {

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

void keep(const Simulation& simulation, const std::filesystem::path& folder) {
  constexpr uint32_t kNanosecondMagic = 0xA1B23C4D;
  constexpr uint64_t kSecond = 1'000'000'000;
  std::filesystem::create_directories(folder);
  for (const InputPort& port : simulation.input.ports) {
    CaptureBytes file(false);
    file.pcap_header(kNanosecondMagic);
    for (const TimedFrame& frame : port.frames) {
      const auto time_ns = static_cast<uint64_t>(frame.time_ns);
      file.pcap_packet(static_cast<uint32_t>(time_ns / kSecond), static_cast<uint32_t>(time_ns % kSecond), frame.bytes,
                       std::max(frame.wire_length, static_cast<uint32_t>(frame.bytes.size())));
    }
    const auto part = port.info.part ? "-" + std::to_string(port.info.part->index) : std::string();
    std::ofstream(folder / (port.info.name + part + ".pcap"), std::ios::binary)
        .write(reinterpret_cast<const char*>(file.bytes().data()), static_cast<std::streamsize>(file.bytes().size()));
  }
}

TEST(SimulatorStress, HundredsOfSeedsAndNoFalseAccusation) {
  const uint64_t first = from_environment("PARALLAX_FIRST_SEED", 1000), seeds = from_environment("PARALLAX_SEEDS", 200);
  const bool names_missed = std::getenv("PARALLAX_MISSED") != nullptr;
  Verdict sum;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    const SimulatorOptions options = options_of(seed);
    const Simulation simulation = simulate(options);
    const PipelineOutput output = run(simulation.input, 1 + seed % 3);
    ASSERT_TRUE(output.finished) << describe(options);
    const Verdict verdict = judge(simulation, output);
    for (const std::string& text : verdict.false_accusations)
      ADD_FAILURE() << describe(options) << ": false accusation: " << text;
    if (const char* folder = std::getenv("PARALLAX_KEEP"); folder != nullptr && !verdict.false_accusations.empty())
      keep(simulation, std::filesystem::path(folder) / std::to_string(seed));
    for (const std::string& text : verdict.wrong_pairings) ADD_FAILURE() << describe(options) << ": wrong pairing: " << text;
    for (const std::string& text : verdict.missed) {
      if (names_missed) std::printf("missed: %s: %s\n", describe(options).c_str(), text.c_str());
    }
    sum += verdict;
  }
  std::printf("%lu seeds from %lu: %s", seeds, first, describe(sum).c_str());
  EXPECT_LE(sum.wrong_likely.size(), 1 + sum.likely * 2 / 100);
  EXPECT_GE(sum.paired, sum.pairable * 99 / 100);
  EXPECT_GE(sum.told(), sum.decidable() * 97 / 100);
  EXPECT_GE(sum.segments_told, sum.segments_decidable * 95 / 100);
}

}  // namespace
}  // namespace parallax::test
