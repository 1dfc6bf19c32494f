#include "config/checks.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <map>
#include <set>
#include <string_view>

#include "config/certificate_name.h"
#include "config/nearest.h"
#include "config/quantity.h"
#include "config/service_pattern.h"

namespace parallax {
namespace {

constexpr int kPathMax = 8;          // kPointsMax of capture/core/sighting.h
constexpr size_t kNameMax = 63;      // also a metric label and an interface name in pcapng
constexpr double kSpoolAgeMin = 60;  // files are finished sixteen times in it
constexpr double kLogAgeMin = 1;
constexpr int kSnapRulesMax = 64;              // each is asked of each packet
constexpr int kPinRulesMax = 256;              // each is asked of each finding
constexpr int kRolesMax = 256;                 // each is held against each caller
constexpr uint64_t kSliceBoundMin = 64 << 10;  // one chunk of a slice
constexpr size_t kUnixPathMax = 107;           // sockaddr_un::sun_path less its terminator

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Empty: `name` is one. Names stand in metrics, files and on the command line (POINT=FILE), hence no odd characters.
std::string why_not_a_name(const std::string& name, std::string_view further) {
  const std::string quoted = '"' + name + '"';
  const std::string right =
      " (letters, digits, " + std::string(further == "_-" ? "_ and -" : "_ - . and :") + ", a letter first, such as \"outside\")";
  if (name.empty()) return "the name is empty" + right;
  if (name.size() > kNameMax)
    return "the name has " + std::to_string(name.size()) + " characters; at most " + std::to_string(kNameMax);
  if (!is_letter(name[0])) return quoted + " is no name" + right;
  for (const char c : name) {
    if (!is_letter(c) && !is_digit(c) && further.find(c) == std::string_view::npos) return quoted + " is no name" + right;
  }
  return {};
}

// "host:port" or "[v6]:port"
bool is_host_and_port(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view host = address.substr(0, colon), port = address.substr(colon + 1);
  const bool bracketed = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
  if (!bracketed && host.find_first_of(":[]/ ") != std::string_view::npos) return false;
  uint32_t number = 0;
  const auto [rest, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  return error == std::errc{} && rest == port.data() + port.size() && number <= 65535;
}

// Two TCP addresses of which one listener leaves nothing to the other: of one port, and of one host or of all of them.
bool are_in_each_others_way(std::string_view a, std::string_view b) {
  const auto host = [](std::string_view address) { return address.substr(0, address.rfind(':')); };
  const auto port = [](std::string_view address) { return address.substr(address.rfind(':') + 1); };
  const auto is_any = [](std::string_view name) { return name == "0.0.0.0" || name == "[::]"; };
  return port(a) == port(b) && port(a) != "0" && (host(a) == host(b) || is_any(host(a)) || is_any(host(b)));
}

// Empty: it is one that can be posted to.
std::string why_not_a_web_address(const std::string& url) {
  static constexpr const char* kForm = "such as \"http://alerts.example.net:9095/hook\"";
  const std::string quoted = '"' + url + '"';
  const bool is_plain = url.starts_with("http://"), is_tls = url.starts_with("https://");
  if (!is_plain && !is_tls) return quoted + " begins with neither http:// nor https://; " + kForm;
  if (std::any_of(url.begin(), url.end(), [](char c) { return c <= ' ' || c >= 0x7f || c == '"' || c == '\\'; }))
    return quoted + " has a blank or another character that no URL has; " + kForm;
  std::string host = url.substr(is_tls ? 8 : 7);
  host = host.substr(0, host.find_first_of("/?#"));
  if (host.find('@') != std::string::npos)
    return "a user or a password in a URL ends up in logs; webhook.bearer_token_file names a file with a token";
  const bool has_port = host.find(':', host.starts_with('[') ? std::min(host.find(']'), host.size()) : 0) != std::string::npos;
  if (!is_host_and_port(has_port ? host : host + ":80")) return quoted + " names no host, or no port that there is; " + kForm;
  return {};
}

class Checks {
 public:
  Checks(const v1::Config& config, ConfigUse use) : config_(config), use_(use) {}

  std::vector<ConfigProblem> all() {
    path();
    ports();
    workers();
    spool();
    limits();
    api();
    metrics();
    eal();
    connection_log();
    webhook();
    detectors();
    thresholds();
    return std::move(problems_);
  }

 private:
  void problem(std::string field, std::string message) { problems_.push_back({std::move(field), std::move(message)}); }

  void path() {
    if (config_.path().empty() && use_ == ConfigUse::daemon) {
      problem("path", "path is missing: the points in their order along the path, such as [outside, inside]");
    }
    if (config_.path_size() > kPathMax) {
      problem("path", "path: " + std::to_string(config_.path_size()) + " points; at most " + std::to_string(kPathMax));
    }
    std::set<std::string> seen;
    for (int i = 0; i < config_.path_size(); ++i) {
      const std::string field = "path[" + std::to_string(i) + ']';
      const std::string& name = config_.path(i);
      if (const std::string why = why_not_a_name(name, "_-"); !why.empty()) {
        problem(field, "path: " + why);
      } else if (!seen.insert(name).second) {
        problem(field, "path: \"" + name + "\" stands in it twice; each point once");
      }
    }
  }

  void ports() {
    if (config_.ports().empty() && use_ == ConfigUse::daemon) {
      problem("ports",
              "ports is missing: at least one port is needed, such as { name: tap0, point: outside, source: \"pcap:eth0\" }");
    }
    std::map<std::string, std::string> by_name, by_source;  // -> the field that has it
    for (int i = 0; i < config_.ports_size(); ++i) {
      const v1::PortConfig& port = config_.ports(i);
      const std::string field = "ports[" + std::to_string(i) + ']';
      if (const std::string why = why_not_a_name(port.name(), "_-.:"); !why.empty()) {
        problem(field + ".name", field + ".name: " + why);
      } else if (const auto [other, is_new] = by_name.emplace(port.name(), field); !is_new) {
        problem(field + ".name",
                field + ".name: " + other->second + " is called \"" + port.name() + "\" already; each name once");
      }
      point_of(port, field);
      source_of(port, field);
      if (const auto [other, is_new] = by_source.emplace(port.source(), field); !is_new && !port.source().empty()) {
        problem(field + ".source", field + ".source: " + other->second + " has the source \"" + port.source() +
                                       "\" already; a source can feed one port only");
      }
    }
  }

  void point_of(const v1::PortConfig& port, const std::string& field) {
    const std::vector<std::string> points(config_.path().begin(), config_.path().end());
    for (const std::string& point : points) {
      if (point == port.point()) return;
    }
    if (port.point().empty()) {
      problem(field + ".point", field + ".point is missing: the point that this port feeds" +
                                    (points.empty() ? std::string() : ", " + one_of(points)));
    } else if (!points.empty()) {
      problem(field + ".point", field + ".point: \"" + port.point() + "\" is not in path (" + one_of(points) + ')' +
                                    did_you_mean(port.point(), points));
    }
  }

  void source_of(const v1::PortConfig& port, const std::string& field) {
    static constexpr const char* kForms = "dpdk:<PCI address or vdev arguments>, pcap:<interface> or file:<path>";
    if (port.source().empty()) {
      problem(field + ".source", field + ".source is missing: " + kForms);
      return;
    }
    const size_t colon = port.source().find(':');
    const std::string kind = port.source().substr(0, colon);
    if (colon == std::string::npos || (kind != "dpdk" && kind != "pcap" && kind != "file")) {
      problem(field + ".source", field + ".source: \"" + port.source() + "\" is no source: " + kForms +
                                     did_you_mean(kind, {"dpdk", "pcap", "file"}));
    } else if (colon + 1 == port.source().size()) {
      problem(field + ".source", field + ".source: nothing stands after \"" + kind + ":\"; expected " + kForms);
    }
  }

  void workers() {
    const uint32_t threads = config_.workers().count() + config_.workers().rx_count();
    if (static_cast<uint32_t>(config_.workers().cores_size()) > threads) {
      problem("workers.cores", "workers.cores: " + std::to_string(config_.workers().cores_size()) + " cores for " +
                                   std::to_string(threads) + " threads (rx_count + count); at most one core for each");
    }
  }

  void spool() {
    const v1::SpoolConfig& spool = config_.spool();
    if (spool.directory().empty()) {
      if (spool.size() > 0)
        problem("spool.size", "spool.size: there is no spool without spool.directory; add it or leave both out");
      if (!spool.pinned().rules().empty())
        problem("spool.pinned.rules", "spool.pinned.rules: there is no spool without spool.directory, and nothing to pin");
      if (!spool.snap_rules().empty())
        problem("spool.snap_rules", "spool.snap_rules: there is no spool without spool.directory, and nothing to cut");
      return;
    }
    pinned();
    snap_rules();
    if (spool.max_age_seconds() > 0 && spool.max_age_seconds() < kSpoolAgeMin) {
      problem("spool.max_age_seconds", "spool.max_age_seconds: " + print_seconds(spool.max_age_seconds()) +
                                           " is too short; at least " + print_seconds(kSpoolAgeMin) + ", or 0 for any age");
    }
    if (spool.size() == 0) {
      problem("spool.size", "spool.size is missing: how much of the disk the spool may take, such as 200GiB");
    } else if (spool.size() / 2 < spool.file_size()) {
      problem("spool.size", "spool.size: " + print_bytes(spool.size()) + " is less than two files of spool.file_size (" +
                                print_bytes(spool.file_size()) + "); give it more, or smaller files");
    }
  }

  void connection_log() {
    const v1::ConnectionLogConfig& log = config_.connection_log();
    if (log.directory().empty()) return;
    if (log.size() / 2 < log.file_size()) {
      problem("connection_log.size", "connection_log.size: " + print_bytes(log.size()) +
                                         " is less than two files of connection_log.file_size (" + print_bytes(log.file_size()) +
                                         "); give it more, or smaller files");
    }
    for (const auto& [name, seconds] :
         {std::pair{"file_age_seconds", log.file_age_seconds()}, std::pair{"max_age_seconds", log.max_age_seconds()}}) {
      if (seconds == 0 || seconds >= kLogAgeMin) continue;
      problem(std::string("connection_log.") + name, std::string("connection_log.") + name + ": " + print_seconds(seconds) +
                                                         " is too short; at least " + print_seconds(kLogAgeMin) +
                                                         ", or 0 for any age");
    }
  }

  void webhook() {
    const v1::WebhookConfig& webhook = config_.webhook();
    if (webhook.url().empty()) return;
    if (const std::string why = why_not_a_web_address(webhook.url()); !why.empty()) problem("webhook.url", "webhook.url: " + why);
    if (webhook.minimum_severity() == v1::SEVERITY_UNSPECIFIED)
      problem("webhook.minimum_severity", "webhook.minimum_severity: info, notice, warning or critical");
    if (!webhook.tls_ca().empty() && !webhook.url().starts_with("https:"))
      problem("webhook.tls_ca", "webhook.tls_ca: webhook.url is not https:, and shows no certificate");
    if (webhook.receiver().empty())
      problem("webhook.receiver", "webhook.receiver is empty: the name that messages bear, such as parallax");
  }

  void snap_rules() {
    const v1::SpoolConfig& spool = config_.spool();
    if (spool.snap_rules_size() > kSnapRulesMax) {
      problem("spool.snap_rules", "spool.snap_rules: " + std::to_string(spool.snap_rules_size()) + " rules; at most " +
                                      std::to_string(kSnapRulesMax));
    }
    for (int i = 0; i < spool.snap_rules_size(); ++i) {
      const v1::SnapRuleConfig& rule = spool.snap_rules(i);
      const std::string field = "spool.snap_rules[" + std::to_string(i) + ']';
      if (rule.snaplen() > spool.snaplen()) {
        problem(field + ".snaplen", field + ".snaplen: " + std::to_string(rule.snaplen()) + " is more than spool.snaplen (" +
                                        std::to_string(spool.snaplen()) +
                                        "), beyond which nothing is kept of any packet; raise that, or lower this");
      }
      if (rule.filter().empty() && i + 1 < spool.snap_rules_size()) {
        problem(field, field +
                           " has no filter and so holds for every packet: the rules after it are never reached; give it one, or "
                           "put it last");
      }
    }
  }

  void pinned() {
    const v1::PinnedConfig& pinned = config_.spool().pinned();
    if (pinned.rules_size() > kPinRulesMax) {
      problem("spool.pinned.rules",
              "spool.pinned.rules: " + std::to_string(pinned.rules_size()) + " rules; at most " + std::to_string(kPinRulesMax));
    }
    for (int i = 0; i < pinned.rules_size(); ++i) {
      const v1::PinRuleConfig& rule = pinned.rules(i);
      const std::string field = "spool.pinned.rules[" + std::to_string(i) + ']';
      if (!rule.service().empty() && !parse_service(rule.service())) {
        problem(field + ".service", field + ".service: \"" + rule.service() +
                                        "\" is no service: 192.0.2.1:443, \"[2001:db8::1]:443\", an address alone, or \":443\"");
      }
      if (rule.size() > pinned.size() / 2) {
        problem(field + ".size", field + ".size: " + print_bytes(rule.size()) + " is more than half of spool.pinned.size (" +
                                     print_bytes(pinned.size()) + "), so that each file would push out all others");
      }
    }
  }

  void limits() {
    const v1::LimitsConfig& limits = config_.limits();
    if (!std::has_single_bit(limits.ring_slots())) {
      problem("limits.ring_slots", "limits.ring_slots: " + std::to_string(limits.ring_slots()) + " is not a power of two; " +
                                       std::to_string(std::bit_ceil(limits.ring_slots())) + " is the next");
    }
    if (limits.half_open_legs() > limits.legs()) {
      problem("limits.half_open_legs", "limits.half_open_legs: " + std::to_string(limits.half_open_legs()) +
                                           " is more than limits.legs (" + std::to_string(limits.legs()) +
                                           "), of which they are a part");
    }
  }

  void api() {
    address_of_api();
    roles();
    const v1::ApiLimitsConfig& limits = config_.api().limits();
    bound_of_slices("slice_size", limits.slice_size());
    bound_of_slices("slice_rate", limits.slice_rate());
    part_of("watches", limits.watches(), limits.watches_per_caller());
    part_of("slices", limits.slices(), limits.slices_per_caller());
  }

  void part_of(const std::string& name, uint32_t in_all, uint32_t per_caller) {
    if (per_caller <= in_all) return;
    problem("api.limits." + name + "_per_caller", "api.limits." + name + "_per_caller: " + std::to_string(per_caller) +
                                                      " is more than api.limits." + name + " (" + std::to_string(in_all) +
                                                      "), of which they are a part");
  }

  void bound_of_slices(const std::string& name, uint64_t bytes) {
    if (bytes == 0 || bytes >= kSliceBoundMin) return;
    problem("api.limits." + name, "api.limits." + name + ": " + print_bytes(bytes) + " is too small; at least " +
                                      print_bytes(kSliceBoundMin) + ", or 0 for no limit");
  }

  void roles() {
    const v1::ApiConfig& api = config_.api();
    const bool on_unix = api.address().starts_with("unix:");
    if (api.roles_size() > kRolesMax)
      problem("api.roles", "api.roles: " + std::to_string(api.roles_size()) + " roles; at most " + std::to_string(kRolesMax));
    std::map<std::string, std::string> by_whom;  // -> the field that has it
    for (int i = 0; i < api.roles_size(); ++i) {
      const v1::RoleConfig& one = api.roles(i);
      const std::string field = "api.roles[" + std::to_string(i) + ']';
      if (one.role() == v1::ROLE_UNSPECIFIED) problem(field + ".role", field + ".role is missing: viewer, puller or admin");
      if (on_unix && one.has_name()) {
        problem(field + ".name", field + ".name: nobody shows a certificate on a unix socket; give a group, such as group: adm");
      } else if (!on_unix && one.has_group()) {
        problem(field + ".group", field +
                                      ".group: callers on TCP are in no group; give a name of their certificates, such as "
                                      "name: anna.example.net");
      } else if (on_unix && one.group().empty()) {
        problem(field + ".group",
                field + ".group is " + (one.has_group() ? "empty" : "missing") + ": the group that has this role, such as adm");
      } else if (!on_unix && !one.has_name()) {
        problem(field + ".name", field +
                                     ".name is missing: of the certificates that have this role, such as anna.example.net, "
                                     "\"*.example.net\", or \"*\" for all");
      } else if (const std::string why = on_unix ? std::string() : why_not_a_certificate_name(one.name()); !why.empty()) {
        problem(field + ".name", field + ".name: " + why);
      } else if (const auto [other, is_new] = by_whom.emplace(on_unix ? one.group() : one.name(), field); !is_new) {
        problem(field, field + ": " + other->second + " is of \"" + other->first +
                           "\" already; each once, with the highest role: it includes those below");
      }
    }
  }

  void address_of_api() {
    const v1::ApiConfig& api = config_.api();
    const std::string& address = api.address();
    struct Tls {
      const char* field;
      const std::string& value;
    };
    const Tls tls[] = {
        {"tls_certificate", api.tls_certificate()}, {"tls_key", api.tls_key()}, {"tls_client_ca", api.tls_client_ca()}};
    if (address.starts_with("unix:")) {
      const std::string path = address.substr(5);
      if (!path.starts_with('/')) {
        problem("api.address", "api.address: \"" + address + "\" needs an absolute path, such as unix:/run/parallax/grpc.sock");
      } else if (path.size() > kUnixPathMax) {
        problem("api.address", "api.address: the path has " + std::to_string(path.size()) +
                                   " bytes; a unix socket's has at most " + std::to_string(kUnixPathMax));
      }
      for (const Tls& option : tls) {
        if (!option.value.empty()) {
          problem(std::string("api.") + option.field,
                  std::string("api.") + option.field + ": a unix socket has no TLS; remove it, or give api.address as host:port");
        }
      }
      return;
    }
    if (!is_host_and_port(address)) {
      problem("api.address", "api.address: \"" + address + "\" is no address: unix:/path, or host:port with TLS");
      return;
    }
    for (const Tls& option : tls) {
      if (option.value.empty()) {
        problem("api.address", "api.address: \"" + address + "\" is a TCP address and needs mutual TLS: api." + option.field +
                                   " is missing (a PEM file)");
      }
    }
  }

  void detectors() {
    std::map<int, std::string> by_kind;  // -> the field that has it
    for (int i = 0; i < config_.detectors().severities_size(); ++i) {
      const v1::KindSeverityConfig& one = config_.detectors().severities(i);
      const std::string field = "detectors.severities[" + std::to_string(i) + ']';
      if (one.kind() == v1::FINDING_KIND_UNSPECIFIED) problem(field + ".kind", field + ".kind is missing: the kind of finding");
      if (one.severity() == v1::SEVERITY_UNSPECIFIED)
        problem(field + ".severity", field + ".severity is missing: info, notice, warning or critical");
      if (const auto [other, is_new] = by_kind.emplace(one.kind(), field); !is_new)
        problem(field + ".kind", field + ".kind: " + other->second + " is of that kind already; each kind once");
    }
  }

  void thresholds() {
    const v1::ThresholdsConfig& t = config_.thresholds();
    at_least("slow_server_longest_seconds", t.slow_server_longest_seconds(), "slow_server_mean_seconds",
             t.slow_server_mean_seconds());
    at_least("slow_client_longest_seconds", t.slow_client_longest_seconds(), "slow_client_mean_seconds",
             t.slow_client_mean_seconds());
  }

  // A longest wait below the mean one would turn the detector off without a word.
  void at_least(const std::string& name, double value, const std::string& other, double least) {
    if (value >= least) return;
    problem("thresholds." + name, "thresholds." + name + ": " + print_seconds(value) + " is less than thresholds." + other +
                                      " (" + print_seconds(least) + "), and nothing would be told");
  }

  void metrics() {
    const std::string& address = config_.metrics().address();
    if (!address.empty() && !is_host_and_port(address)) {
      problem("metrics.address",
              "metrics.address: \"" + address + "\" is no address: host:port such as 127.0.0.1:9464, or \"\" for none");
    } else if (!address.empty() && is_host_and_port(config_.api().address()) &&
               are_in_each_others_way(address, config_.api().address())) {
      problem("metrics.address", "metrics.address: \"" + address + "\" is in the way of api.address (\"" +
                                     config_.api().address() + "\"); each needs a port of its own");
    }
  }

  void eal() {
    for (int i = 0; i < config_.eal().arguments_size(); ++i) {
      if (config_.eal().arguments(i).empty()) {
        problem("eal.arguments[" + std::to_string(i) + ']',
                "eal.arguments: an argument is empty; one string for each, such as \"--log-level=8\"");
      }
    }
  }

  const v1::Config& config_;
  const ConfigUse use_;
  std::vector<ConfigProblem> problems_;
};

}  // namespace

std::string why_not_a_point(const std::string& name) { return why_not_a_name(name, "_-"); }

std::vector<ConfigProblem> check_config(const v1::Config& config, ConfigUse use) { return Checks(config, use).all(); }

}  // namespace parallax
