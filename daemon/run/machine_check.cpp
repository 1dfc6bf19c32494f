#include "daemon/run/machine_check.h"

#include <fmt/format.h>
#include <net/if.h>
#include <pwd.h>
#include <sched.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>

#include "capture/decode/flow_filter.h"
#include "capture/source/open_source.h"
#include "capture/spool/spool_location.h"
#include "config/quantity.h"
#include "daemon/run/configured_ports.h"
#include "daemon/run/dpdk_access.h"
#include "daemon/run/tls_check.h"
#include "daemon/run/unix_groups.h"
#include "daemon/webhook/http_post.h"

namespace parallax {
namespace {

// What the tables of an analysis worker take of the address space for each leg: measured, and held by a test.
constexpr double kBytesPerLeg = 4000;
constexpr double kBytesPerMbuf = 2304;  // RTE_MBUF_DEFAULT_BUF_SIZE and its header

std::string print_size(double bytes) {
  const bool is_small = bytes < (1 << 30);
  return fmt::format("{:.1f} {}", bytes / (is_small ? 1 << 20 : 1 << 30), is_small ? "MiB" : "GiB");
}

using Weight = MachineProblem::Weight;

class MachineCheck {
 public:
  explicit MachineCheck(const v1::Config& config) : config_(config) {}

  std::vector<MachineProblem> all() {
    ports();
    points();
    for (MachineProblem& found : check_filters(config_)) problems_.push_back(std::move(found));
    cores();
    spool();
    history();
    connection_log();
    for (MachineProblem& found : check_webhook(config_)) problems_.push_back(std::move(found));
    memory();
    for (ConfigProblem& found : check_tls(config_.api())) problems_.push_back({std::move(found), Weight::unfit});
    user();
    groups();
    return std::move(problems_);
  }

 private:
  void add(Weight weight, const std::string& field, const std::string& message) {
    problems_.push_back({{field, fmt::format("{}: {}", field, message)}, weight});
  }
  void unfit(const std::string& field, const std::string& message) { add(Weight::unfit, field, message); }
  void warn(const std::string& field, const std::string& message) { add(Weight::warning, field, message); }

  void ports() {
    for (int i = 0; i < config_.ports_size(); ++i) {
      const Result<SourceSpec> source = parse_source(config_.ports(i).source());
      const std::string &name = config_.ports(i).name(), field = fmt::format("ports[{}].source", i);
      if (!source) continue;  // check_config() has said why
      const std::string& device = source->device;
      switch (source->kind) {
        case SourceKind::pcap:
          if (device != "any" && ::if_nametoindex(device.c_str()) == 0)
            unfit(field, fmt::format("port {}: there is no interface \"{}\" (but {})", name, device, interfaces()));
          break;
        case SourceKind::file:
          if (::access(device.c_str(), R_OK) != 0)
            unfit(field, fmt::format("port {}: cannot read {}: {}", name, device, std::strerror(errno)));
          break;
        case SourceKind::dpdk: {
          ++dpdk_ports_;
          const std::string address = full_pci_address(device);
          address.empty() ? dpdk_device(field, name, virtual_device_access(device)) : pci_device(field, name, address);
          break;
        }
      }
    }
  }

  // A warning, since the daemon starts all the same; what is said of a device rests on both of its sides.
  void points() {
    for (int i = 0; i < config_.path_size(); ++i) {
      const auto& ports = config_.ports();
      const std::string& point = config_.path(i);
      if (std::none_of(ports.begin(), ports.end(), [&](const v1::PortConfig& port) { return port.point() == point; }))
        warn(fmt::format("path[{}]", i), fmt::format("no port feeds the point \"{}\": nothing will be seen there", point));
    }
  }

  void pci_device(const std::string& field, const std::string& name, const std::string& address) {
    std::error_code error;
    if (!std::filesystem::exists("/sys/bus/pci/devices/" + address, error))
      return unfit(field, fmt::format("port {}: there is no PCI device {} (lspci -D lists them)", name, address));
    dpdk_device(field, fmt::format("{}: {}", name, address), dpdk_access(address));
  }

  void dpdk_device(const std::string& field, const std::string& port, const DpdkAccess& access) {
    if (access.problem.empty()) return;
    add(access.is_fatal ? Weight::unfit : Weight::warning, field, fmt::format("port {}: {}", port, access.problem));
  }

  static std::string interfaces() {
    std::string names;
    struct if_nameindex* const all = ::if_nameindex();
    for (const struct if_nameindex* i = all; i != nullptr && i->if_index != 0; ++i)
      names += fmt::format("{}{}", names.empty() ? "" : ", ", i->if_name);
    if (all != nullptr) ::if_freenameindex(all);
    return names;
  }

  void cores() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    const auto count = static_cast<uint32_t>(CPU_COUNT(&allowed));
    for (int i = 0; i < config_.workers().cores_size(); ++i) {
      const uint32_t core = config_.workers().cores(i);
      if (core >= CPU_SETSIZE || !CPU_ISSET(core, &allowed))
        unfit(fmt::format("workers.cores[{}]", i), fmt::format("there is no core {} for this process ({})", core, list(allowed)));
    }
    const uint32_t workers = config_.workers().count() + config_.workers().rx_count();
    if (config_.workers().cores().empty() && config_.workers().count() > count)
      warn("workers.count", fmt::format("{} workers on {} cores take turns; more than {} analysis workers gain nothing here",
                                        workers, count, std::max(count, 2u) - 1));
  }

