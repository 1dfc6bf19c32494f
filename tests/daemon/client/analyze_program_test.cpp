// The program `parallax` itself: what the shell sees.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/support/capture_bytes.h"
#include "tests/support/command.h"
#include "tests/support/packet_builder.h"
#include "tests/support/sanitized.h"

namespace parallax {
namespace {

using testing::HasSubstr;

class Program : public testing::Test {
 protected:
  static std::string program() {
    const char* bin = std::getenv("PARALLAX_BIN_DIR");
    return (bin != nullptr ? std::string(bin) : std::string("bin")) + "/parallax";
  }
  static CommandResult parallax(const std::string& arguments) { return run(program() + ' ' + arguments); }
  static std::vector<uint8_t> one_syn() {
    const test::Frame frame =
        test::tcp_frame({.source = test::address("192.0.2.1"), .destination = test::address("198.51.100.1")},
                        {.source_port = 40000, .destination_port = 443, .flags = tcp_flag::syn});
    return test::CaptureBytes(false)
        .pcap_header(0xa1b2c3d4)
        .pcap_packet(1'709'210'096, 0, frame, static_cast<uint32_t>(frame.size()))
        .bytes();
  }
};

TEST_F(Program, HelpAndVersionAreNoErrors) {
  EXPECT_EQ(parallax("--version").status, 0);
  EXPECT_THAT(parallax("--version").output, HasSubstr("parallax 0."));
  EXPECT_EQ(parallax("--help").status, 0);
  const CommandResult help = parallax("analyze --help");
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.output, HasSubstr("--workers N"));
}

TEST_F(Program, ACaptureMayComeThroughAPipe) {
  const TemporaryFile file("one.pcap", one_syn());
  const CommandResult piped = run("cat " + file.path() + " | " + program() + " analyze here=- --format json --packets");
  EXPECT_EQ(piped.status, 0) << piped.errors;
  EXPECT_THAT(piped.output, HasSubstr(R"("packets":1,"connections":1)"));
  EXPECT_THAT(piped.output, HasSubstr(R"("file":"-")"));
  const CommandResult twice = run("cat " + file.path() + " | " + program() + " analyze here=- --access-log -");
  EXPECT_EQ(twice.status, 2);
  EXPECT_THAT(twice.errors, HasSubstr("--access-log -: a point has standard input already"));
}

// Room in which tables and the heap grow is asked for only where there is address space to spare.
TEST_F(Program, ALimitOfTheAddressSpaceIsNoFailure) {
  if (test::kTimesSlower > 1) GTEST_SKIP() << "sanitizers need terabytes of it: run a build without them";
  const TemporaryFile file("one.pcap", one_syn());
  for (const char* kilobytes : {"250000", "400000", "1000000", "unlimited"}) {
    const CommandResult limited =
        run("ulimit -v " + std::string(kilobytes) + " && " + program() + " analyze here=" + file.path() + " --format json");
    EXPECT_EQ(limited.status, 0) << kilobytes << ": " << limited.errors;
    EXPECT_THAT(limited.output, HasSubstr(R"("packets":1,"connections":1)")) << kilobytes;
  }
}

TEST_F(Program, WrongUsageIsTwo) {
  EXPECT_EQ(parallax("").status, 2);
  EXPECT_EQ(parallax("analyze").status, 2);
  const CommandResult option = parallax("analyze a=x --fromat json");
  EXPECT_EQ(option.status, 2);
  EXPECT_THAT(option.errors, HasSubstr("unknown option --fromat (did you mean \"--format\"?)"));
  EXPECT_THAT(parallax("--format json analyze a=x").errors, HasSubstr("--format is an option of analyze and stands after that"));
  const CommandResult workers = parallax("analyze a=x --workers -1");
  EXPECT_EQ(workers.status, 2);
  EXPECT_THAT(workers.errors, HasSubstr("'-1' is no number: must be 1 to 64"));
  const CommandResult command = parallax("analyse a=x");
  EXPECT_EQ(command.status, 2);
  EXPECT_THAT(command.errors, HasSubstr("unknown command \"analyse\" (did you mean \"analyze\"?)"));
}

}  // namespace
}  // namespace parallax
