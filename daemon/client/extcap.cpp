#include "daemon/client/extcap.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "capture/decode/bpf_filter.h"
#include "capture/decode/bpf_names.h"
#include "daemon/client/extcap_dialog.h"
#include "daemon/client/sensor_client.h"
#include "daemon/client/sensor_list.h"
#include "daemon/client/slice_choice.h"
#include "daemon/message/text_table.h"

namespace parallax {
namespace {

constexpr int kExitFailed = 1;
constexpr std::string_view kInterface = "parallax";  // of the sensor at the default address; others are parallax-NAME
// Wireshark asks for the dialogue of every interface when it starts, and waits.
constexpr auto kStartTimeout = std::chrono::milliseconds(500);
constexpr auto kReloadTimeout = std::chrono::seconds(5);

struct Call {
  std::map<std::string, std::string> options;  // by name, without dashes; empty where no value follows

  bool has(const std::string& name) const { return options.contains(name); }
  std::string value(const std::string& name) const { return has(name) ? options.at(name) : std::string(); }
};

// "--name value", "--name=value" and "--name". Options of later versions of Wireshark are taken, too.
Call parse(const std::vector<std::string>& arguments) {
  Call call;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (!word.starts_with("--")) continue;
    const size_t equals = word.find('=');
    if (equals != std::string::npos) {
      call.options[word.substr(2, equals - 2)] = word.substr(equals + 1);
    } else if (i + 1 < arguments.size() && !arguments[i + 1].starts_with("--")) {
      call.options[word.substr(2)] = arguments[++i];
    } else {
      call.options[word.substr(2)];
    }
  }
  return call;
}

ClientOutcome failed(std::string error) { return {kExitFailed, std::move(error)}; }

// By the names of their interfaces.
std::vector<NamedSensor> interfaces_of(const SensorList& list) {
  std::vector<NamedSensor> all{{std::string(kInterface), {}}};
  for (const NamedSensor& sensor : list.sensors) all.push_back({fmt::format("{}-{}", kInterface, sensor.name), sensor.client});
  return all;
}

// The sensor that the interface stands for, as the dialogue has changed it.
ClientOutcome sensor_of(const Call& call, ClientOptions& client) {
  const std::string interface = call.value("extcap-interface");
  const std::vector<NamedSensor> all = interfaces_of(read_sensor_list(sensor_list_path()));
  const auto found = std::find_if(all.begin(), all.end(), [&](const NamedSensor& sensor) { return sensor.name == interface; });
  if (found == all.end()) {
    return failed(fmt::format("there is no interface \"{}\": sensors are named in {}", interface, sensor_list_path().string()));
  }
  client = found->client;
  for (const auto& [option, member] : {std::pair("target", &client.target),
                                       {"tls-ca", &client.tls_ca},
                                       {"tls-cert", &client.tls_cert},
                                       {"tls-key", &client.tls_key}}) {
    if (const std::string value = call.value(option); !value.empty()) *member = value;
  }
  return {};
}

ClientOutcome list_findings(ClientOptions options, std::chrono::milliseconds timeout, std::vector<v1::Finding>& findings) {
  options.call_timeout = timeout;
  ClientOutcome outcome;
  const std::unique_ptr<SensorClient> client = SensorClient::make(options, outcome);
  if (client == nullptr) return outcome;
  v1::ListFindingsRequest request;
  request.set_page_size(1000);
  std::set<uint64_t> ids;
  const auto add = [&](const v1::Finding& finding) {
    if (ids.insert(finding.id()).second) findings.push_back(finding);
  };
  outcome = client->findings(request, add);
  if (outcome.exit_code != 0) return outcome;
  request.set_pinned(true);  // also those that the daemon has forgotten, and of its earlier runs
  return client->findings(request, add);
}

ClientOutcome list_interfaces(std::FILE* out, std::FILE* err) {
  fmt::print(out, "extcap {{version={}}}{{display=Parallax}}\n", PARALLAX_VERSION);
  const SensorList list = read_sensor_list(sensor_list_path());
  for (const std::string& error : list.errors) fmt::print(err, "parallax: {}\n", printable(error));
  for (const NamedSensor& sensor : interfaces_of(list)) {
    const std::string name = sensor.name == kInterface ? "" : ' ' + sensor.name.substr(kInterface.size() + 1);
    fmt::print(out, "interface {{value={}}}{{display=Parallax sensor{}}}\n", sensor.name, name);
  }
  return {};
}

// A remote sensor is asked only where a person asks for its list: Wireshark's start waits for none that is far or gone.
ClientOutcome show_dialog(const Call& call, std::FILE* out) {
  ClientOptions client;
  ClientOutcome outcome = sensor_of(call, client);
  if (outcome.exit_code != 0) return outcome;
  std::vector<v1::Finding> findings;
  if (call.has("extcap-reload-option")) {
    outcome = list_findings(client, kReloadTimeout, findings);
    if (outcome.exit_code == 0) fmt::print(out, "{}", finding_values(findings));
    return outcome;
  }
  if (client.target.starts_with("unix:")) list_findings(client, kStartTimeout, findings);
  fmt::print(out, "{}{}", dialog_arguments(client), finding_values(findings));
  return {};
}

// Wireshark takes what is printed for what is wrong with the filter.
ClientOutcome check_filter(const std::string& filter, std::FILE* out) {
  if (const auto name = find_host_name(filter)) {
    fmt::print(out, "'{}' at position {} is no word of pcap-filter(7), and host names are not looked up: give an address\n",
               name->text, name->position);
  } else if (const Result<BpfFilter> compiled = BpfFilter::compile(filter, LinkType::ethernet); !compiled.ok()) {
    fmt::print(out, "{}\n", compiled.error());
  }
  return {};
}

// A finding goes before a connection, and that before a time: the dialogue always has a time.
ClientOutcome choice_of(const Call& call, SliceChoice& choice) {
  for (const auto& [option, id] : {std::pair("finding", &choice.finding), {"connection", &choice.connection}}) {
    const std::string text = call.value(option);
    const char* const last = text.data() + text.size();
    const auto [end, failure] = std::from_chars(text.data(), last, *id);
    if (!text.empty() && (failure != std::errc{} || end != last))
      return failed(fmt::format("--{}: \"{}\" is no id: want a whole number", option, text));
    if (*id != 0) break;
  }
  // Wireshark gives the word alone, and only where it is wanted.
  if (call.has("incident") && call.value("incident") != "false") choice.incident = std::exchange(choice.finding, 0);
  if (choice.finding == 0 && choice.incident == 0 && choice.connection == 0) {
    choice.from = call.value("from").empty() ? std::string(kDialogFrom) : call.value("from");
    choice.to = call.value("to");
  }
  const std::string of_capture = call.value("extcap-capture-filter");
  choice.filter = call.value("filter");
  if (choice.filter.empty() || of_capture.empty()) {
    choice.filter += of_capture;
  } else {
    choice.filter = fmt::format("({}) and ({})", choice.filter, of_capture);
  }
  return {};
}

// Wireshark's pipe. It goes away when the capture is stopped, which is no fault.
class Fifo {
 public:
  explicit Fifo(const std::string& path)
      : path_(path), file_(::open(path.c_str(), O_WRONLY | O_CLOEXEC)), error_(file_ < 0 ? errno : 0) {}
  ~Fifo() {
    if (file_ >= 0) ::close(file_);
  }
  Fifo(const Fifo&) = delete;
  Fifo& operator=(const Fifo&) = delete;

