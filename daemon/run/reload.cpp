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

bool Reload::now() {
  const LoadedConfig loaded = load_config_file(path_, ConfigUse::daemon);
  for (const ConfigError& error : loaded.errors) log_line(LogLevel::error, error.text());
  if (!loaded.ok()) return refuse();
  bool fits = true;
  for (const MachineProblem& found : check_filters(loaded.config)) {
    log_line(LogLevel::error, loaded.places.error_at(found.problem.field, found.problem.message).text());
    fits = false;
  }
  for (const ConfigProblem& change : changes_that_need_a_restart(running_, loaded.config)) {
    log_line(LogLevel::error, loaded.places.error_at(change.field, change.message).text());
    fits = false;
  }
  AccessChange access;
  if (prepare_access_ && fits) access = prepare_access_(loaded.config.api());
  for (const ConfigProblem& problem : access.problems) {
    log_line(LogLevel::error, loaded.places.error_at(problem.field, problem.message).text());
    fits = false;
  }
  if (!fits) return refuse();
  if (const std::string error = pipeline_.reconfigure(running_, loaded.config); !error.empty()) {
    log_error("{}: {}", path_, error);
    return refuse();
  }
  if (access.take) access.take();
  running_ = loaded.config;
  pipeline_.state().configured->taken_ns = pipeline_.clock().now_ns();
  pipeline_.state().configured->last_was_taken = true;
  log_notice("{} is in effect", path_);
  return true;
}

}  // namespace parallax
