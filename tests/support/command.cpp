#include "tests/support/command.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace parallax {

CommandResult run(const std::string& command_line) {
  const TemporaryDirectory directory;
  const std::string errors_path = directory.path() + "/errors";
  CommandResult result;
  FILE* pipe = popen(("( " + command_line + " ) 2>" + errors_path).c_str(), "re");
  if (pipe == nullptr) return result;
  char buffer[4096];
  for (size_t got; (got = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) result.output.append(buffer, got);
  const int status = pclose(pipe);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  std::ifstream errors(errors_path);
  for (std::string line; std::getline(errors, line);) {
    if (line.find("Running as user") == std::string::npos) result.errors += line + '\n';
  }
  return result;
}

bool have_command(const std::string& name) { return run("command -v " + name).status == 0; }

void expect_opens_without_warning(const std::string& path, uint64_t packets) {
  if (have_command("tshark")) {
    const CommandResult tshark = run("tshark -n -r " + path + " -T fields -e frame.number");
    EXPECT_EQ(tshark.status, 0) << path;
    EXPECT_EQ(tshark.errors, "") << path;
    EXPECT_EQ(static_cast<uint64_t>(std::count(tshark.output.begin(), tshark.output.end(), '\n')), packets) << path;
  }
  if (have_command("tcpdump")) {
    EXPECT_EQ(run("tcpdump -nqr " + path + " >/dev/null").status, 0) << path;
  }
  if (have_command("capinfos")) {
    const CommandResult capinfos = run("capinfos -c -M -T -r " + path);
    EXPECT_EQ(capinfos.status, 0) << path;
    EXPECT_EQ(capinfos.errors, "") << path;
    EXPECT_NE(capinfos.output.find('\t' + std::to_string(packets)), std::string::npos) << capinfos.output;
  }
}

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "parallax_test_XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) std::abort();
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

TemporaryFile::TemporaryFile(const std::string& name, std::span<const uint8_t> content) : name_(name) {
  std::ofstream(path(), std::ios::binary)
      .write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
}

}  // namespace parallax