  static std::string list(const cpu_set_t& cores) {
    std::string text;
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(core, &cores)) text += fmt::format("{}{}", text.empty() ? "it has " : ", ", core);
    }
    return text;
  }

  void spool() {
    const v1::SpoolConfig& spool = config_.spool();
    if (spool.directory().empty()) return;
    if (const std::string why = SpoolLocation::why_unfit(spool.directory(), spool.require_mount()); !why.empty())
      return unfit("spool.directory", why);
    const std::filesystem::path directory = std::filesystem::absolute(spool.directory() + "/");
    struct statvfs disk {};
    if (::statvfs(directory.c_str(), &disk) != 0 && ::statvfs(directory.parent_path().parent_path().c_str(), &disk) != 0) return;
    const uint64_t all = uint64_t{disk.f_blocks} * disk.f_frsize;
    if (all > 0 && spool.size() + spool.min_free() > all)
      warn("spool.size", fmt::format("{}{} is more than its disk holds ({}): the spool will keep less", print_bytes(spool.size()),
                                     spool.min_free() > 0 ? " and spool.min_free" : "", print_size(static_cast<double>(all))));
  }

  // Warnings, since the daemon starts all the same.
  void history() { directory("history.directory", config_.history().directory(), "findings will not outlive a restart"); }
  void connection_log() {
    directory("connection_log.directory", config_.connection_log().directory(), "no connection will be logged");
  }
  void directory(const std::string& field, const std::string& directory, const char* consequence) {
    if (directory.empty()) return;
    std::error_code error;
    const std::filesystem::path path = std::filesystem::absolute(directory + "/").parent_path();
    if (std::filesystem::is_directory(path, error)) return;
    if (std::filesystem::exists(path, error)) return warn(field, fmt::format("{} is no directory: {}", directory, consequence));
    if (!std::filesystem::is_directory(path.parent_path(), error))
      warn(field, fmt::format("neither {} nor its parent is there: {}", directory, consequence));
  }

  void memory() {
    const double legs = static_cast<double>(config_.limits().legs()) * config_.workers().count() * kBytesPerLeg;
    const double has = static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
    const std::string wanted = fmt::format("{} legs for each of {} analysis workers take {}, and this machine has {}",
                                           config_.limits().legs(), config_.workers().count(), print_size(legs), print_size(has));
    if (legs > has) {
      unfit("limits.legs", wanted);
    } else if (legs > has / 2) {
      warn("limits.legs", wanted + ", of which other tables need as much");
    }
    const double mbufs = static_cast<double>(config_.limits().mbufs()) * dpdk_ports_ * kBytesPerMbuf;
    const double eal = static_cast<double>(config_.eal().memory_mib()) * (1 << 20);
    if (!config_.eal().huge_pages() && mbufs > eal)
      unfit("limits.mbufs", fmt::format("{} mbufs for each of {} DPDK ports take {}, and eal.memory_mib gives {}",
                                        config_.limits().mbufs(), dpdk_ports_, print_size(mbufs), print_size(eal)));
  }

  void user() {
    const std::string& name = config_.service().user();
    if (!name.empty() && ::getpwnam(name.c_str()) == nullptr)
      unfit("service.user", fmt::format("there is no user \"{}\" on this system", name));
  }

  void groups() {
    for (int i = 0; i < config_.api().roles_size(); ++i) {
      const std::string& name = config_.api().roles(i).group();
      if (!name.empty() && !find_group(name))
        unfit(fmt::format("api.roles[{}].group", i), fmt::format("there is no group \"{}\" on this system", name));
    }
  }

  const v1::Config& config_;
  uint32_t dpdk_ports_ = 0;
  std::vector<MachineProblem> problems_;
};

}  // namespace

std::vector<MachineProblem> check_filters(const v1::Config& config) {
  std::vector<MachineProblem> problems;
  std::vector<std::pair<std::string, const std::string*>> filters{{"filter.analysis", &config.filter().analysis()},
                                                                  {"filter.spool", &config.filter().spool()}};
  for (int i = 0; i < config.spool().snap_rules_size(); ++i)
    filters.emplace_back(fmt::format("spool.snap_rules[{}].filter", i), &config.spool().snap_rules(i).filter());
  for (const auto& [field, expression] : filters) {
    if (expression->empty()) continue;
    if (const Result<FlowFilter> compiled = FlowFilter::compile(*expression); !compiled)
      problems.push_back({{field, fmt::format("{}: {}", field, compiled.error())}, Weight::wrong});
  }
  return problems;
}

std::vector<MachineProblem> check_webhook(const v1::Config& config) {
  std::vector<MachineProblem> problems;
  const v1::WebhookConfig& webhook = config.webhook();
  if (webhook.url().empty()) return problems;
  if (!webhook.bearer_token_file().empty()) {
    if (const Result<std::string> token = read_bearer_token(webhook.bearer_token_file()); !token)
      problems.push_back({{"webhook.bearer_token_file", "webhook.bearer_token_file: " + token.error()}, Weight::unfit});
  }
  for (ConfigProblem& found : check_authorities("webhook.tls_ca", webhook.tls_ca()))
    problems.push_back({std::move(found), Weight::unfit});
  return problems;
}

std::vector<MachineProblem> check_machine(const v1::Config& config) { return MachineCheck(config).all(); }

}  // namespace parallax
