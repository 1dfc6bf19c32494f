// What systemd itself says of the sandbox in the unit; it needs no running systemd for that.
#include <gtest/gtest.h>

#include "tests/support/command.h"

namespace parallax {
namespace {

const std::string kUnit = PARALLAX_SOURCE_DIR "/systemd/parallaxd.service";

TEST(Unit, ExposureIsAtMostTwo) {
  if (!have_command("systemd-analyze")) GTEST_SKIP() << "needs systemd-analyze (systemd 250)";
  const CommandResult said = run("systemd-analyze security --offline=true --no-pager --threshold=20 '" + kUnit + "'");
  EXPECT_EQ(said.status, 0) << said.output << said.errors;
  EXPECT_NE(said.output.find("Overall exposure level for parallaxd.service"), std::string::npos) << said.output << said.errors;
}

}  // namespace
}  // namespace parallax
