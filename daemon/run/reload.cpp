#include "daemon/run/reload.h"

#include <fmt/format.h>
#include <google/protobuf/util/message_differencer.h>

#include <utility>

#include "config/loader.h"
#include "daemon/run/log.h"
#include "daemon/run/machine_check.h"

namespace parallax {
namespace {

using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;

void take_what_may_change(v1::Config& config, const v1::Config& from) {
  *config.mutable_filter() = from.filter();
  *config.mutable_detectors() = from.detectors();
  *config.mutable_thresholds() = from.thresholds();
  config.mutable_spool()->set_size(from.spool().size());
  config.mutable_spool()->set_max_age_seconds(from.spool().max_age_seconds());
  config.mutable_spool()->set_min_free(from.spool().min_free());
  v1::ApiConfig& api = *config.mutable_api();
  *api.mutable_roles() = from.api().roles();
  *api.mutable_limits() = from.api().limits();
  api.set_tls_certificate(from.api().tls_certificate());
  api.set_tls_key(from.api().tls_key());
  api.set_tls_client_ca(from.api().tls_client_ca());
  *config.mutable_spool()->mutable_snap_rules() = from.spool().snap_rules();
  *config.mutable_connection_log() = from.connection_log();
  *config.mutable_webhook() = from.webhook();
}

// Takes down the fields that differ, as the configuration writes them: "ports[1].source".
class Differences : public MessageDifferencer::Reporter {
 public:
  explicit Differences(std::vector<ConfigProblem>& found) : found_(found) {}

  using Path = std::vector<MessageDifferencer::SpecificField>;
  void ReportAdded(const Message&, const Message&, const Path& path) override { add(path); }
  void ReportDeleted(const Message&, const Message&, const Path& path) override { add(path); }
  void ReportModified(const Message&, const Message&, const Path& path) override {
    const bool is_section = path.back().field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE;
    if (!is_section) add(path);  // of a section its fields have been told
  }

 private:
  void add(const Path& path) {
    std::string field;
    for (const MessageDifferencer::SpecificField& part : path) {
      field += (field.empty() ? "" : ".") + part.field->name();
      const int index = part.new_index >= 0 ? part.new_index : part.index;
      if (index >= 0) field += fmt::format("[{}]", index);
    }
    found_.push_back({field, fmt::format("{}: cannot be changed while running; restart parallaxd", field)});
  }

  std::vector<ConfigProblem>& found_;
};

}  // namespace

std::vector<ConfigProblem> changes_that_need_a_restart(const v1::Config& running, const v1::Config& next) {
  v1::Config as_it_may_be = running;
  take_what_may_change(as_it_may_be, next);
  std::vector<ConfigProblem> found;
  Differences differences(found);
  MessageDifferencer differencer;
  differencer.ReportDifferencesTo(&differences);
  differencer.Compare(as_it_may_be, next);
  return found;
}

Reload::Reload(std::string path, v1::Config running, Pipeline& pipeline, PrepareAccess prepare_access)
    : path_(std::move(path)), running_(std::move(running)), pipeline_(pipeline), prepare_access_(std::move(prepare_access)) {
  pipeline_.state().configured->taken_ns = pipeline_.clock().now_ns();
}

bool Reload::refuse() {
  pipeline_.state().configured->last_was_taken = false;
  log_error("{} is not taken: the daemon goes on as it was configured before", path_);
  return false;
}

bool Reload::tell(const LoadedConfig& loaded, const std::vector<ConfigProblem>& problems) {
  for (const ConfigProblem& found : problems)
    log_line(LogLevel::error, loaded.places.error_at(found.field, found.message).text());
  return problems.empty();
}

bool Reload::now() {
  const LoadedConfig loaded = load_config_file(path_, ConfigUse::daemon);
  for (const ConfigError& error : loaded.errors) log_line(LogLevel::error, error.text());
  if (!loaded.ok()) return refuse();
  std::vector<ConfigProblem> problems = changes_that_need_a_restart(running_, loaded.config);
  for (const auto& check : {check_filters, check_webhook}) {
    for (MachineProblem& found : check(loaded.config)) problems.push_back(std::move(found.problem));
  }
  if (!tell(loaded, problems)) return refuse();
  std::vector<PreparedChange> changes;
  if (prepare_access_) changes.push_back(prepare_access_(loaded.config.api()));
  changes.push_back(pipeline_.prepare_outputs(running_, loaded.config));
  for (const PreparedChange& change : changes) {
    if (!tell(loaded, change.problems)) return refuse();
  }
  if (const std::string error = pipeline_.reconfigure(running_, loaded.config); !error.empty()) {
    log_error("{}: {}", path_, error);
    return refuse();
  }
  for (const PreparedChange& change : changes) {
    if (change.take) change.take();
  }
  running_ = loaded.config;
  pipeline_.state().configured->taken_ns = pipeline_.clock().now_ns();
  pipeline_.state().configured->last_was_taken = true;
  log_notice("{} is in effect", path_);
  return true;
}

}  // namespace parallax
