#include "daemon/client/client_commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "config/enum_text.h"
#include "daemon/client/client_text.h"
#include "daemon/client/record_choice.h"
#include "daemon/client/sensor_client.h"
#include "daemon/client/slice_beginning.h"
#include "daemon/client/slice_choice.h"
#include "daemon/client/slice_readers.h"
#include "daemon/client/slice_text.h"
#include "daemon/client/status_watch.h"
#include "daemon/message/json.h"
#include "parallax/v1/sensor.pb.h"

namespace parallax {
namespace {

constexpr int kExitFailed = 1, kExitUsage = 2;
constexpr size_t kFollowedMax = 65536;  // findings remembered by --follow; the oldest is told again

struct Options {
  ClientOptions client;
  std::string format = "text";
  bool follow = false, pinned = false, this_run = false;
  std::string severity, kind, outcome;
  RecordChoice records;
  SliceChoice slice;
  std::string output;
  SliceListen listen;
  bool watch = false;
  double interval_seconds = 2;

  bool json() const { return format == "json"; }
};

ClientOutcome usage(std::string error) { return {kExitUsage, std::move(error)}; }

// One JSON line, shaped as `analyze --format json` has it.
void print_json(const google::protobuf::Message& message) { fmt::print("{}\n", to_json(message)); }
void print_record(const v1::Finding& finding) {
  v1::Record record;
  *record.mutable_finding() = finding;
  print_json(record);
}
void print_record(const v1::Connection& connection) {
  v1::Record record;
  *record.mutable_connection() = connection;
  print_json(record);
}
void print_record(const v1::Device& device) {
  v1::Record record;
  *record.mutable_device() = device;
  print_json(record);
}

// An empty word leaves `value` unspecified. False: `outcome` says what would be right.
template <typename E>
bool parse_word(const std::string& option, const std::string& text, E& value, ClientOutcome& outcome) {
  if (text.empty()) return true;
  const auto* type = google::protobuf::GetEnumDescriptor<E>();
  if (const auto* found = find_enum_value(*type, text); found != nullptr && found->number() != 0) {
    value = static_cast<E>(found->number());
    return true;
  }
  std::string words;
  for (int i = 0; i < type->value_count(); ++i) {
    if (type->value(i)->number() != 0) words += fmt::format("{}{}", words.empty() ? "" : ", ", enum_text(*type->value(i)));
  }
  outcome = usage(fmt::format("{}: \"{}\" is none of {}", option, text, words));
  return false;
}

ClientOutcome run_status(SensorClient& client, const Options& options) {
  if (options.watch) {
    const auto interval = std::chrono::milliseconds(std::llround(options.interval_seconds * 1000));
    return watch_status(client, {interval, options.json()}, stdout, stderr);
  }
  v1::Status status;
  ClientOutcome outcome = client.status(status);
  if (outcome.exit_code != 0) return outcome;
  if (options.json()) {
    print_json(status);
  } else {
    fmt::print("{}", status_text(status));
  }
  return outcome;
}

ClientOutcome run_follow(SensorClient& client, const Options& options, const v1::ListFindingsRequest& wanted) {
  v1::WatchFindingsRequest request;
  request.set_minimum_severity(wanted.minimum_severity());
  request.set_kind(wanted.kind());
  *request.mutable_filter() = wanted.filter();
  // A person is told of a finding when it is new, whenever its count has doubled, and when it is over or withdrawn; a program
  // gets every change.
  std::map<uint64_t, uint64_t> count_told;
  return client.watch_findings(request, [&](const v1::Finding& finding) {
    if (finding.dropped_before() > 0) fmt::print(stderr, "parallax: {}\n", dropped_text(finding.dropped_before()));
    if (options.json()) {
      print_record(finding);
    } else {
      const bool is_withdrawn = finding.state() == v1::FINDING_STATE_WITHDRAWN;
      const bool is_over = is_withdrawn || finding.state() == v1::FINDING_STATE_CLOSED;
      if (is_withdrawn && !count_told.contains(finding.id())) return;
      const auto [told, is_new] = count_told.try_emplace(finding.id(), finding.count());
      if (!is_new && !is_over && finding.count() < 2 * told->second) return;
      told->second = finding.count();
      fmt::print("{}", finding_line(finding));
      if (is_over) count_told.erase(told);
      if (count_told.size() > kFollowedMax) count_told.erase(count_told.begin());
    }
    std::fflush(stdout);
  });
}

// The daemon names what it refuses of a filter as the message does: "filter.client: ...". It was typed as an option.
ClientOutcome as_typed(ClientOutcome outcome) {
  constexpr std::string_view kField = "filter.";
  if (outcome.error.starts_with(kField)) outcome.error.replace(0, kField.size(), "--");
  return outcome;
}

// Standard output has the list alone.
void point_to_pinned(SensorClient& client) {
  v1::Status status;
  if (client.status(status).exit_code != 0) return;
  if (const uint64_t count = status.spool().pinned().files_of_earlier_runs(); count > 0) {
    std::fflush(stdout);
    fmt::print(stderr, "parallax: {} of earlier runs of the daemon {} pinned: `parallax findings --pinned` lists {}\n",
               count == 1 ? "1 finding" : count_text(count) + " findings", count == 1 ? "is" : "are", count == 1 ? "it" : "them");
  }
}

ClientOutcome run_findings(SensorClient& client, const Options& options) {
  ClientOutcome outcome;
  v1::Severity severity = v1::SEVERITY_UNSPECIFIED;
  v1::FindingKind kind = v1::FINDING_KIND_UNSPECIFIED;
  if (!parse_word("--severity", options.severity, severity, outcome) || !parse_word("--kind", options.kind, kind, outcome))
    return outcome;
  v1::ListFindingsRequest request;
  request.set_minimum_severity(severity);
  request.set_kind(kind);
  outcome = to_filter(options.records, *request.mutable_filter());
  if (outcome.exit_code != 0) return outcome;
  if (options.follow) return as_typed(run_follow(client, options, request));
  request.set_pinned(options.pinned);
  request.set_this_run(options.this_run);
  request.set_newest(options.records.number);
  TextTable table = finding_table();
  outcome = client.findings(request, [&](const v1::Finding& finding) {
    if (options.json()) {
      print_record(finding);
    } else {
      add_row(finding, table);
    }
  });
  if (outcome.exit_code == 0 && !options.json()) {
    fmt::print("{}", !table.empty() ? table.text() : options.pinned ? "No pinned findings.\n" : "No findings.\n");
    if (!options.pinned) point_to_pinned(client);
  }
  return as_typed(std::move(outcome));
}

ClientOutcome run_connections(SensorClient& client, const Options& options) {
  ClientOutcome outcome;
  v1::Outcome wanted = v1::OUTCOME_UNSPECIFIED;
  if (!parse_word("--outcome", options.outcome, wanted, outcome)) return outcome;
  v1::ListConnectionsRequest request;
  request.set_outcome(wanted);
  request.set_newest(options.records.number);
  outcome = to_filter(options.records, *request.mutable_filter());
  if (outcome.exit_code != 0) return outcome;
  TextTable table = connection_table();
  outcome = client.connections(request, [&](const v1::Connection& connection) {
    if (options.json()) {
      print_record(connection);
    } else {
      add_row(connection, table);
    }
  });
  if (outcome.exit_code == 0 && !options.json()) fmt::print("{}", table.empty() ? "No connections.\n" : table.text());
  return as_typed(std::move(outcome));
}

ClientOutcome run_devices(SensorClient& client, const Options& options) {
  bool any = false;
  const ClientOutcome outcome = client.devices({}, [&](const v1::Device& device) {
    any = true;
    if (options.json()) {
      print_record(device);
    } else {
      fmt::print("{}", device_text(device));
    }
  });
  if (outcome.exit_code == 0 && !any && !options.json()) fmt::print("No devices known yet.\n");
  return outcome;
}

ClientOutcome run_slice(SensorClient& client, const Options& options) {
  v1::PullSliceRequest request;
  ClientOutcome outcome = to_request(options.slice, request);
  if (outcome.exit_code != 0) return outcome;
  if (!options.listen.address.empty()) return serve_slice(client, request, options.listen, stderr);
  const std::string& resumed = options.slice.resume;
  const std::string& output = resumed.empty() ? options.output : resumed;
  const bool to_stdout = output.empty() || output == "-";
  if (to_stdout && ::isatty(STDOUT_FILENO) == 1) {
    return usage("a pcapng is not for a terminal: give -o FILE, or pipe it on, such as to `wireshark -k -i -`");
  }
  if (!resumed.empty()) {
    const Result<v1::SliceResume> has = beginning_of(resumed);
    if (!has) return usage("--resume: " + has.error());
    *request.mutable_resume() = *has;
  }
  // The file is made with the first bytes, so that a refused slice leaves none behind.
  std::FILE* file = to_stdout ? stdout : nullptr;
  std::string failure;
  std::optional<v1::SliceSummary> summary;
  const auto write = [&](const std::string& data) {
    if (file == nullptr) file = std::fopen(output.c_str(), resumed.empty() ? "wbe" : "abe");
    if (file != nullptr && std::fwrite(data.data(), 1, data.size(), file) == data.size()) return true;
    failure = std::strerror(errno);
    return false;
  };
  outcome = client.slice(request, write, summary);
  if (file != nullptr && failure.empty() && std::fflush(file) != 0) failure = std::strerror(errno);
  if (file != nullptr && !to_stdout) std::fclose(file);
  if (!failure.empty()) return {kExitFailed, fmt::format("cannot write {}: {}", to_stdout ? "standard output" : output, failure)};
  if (outcome.exit_code != 0 && file != nullptr && !to_stdout) {
    outcome.error +=
        fmt::format(" ({} is incomplete; the same command with --resume {} in place of -o goes on with it)", output, output);
  }
  if (outcome.exit_code == 0 && summary) fmt::print(stderr, "{}", slice_text(*summary, request.filter()));
  return outcome;
}

using Run = ClientOutcome (*)(SensorClient&, const Options&);

int run_command(Run run, const Options& options) {
  ClientOutcome outcome;
  if (const std::unique_ptr<SensorClient> client = SensorClient::make(options.client, outcome)) outcome = run(*client, options);
  if (outcome.exit_code != 0) fmt::print(stderr, "parallax: {}\n", printable(outcome.error));
  return outcome.exit_code;
}

CLI::App* add_command(CLI::App& app, const std::shared_ptr<Options>& options, const char* name, const char* text, Run run,
                      int& exit_code) {
  CLI::App* command = app.add_subcommand(name, text);
  command->add_option("--target", options->client.target, "The daemon's address: unix:/PATH or HOST:PORT")->capture_default_str();
  command->add_option("--tls-ca", options->client.tls_ca, "Certificate of the authority that signed the daemon's");
  command->add_option("--tls-cert", options->client.tls_cert, "Certificate to show to the daemon");
  command->add_option("--tls-key", options->client.tls_key, "Its key");
  command->callback([run, options, &exit_code] { exit_code = run_command(run, *options); });
  return command;
}

void add_format(CLI::App& command, Options& options) {
  command.add_option("--format", options.format, "text, or json: one object a line")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
}

// What findings and connections are chosen by alike. The option for their number. An empty value would choose all.
CLI::Option* add_record_choice(CLI::App& command, RecordChoice& choice) {
  const CLI::Validator some([](std::string& text) { return text.empty() ? std::string("is empty") : std::string(); }, "");
  const auto add = [&](const char* name, std::string& value, const char* text) {
    command.add_option(name, value, text)->check(some);
  };
  add("--client", choice.client, "Only of this client: an address or a prefix, such as 192.0.2.0/24");
  add("--service", choice.service, "Only of this server: 192.0.2.1:443, [2001:db8::1]:443, 192.0.2.1 or :443");
  add("--host", choice.host, "Only with this address or prefix at either end, at any point");
  command.add_option("--port", choice.port, "Only with this port at either end, at any point")->check(CLI::Range(1, UINT16_MAX));
  add("--from", choice.from, "Only seen at this time or later: 2026-01-31T12:00:00Z, or an age: 90s, 10m, 2h, 1d");
  add("--to", choice.to, "Only seen at this time or earlier");
  return command.add_option("-n,--number", choice.number, "Only the newest so many of those, the newest last (as journalctl -n)")
      ->check(CLI::Validator(
          [](const std::string& text) {
            uint32_t count = 0;
            const char* const last = text.data() + text.size();
            const auto [end, failure] = std::from_chars(text.data(), last, count);
            const bool is_count = failure == std::errc{} && end == last && count > 0;
            return is_count ? std::string() : fmt::format("\"{}\" is no number of them: want a whole number from 1", text);
          },
          "COUNT"));
}

CLI::Validator an_id(const std::string& command) {
  const auto check = [command](const std::string& text) {
    uint64_t id = 0;
    const char* const last = text.data() + text.size();
    const auto [end, failure] = std::from_chars(text.data(), last, id);
    if (failure == std::errc{} && end == last && id > 0) return std::string();
    return fmt::format("\"{}\" is no id: a whole number from 1, as `parallax {}` lists them", text, command);
  };
  return CLI::Validator(check, "ID");
}

}  // namespace

void add_client_commands(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* status =
      add_command(app, options, "status", "What the daemon is doing: ports, losses, clock, spool", run_status, exit_code);
  add_format(*status, *options);
  CLI::Option* watch =
      status->add_flag("--watch,-w", options->watch, "Again and again until Ctrl-C, with what each stage did a second");
  status->add_option("--interval", options->interval_seconds, "Seconds between two of them")
      ->check(CLI::Range(0.1, 3600.0))
      ->needs(watch)
      ->capture_default_str();

  CLI::App* findings = add_command(app, options, "findings", "What the daemon has found", run_findings, exit_code);
  add_format(*findings, *options);
  CLI::Option* follow = findings->add_flag("--follow,-f", options->follow, "Go on, with each new or changed finding");
  findings->add_flag("--pinned", options->pinned, "Those whose packets are pinned, also when they are forgotten otherwise")
      ->excludes(follow);
  findings->add_flag("--this-run", options->this_run, "None that earlier runs of the daemon have told of")->excludes(follow);
  findings->add_option("--severity", options->severity, "At least: info, notice, warning or critical");
  findings->add_option("--kind", options->kind, "Only this kind, such as syn_unanswered");
  add_record_choice(*findings, options->records)->excludes(follow);

  CLI::App* connections =
      add_command(app, options, "connections", "The connections that the daemon remembers", run_connections, exit_code);
  add_format(*connections, *options);
  connections->add_option("--outcome", options->outcome, "Only those: established, refused, unanswered, ...");
  add_record_choice(*connections, options->records);

  CLI::App* devices =
      add_command(app, options, "devices", "The devices between the points, and what they do", run_devices, exit_code);
  add_format(*devices, *options);

  CLI::App* slice = add_command(app, options, "slice", "Pulls a pcapng out of the daemon's spool", run_slice, exit_code);
  CLI::Option* finding =
      slice->add_option("--finding", options->slice.finding, "The packets of this finding")->check(an_id("findings"));
  CLI::Option* incident = slice
                              ->add_option("--incident", options->slice.incident,
                                           "The packets of this finding, and of all findings that tell of the same connections")
                              ->check(an_id("findings"));
  CLI::Option* connection =
      slice->add_option("--connection", options->slice.connection, "The packets of this connection")->check(an_id("connections"));
  CLI::Option* from = slice->add_option("--from", options->slice.from,
                                        "Packets from this time on: 2026-01-31T12:00:00Z, or an age: 90s, 10m, 2h");
  slice->add_option("--to", options->slice.to, "... until this time; now, if not given")->needs(from);
  CLI::Option* community = slice->add_option("--community-id", options->slice.community_id,
                                             "The packets of the connections with a leg of this community ID, at all points");
  finding->excludes(incident)->excludes(connection)->excludes(from)->excludes(community);
  incident->excludes(connection)->excludes(from)->excludes(community);
  connection->excludes(from)->excludes(community);
  community->excludes(from);
  slice->add_option("--filter", options->slice.filter, "BPF, on top of the selection; addresses, not host names");
  CLI::Option* output = slice->add_option("-o,--output", options->output, "File; standard output, if not given");
  CLI::Option* resume =
      slice
          ->add_option("--resume", options->slice.resume, "The file that holds the beginning of the same slice, to go on with it")
          ->excludes(output);
  CLI::Option* listen =
      slice
          ->add_option("--listen", options->listen.address,
                       "PCAP-over-IP: serves the slice to who connects to PORT on 127.0.0.1, or to ADDRESS:PORT")
          ->excludes(output)
          ->excludes(resume);
  slice->add_option("--readers", options->listen.readers, "Ends when so many have had the slice; 0: with Ctrl-C")
      ->needs(listen)
      ->capture_default_str();
}

}  // namespace parallax