  bool write(std::string_view data) {
    while (error_ == 0 && !data.empty()) {
      const ssize_t written = ::write(file_, data.data(), data.size());
      if (written >= 0) {
        data.remove_prefix(static_cast<size_t>(written));
      } else if (errno != EINTR) {
        error_ = errno;
      }
    }
    return error_ == 0;
  }
  bool is_closed() const { return error_ == EPIPE; }
  // Empty: nothing went wrong.
  std::string error() const { return error_ == 0 ? "" : fmt::format("cannot write {}: {}", path_, std::strerror(error_)); }

 private:
  const std::string path_;
  int file_, error_;
};

ClientOutcome pull(const Call& call, std::FILE* err, Fifo& fifo) {
  ClientOptions options;
  SliceChoice choice;
  v1::PullSliceRequest request;
  ClientOutcome outcome = sensor_of(call, options);
  if (outcome.exit_code == 0) outcome = choice_of(call, choice);
  if (outcome.exit_code == 0) outcome = to_request(choice, request);
  if (outcome.exit_code != 0) return outcome;
  const std::unique_ptr<SensorClient> client = SensorClient::make(options, outcome);
  if (client == nullptr) return outcome;
  std::optional<v1::SliceSummary> summary;
  outcome = client->slice(
      request, [&](const std::string& data) { return fifo.write(data); }, summary);
  if (outcome.exit_code == 0 && summary && !summary->has_first_packet()) {
    fmt::print(err, "parallax: no packets: none that was asked for is in the spool\n");
  }
  return outcome;
}

ClientOutcome capture(const Call& call, std::FILE* err, Fifo& fifo) {
  ::signal(SIGPIPE, SIG_IGN);
  const ClientOutcome outcome = fifo.error().empty() ? pull(call, err, fifo) : ClientOutcome{};
  if (fifo.is_closed()) return {};
  return fifo.error().empty() ? outcome : failed(fifo.error());
}

// `fifo`: of a capture.
ClientOutcome answer(const Call& call, std::FILE* out, std::FILE* err, std::optional<Fifo>& fifo) {
  if (fifo) return capture(call, err, *fifo);
  if (call.has("extcap-interfaces")) return list_interfaces(out, err);
  if (call.has("extcap-dlts")) {
    // Of the list alone: a slice says itself of which link type each packet is.
    fmt::print(out, "dlt {{number=1}}{{name=EN10MB}}{{display=Ethernet}}\n");
    return {};
  }
  if (call.has("extcap-config") || call.has("extcap-reload-option")) return show_dialog(call, out);
  if (call.has("extcap-capture-filter")) return check_filter(call.value("extcap-capture-filter"), out);
  return failed("want one of --extcap-interfaces, --extcap-dlts, --extcap-config, and --capture with --fifo: see extcap(4)");
}

}  // namespace

bool is_extcap_call(const std::vector<std::string>& arguments) {
  return std::any_of(arguments.begin(), arguments.end(), [](const std::string& word) { return word.starts_with("--extcap-"); });
}

int extcap(const std::vector<std::string>& arguments, std::FILE* out, std::FILE* err) {
  const Call call = parse(arguments);
  // Opened whatever comes, and closed last: Wireshark waits for a writer, also of one that has failed, and hears nothing after
  // it.
  std::optional<Fifo> fifo;
  if (call.has("capture") && !call.value("fifo").empty()) fifo.emplace(call.value("fifo"));
  const ClientOutcome outcome = answer(call, out, err, fifo);
  if (outcome.exit_code == 0) return 0;
  fmt::print(err, "parallax: {}\n", printable(outcome.error));
  std::fflush(err);
  return kExitFailed;
}

}  // namespace parallax
