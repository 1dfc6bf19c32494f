#include "daemon/client/doctor_command.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "config/loader.h"
#include "daemon/client/analyze.h"
#include "daemon/doctor/doctor.h"

namespace parallax {
namespace {

constexpr const char* kFooter = R"(
Looks at what the daemon's configuration asks of this machine: links and what the cards do to packets, huge pages, IOMMU and NUMA for
DPDK, cores and their frequency, what keeps the clock, and how fast the spool's disk takes large writes (up to 256 MiB that are gone
afterwards). Nothing is changed: below what is wrong or worth a look stands the command that mends it. As root it sees most. The exit
code is 1 if anything is wrong, 2 if there is no configuration to go by.

  sudo parallax doctor
  parallax doctor --config ./parallax.yaml)";

int examine_machine(const std::string& file) {
  const LoadedConfig loaded = load_config_file(file, ConfigUse::daemon);
  if (!loaded.ok()) {
    std::fprintf(stderr, "%s\n", loaded.error_text().c_str());
    return kExitUsage;
  }
  const std::vector<Chapter> chapters = examine(loaded.config, Machine());
  std::fputs(text_of(chapters).c_str(), stdout);
  return is_anything_wrong(chapters) ? kExitFailed : kExitDone;
}

}  // namespace

void add_doctor_command(CLI::App& app, int& exit_code) {
  CLI::App& command = *app.add_subcommand("doctor", "Looks over the machine that the daemon is to run on");
  const auto file = std::make_shared<std::string>("/etc/parallax/parallax.yaml");
  command.add_option("--config", *file, "The daemon's configuration")->option_text("FILE")->capture_default_str();
  command.footer(kFooter);
  command.callback([file, &exit_code] { exit_code = examine_machine(*file); });
}

}  // namespace parallax
