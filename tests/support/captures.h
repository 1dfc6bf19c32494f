// Captures that nobody here made, and what other tools say of them. They are not part of the project.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "capture/source/file_source.h"
#include "daemon/run/offline_pipeline.h"
#include "tests/support/command.h"

namespace parallax::test {

// Where they are: PARALLAX_CAPTURES, else beside the project.
inline std::string captures_directory() {
  const char* set = std::getenv("PARALLAX_CAPTURES");
  return set ? set : std::string(PARALLAX_SOURCE_DIR) + "/../shared/captures";
}

// The content of a file, plain or gzip; empty if there is none.
inline std::string text_of_file(const std::string& path) {
  std::string text;
  if (const gzFile file = gzopen(path.c_str(), "rb")) {
    char part[65536];
    for (int got; (got = gzread(file, part, sizeof(part))) > 0;) text.append(part, static_cast<size_t>(got));
    gzclose(file);
  }
  return text;
}

// The parts between separators, empty ones too; none of an empty text.
inline std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts(text.empty() ? 0 : 1);
  for (const char c : text) c == at ? void(parts.emplace_back()) : parts.back().push_back(c);
  return parts;
}

// A file processed by one worker, at a point named "here"; null if it cannot be opened.
inline std::unique_ptr<OfflinePipeline> analyzed(const std::string& path, bool record_packets = false) {
  auto source = FileSource::open(path);
  if (!source.ok()) return nullptr;
  std::vector<OfflineInput> inputs;
  inputs.push_back({path, 0, std::move(*source)});
  EngineOptions options;
  options.path = {"here"};
  options.offline = true;
  options.record_packets = record_packets;
  auto pipeline = std::make_unique<OfflinePipeline>(std::move(inputs), options, 1 << 12, nullptr);
  EXPECT_EQ(pipeline->run(), "") << path;
  return pipeline;
}

}  // namespace parallax::test

// Skips the test where they are missing, or a program of a Debian package that it compares with.
#define NEEDS_CAPTURES()                                                                \
  if (!std::filesystem::exists(parallax::test::captures_directory() + "/manifest.tsv")) \
  GTEST_SKIP() << "no captures at " << parallax::test::captures_directory() << ": set PARALLAX_CAPTURES to where they are"
#define NEEDS_COMMAND(command) \
  if (!parallax::have_command(command)) GTEST_SKIP() << "needs " << command << ": apt-get install " << command
