// parallaxd: the sensor's daemon. Reads the configuration, opens everything in the order of the flow, drops its
// privileges, runs until a signal, and stops in the order of the flow.
// Exit codes: 0 done, 1 the work failed (a port, the spool, an address), 2 wrong usage or a bad configuration.

#include <fmt/format.h>
#include <getopt.h>
#include <malloc.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "config/loader.h"
#include "config/printer.h"
#include "daemon/api/metrics_server.h"
#include "daemon/api/sensor_service.h"
#include "daemon/run/control_loop.h"
#include "daemon/run/log.h"
#include "daemon/run/machine_check.h"
#include "daemon/run/pipeline.h"
#include "daemon/run/privileges.h"
#include "daemon/run/reload.h"
#include "daemon/slice/pin_maker.h"
#include "daemon/slice/pin_rules.h"

namespace parallax {
namespace {

// Larger blocks, such as those of a slice, go back to the kernel when they are freed. By default the threshold grows with what is
// freed, up to 32 MiB, and the heaps of the threads that make slices keep it all: 520 MiB after 16 slices of 113 MB each.
constexpr int kOwnMappingFrom = 128 << 10;
constexpr int kExitFailed = 1, kExitUsage = 2;

constexpr const char* kUsage =
    "usage: parallaxd --config FILE [--check-config | --print-config]\n"
    "       parallaxd --version | --help\n"
    "  --config FILE    the configuration, in YAML\n"
    "  --check-config   say whether it is in order and fits this machine, and exit\n"
    "  --print-config   print what is in effect, with all defaults, and exit\n";

struct Arguments {
  std::string config;
  bool check = false, print = false;
};

int fail(int code, const std::string& message) {
  log_line(LogLevel::error, message);
  return code;
}

// Says what of the configuration does not fit the machine, and how bad that is at worst.
MachineProblem::Weight tell_misfits(const LoadedConfig& loaded) {
  auto worst = MachineProblem::Weight::warning;
  for (MachineProblem& found : check_machine(loaded.config)) {
    const std::string text = loaded.places.error_at(found.problem.field, std::move(found.problem.message)).text();
    log_line(found.weight == MachineProblem::Weight::warning ? LogLevel::warning : LogLevel::error, text);
    worst = std::max(worst, found.weight);
  }
  return worst;
}

int run(const std::string& config_path, const v1::Config& config) {
  ::mallopt(M_MMAP_THRESHOLD, kOwnMappingFrom);
  std::string error;
  const std::optional<ServiceUser> user = find_service_user(config.service().user(), error);
  if (!error.empty()) return fail(kExitFailed, error);
  const std::unique_ptr<Pipeline> pipeline = Pipeline::open(config, user, error);
  if (pipeline == nullptr) return fail(kExitFailed, error);
  std::unique_ptr<SensorServer> api;
  if (!config.api().address().empty()) {
    api = SensorServer::start(pipeline->state(), config.api(), user, error);
    if (api == nullptr) return fail(kExitFailed, error);
  }
  std::unique_ptr<MetricsServer> metrics;
  if (!config.metrics().address().empty()) {
    metrics = MetricsServer::start(pipeline->state(), config.metrics().address(), error);
    if (metrics == nullptr) return fail(kExitFailed, error);
  }
  if (error = drop_privileges(user, config.service().sandbox()); !error.empty()) return fail(kExitFailed, error);
  if (::geteuid() == 0 && config.service().user().empty())
    log_warning("running as root: service.user names whom to become once the ports are open");
  log_notice("privileges: {}", privileges_in_force());

  std::unique_ptr<PinMaker> pins;
  if (pipeline->pinned() != nullptr)
    pins = std::make_unique<PinMaker>(pipeline->state(), *pipeline->pinned(), pin_rules(config.spool().pinned()));
  PrepareAccess prepare_access;
  if (api != nullptr) prepare_access = [&api](const v1::ApiConfig& next) { return api->prepare(next); };
  Reload reload(config_path, config, *pipeline, std::move(prepare_access));
  ControlLoop control(*pipeline, [&reload] { reload.now(); });  // before the threads: from here on a signal is a clean stop
  if (error = pipeline->start(); !error.empty()) return fail(kExitFailed, error);
  if (pins != nullptr) pins->start();
  log_notice("sensor {} is ready: api {}, metrics {}", config.sensor().name(), api != nullptr ? config.api().address() : "off",
             metrics != nullptr ? fmt::format("http://{}/metrics", config.metrics().address()) : "off");
  ::sd_notify(0, "READY=1");
  const bool in_order = control.run();

  pipeline->stop();
  control.log_findings();
  pins.reset();
  if (api != nullptr) {
    const uint64_t calls = api->calls();
    api.reset();
    log_info("api: {} calls", calls);
  }
  metrics.reset();
  log_suppressed(true);
  log_notice("stopped");
  return in_order ? 0 : kExitFailed;
}

// Nullopt: `exit_code` is what to end with.
std::optional<Arguments> parse(int argc, char** argv, int& exit_code) {
  enum Option { config = 'c', check, print, version, help = 'h' };
  const option options[] = {{"config", required_argument, nullptr, config}, {"check-config", no_argument, nullptr, check},
                            {"print-config", no_argument, nullptr, print},  {"version", no_argument, nullptr, version},
                            {"help", no_argument, nullptr, help},           {nullptr, 0, nullptr, 0}};
  Arguments arguments;
  exit_code = 0;
  for (int found = 0; (found = ::getopt_long(argc, argv, "c:h", options, nullptr)) != -1;) {
    switch (found) {
      case config:
        arguments.config = optarg;
        break;
      case check:
        arguments.check = true;
        break;
      case print:
        arguments.print = true;
        break;
      case version:
        fmt::print("parallaxd {}\n", PARALLAX_VERSION);
        return std::nullopt;
      case help:
        fmt::print("{}", kUsage);
        return std::nullopt;
      default:
        fmt::print(stderr, "{}", kUsage);
        exit_code = kExitUsage;
        return std::nullopt;
    }
  }
  if (arguments.config.empty() || optind != argc) {
    fmt::print(stderr, "parallaxd: {}\n{}",
               optind != argc ? fmt::format("what is \"{}\"?", argv[optind]) : "--config FILE is missing", kUsage);
    exit_code = kExitUsage;
    return std::nullopt;
  }
  return arguments;
}

int main_of(int argc, char** argv) {
  int exit_code = 0;
  const std::optional<Arguments> arguments = parse(argc, argv, exit_code);
  if (!arguments) return exit_code;
  const LoadedConfig loaded = load_config_file(arguments->config, ConfigUse::daemon);
  if (!loaded.ok()) {
    for (const ConfigError& error : loaded.errors) log_line(LogLevel::error, error.text());
    return kExitUsage;
  }
  if (arguments->print) {
    fmt::print("{}", config_to_yaml(loaded.config));
    return 0;
  }
  if (const auto worst = tell_misfits(loaded); worst != MachineProblem::Weight::warning)
    return worst == MachineProblem::Weight::wrong || arguments->check ? kExitUsage : kExitFailed;
  if (arguments->check) {
    fmt::print("{}: in order\n", arguments->config);
    return 0;
  }
  ::signal(SIGPIPE, SIG_IGN);
  return run(arguments->config, loaded.config);
}

}  // namespace
}  // namespace parallax

int main(int argc, char** argv) {
  try {
    return parallax::main_of(argc, argv);
  } catch (const std::exception& failure) {
    // Libraries throw when memory or file handles are out.
    parallax::log_line(parallax::LogLevel::error, failure.what());
    return 1;
  }
}
