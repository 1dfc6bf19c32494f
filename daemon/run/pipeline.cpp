#include "daemon/run/pipeline.h"

#include <fmt/format.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <numeric>
#include <span>
#include <thread>

#include "capture/source/eal.h"
#include "capture/source/open_source.h"
#include "daemon/message/key_from.h"
#include "daemon/run/detector_settings.h"
#include "daemon/run/log.h"
#include "daemon/run/message_names.h"

namespace parallax {
namespace {

using google::protobuf::util::MessageDifferencer;

constexpr int64_t kMergeWaitOwnCoresNs = 1'000'000;
constexpr int64_t kMergeWaitSharedNs = 50'000'000;
constexpr auto kCloseTimeout = std::chrono::seconds(1);
constexpr auto kDrainTimeout = std::chrono::seconds(2);
constexpr auto kDrainCheck = std::chrono::milliseconds(1);

int64_t to_ns(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

PortDirection direction_of(v1::PortDirection direction) {
  switch (direction) {
    case v1::PORT_DIRECTION_TOWARD_INSIDE:
      return PortDirection::toward_inside;
    case v1::PORT_DIRECTION_TOWARD_OUTSIDE:
      return PortDirection::toward_outside;
    default:
      return PortDirection::both;
  }
}

SpoolLimits spool_limits(const v1::SpoolConfig& config) {
  return {config.size(), to_ns(config.max_age_seconds()), config.min_free()};
}

Result<SpoolSnapRules> snap_rules(const v1::SpoolConfig& config, std::span<const LinkType> link_types) {
  std::vector<SpoolSnapRule> rules;
  for (const v1::SnapRuleConfig& rule : config.snap_rules()) {
    SpoolSnapRule& added = rules.emplace_back();
    added.filter = rule.filter();
    if (rule.has_snaplen()) added.snaplen = rule.snaplen();
    if (rule.has_payload()) added.payload = rule.payload();
  }
  Result<SpoolSnapRules> compiled = SpoolSnapRules::compile(rules, link_types);
  if (!compiled) return Error{"spool.snap_rules" + compiled.error()};
  return compiled;
}

LogFileBounds log_file_bounds(const v1::ConnectionLogConfig& config) {
  return {.file_bytes = config.file_size(),
          .file_age_ns = to_ns(config.file_age_seconds()),
          .bytes = config.size(),
          .files = config.files(),
          .max_age_ns = to_ns(config.max_age_seconds())};
}

void log_news(News news, std::string_view text) { log_line(news == News::trouble ? LogLevel::warning : LogLevel::notice, text); }

size_t rx_worker_count(const v1::Config& config) {
  return std::clamp<size_t>(config.workers().rx_count(), 1, std::max(1, config.ports_size()));
}
size_t analysis_worker_count(const v1::Config& config) { return std::max<size_t>(config.workers().count(), 1); }

template <typename Condition>
bool wait_until(Condition condition, std::chrono::nanoseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(kDrainCheck);
  }
  return true;
}

}  // namespace

ThreadPlan plan_threads(size_t rx_workers, size_t analysis_workers, const std::vector<int>& cores, size_t hardware_cores) {
  const size_t workers = rx_workers + analysis_workers;
  // Without a list, one core is left to the control thread, the spool's writer and the rest of the machine.
  const size_t room = !cores.empty()                 ? cores.size()
                      : hardware_cores > workers + 1 ? workers + 1
                                                     : std::max<size_t>(hardware_cores, 2) - 1;
  const size_t for_workers = std::min(room, workers);
  ThreadPlan plan;
  plan.shared = for_workers < workers;
  plan.threads.resize(for_workers);
  for (size_t i = 0; i < workers; ++i) {
    ThreadPlan::Thread& thread = plan.threads[i % for_workers];
    if (!cores.empty()) thread.core = cores[i % for_workers];
    if (i < rx_workers) {
      thread.rx.push_back(i);
    } else {
      thread.analysis.push_back(i - rx_workers);
    }
  }
  for (ThreadPlan::Thread& thread : plan.threads) {
    if (!thread.rx.empty() && !thread.analysis.empty()) {
      thread.name = fmt::format("run{}", thread.rx.front());
    } else if (!thread.rx.empty()) {
      thread.name = fmt::format("rx{}", thread.rx.front());
    } else {
      thread.name = fmt::format("analysis{}", thread.analysis.front());
    }
  }
  if (plan.shared) {
    plan.threads.back().correlator = true;
  } else {
    // Leg openings are rare: where no core is listed for it, the correlator runs wherever there is room.
    plan.threads.push_back({"correlator", cores.size() > workers ? cores[workers] : -1, {}, {}, true});
  }
  return plan;
}

bool Pipeline::Intake::poll() {
  if (closing_.load(std::memory_order_acquire)) {
    closed_.store(true, std::memory_order_release);
    return false;
  }
  if (const FilterChange* const change = change_.load(std::memory_order_acquire); change != nullptr) {
    worker_.set_filters(change->filters, change->at_ns, change->analysis_changes);
    change_.store(nullptr, std::memory_order_release);
  }
  const bool worked = worker_.poll();
  if (worker_.finished()) closed_.store(true, std::memory_order_release);
  return worked;
}

std::unique_ptr<Pipeline> Pipeline::open(const v1::Config& config, const std::optional<ServiceUser>& user, std::string& error) {
  std::unique_ptr<Pipeline> pipeline(new Pipeline);
  pipeline->state_.name = config.sensor().name();
  pipeline->state_.version = PARALLAX_VERSION;
  pipeline->state_.started_ns = pipeline->clock_.now_ns();
  pipeline->state_.path = {config.path().begin(), config.path().end()};
  pipeline->state_.spool_filtered = !config.filter().spool().empty();
  pipeline->state_.device_timeout_ns = to_ns(config.timing().device_timeout_seconds());
  pipeline->state_.key_from = key_from(config.identity());
  pipeline->state_.clock_uncertainty_ns = [clock = &pipeline->clock_] { return clock->uncertainty_ns(); };
  if (!pipeline->open_ports(config, error) || !pipeline->open_filters(config, error) ||
      !pipeline->open_spool(config, user, error)) {
    return nullptr;
  }
  pipeline->open_history(config, user);
  pipeline->open_connection_log(config, user);
  pipeline->plan(config);
  pipeline->make_engine(config);
  pipeline->make_webhook(config);
  if (!pipeline->make_rx_workers(config, error)) return nullptr;
  return pipeline;
}

bool Pipeline::open_ports(const v1::Config& config, std::string& error) {
  std::vector<std::string> names;
  for (const v1::PortConfig& port : config.ports()) names.push_back(port.source());
  EalOptions eal;
  eal.huge_pages = config.eal().huge_pages();
  eal.memory_mib = config.eal().memory_mib();
  eal.arguments = {config.eal().arguments().begin(), config.eal().arguments().end()};
  if (error = start_eal_for(names, std::move(eal)); !error.empty()) return false;

  OpenOptions options;
  options.clock = &clock_;
  options.mbufs = config.limits().mbufs();
  options.kernel_delivery_ns = to_ns(config.timing().kernel_delivery_seconds());
  all_files_ = config.ports_size() > 0;
  for (const v1::PortConfig& port : config.ports()) {
    Result<std::unique_ptr<PacketSource>> source = open_source(port.source(), options);
    if (!source) {
      error = fmt::format("port {}: {}", port.name(), source.error());
      return false;
    }
    sources_.push_back(std::move(source.value()));
    all_files_ = all_files_ && sources_.back()->is_file();
    const auto point = std::find(state_.path.begin(), state_.path.end(), port.point()) - state_.path.begin();
    PortInfo info{port.name(), static_cast<PointIndex>(point), direction_of(port.direction()), port.source()};
    channels_.push_back(
        std::make_unique<PortChannel>(std::move(info), analysis_worker_count(config), config.limits().ring_slots()));
    state_.channels.push_back(channels_.back().get());
  }
  return true;
}

std::string Pipeline::compile_filters(const v1::FilterConfig& config, Filters& filters) const {
  const auto compile = [&](const char* key, const std::string& expression, std::optional<FlowFilter>& filter) -> std::string {
    if (expression.empty()) return {};
    Result<FlowFilter> compiled = FlowFilter::compile(expression, link_types_);
    if (!compiled) return fmt::format("filter.{}: {}", key, compiled.error());
    filter = std::move(compiled.value());
    return {};
  };
  if (std::string error = compile("analysis", config.analysis(), filters.analysis); !error.empty()) return error;
  return compile("spool", config.spool(), filters.spool);
}

bool Pipeline::open_filters(const v1::Config& config, std::string& error) {
  for (const auto& source : sources_) link_types_.push_back(source->link_type());
  filters_ = std::make_unique<Filters>();
  error = compile_filters(config.filter(), *filters_);
  return error.empty();
}

std::string Pipeline::reconfigure(const v1::Config& running, const v1::Config& next) {
  auto filters = std::make_unique<Filters>();
  if (std::string error = compile_filters(next.filter(), *filters); !error.empty()) return error;
  Result<SpoolSnapRules> rules = snap_rules(next.spool(), link_types_);
  if (!rules) return rules.error();
  if (spool_ != nullptr) {
    if (std::string error = spool_->set_limits(spool_limits(next.spool())); !error.empty()) return error;
    spool_->set_snap_rules(std::move(*rules));
    pinned_->set_min_free(next.spool().min_free());
  }
  // Before the filters: what they keep away from then on is not to be taken for absent.
  engine_->reconfigure(detector_settings(next), !next.filter().analysis().empty());
  state_.spool_filtered = state_.spool_filtered || !next.filter().spool().empty();
  const bool analysis_changes = running.filter().analysis() != next.filter().analysis();
  if (analysis_changes || running.filter().spool() != next.filter().spool()) set_filters(std::move(filters), analysis_changes);
  return {};
}

void Pipeline::set_filters(std::unique_ptr<Filters> filters, bool analysis_changes) {
  const FilterChange change{filters->both(), clock_.now_ns(), analysis_changes};
  for (const auto& intake : intakes_) intake->change(&change);
  // The workers poll every few milliseconds; one that does not is told of by the watchdog, and until then nothing goes on here.
  const auto is_set = [this] {
    return std::all_of(intakes_.begin(), intakes_.end(), [](const auto& intake) { return intake->has_changed(); });
  };
  while (!wait_until(is_set, kCloseTimeout)) log_warning("reload: an rx worker does not take its filters");
  filters_ = std::move(filters);
}

bool Pipeline::open_spool(const v1::Config& config, const std::optional<ServiceUser>& user, std::string& error) {
  if (config.spool().directory().empty()) return true;
  SpoolOptions options;
  options.directory = config.spool().directory();
  options.limits = spool_limits(config.spool());
  options.file_size = config.spool().file_size();
  options.require_mount = config.spool().require_mount();
  options.snaplen = config.spool().snaplen();
  Result<SpoolSnapRules> rules = snap_rules(config.spool(), link_types_);
  if (!rules) {
    error = rules.error();
    return false;
  }
  options.snap_rules = std::move(*rules);
  options.lanes = rx_worker_count(config);
  options.port_statistics = [this](PortIndex port) {
    const PortCounters& counters = channels_[port]->counters;
    SpoolOptions::PortStatistics statistics;
    statistics.received = counters.packets.get();
    for (const DropReason reason : {DropReason::nic, DropReason::socket, DropReason::mbuf}) {
      statistics.dropped += counters.drops[static_cast<size_t>(reason)].get();
    }
    return statistics;
  };
  std::vector<SpoolPort> ports;
  for (size_t i = 0; i < channels_.size(); ++i) {
    ports.push_back({channels_[i]->info, state_.path[channels_[i]->info.point], sources_[i]->link_type()});
  }
  if (user) {
    if (const std::string failure = give_empty_directory(options.directory, *user); !failure.empty()) {
      error = "spool: " + failure;
      return false;
    }
  }
  const ActingAs owner(user);
  Result<std::unique_ptr<Spool>> opened = Spool::open(std::move(options), std::move(ports));
  if (!opened) {
    error = "spool: " + opened.error();
    return false;
  }
  spool_ = std::move(*opened);
  for (const std::string& repair : spool_->status().repairs) log_notice("spool opened: {}", repair);
  state_.spool = spool_.get();
  pinned_ = std::make_unique<PinnedFiles>(PinnedFilesOptions{.spool = config.spool().directory(),
                                                             .size = config.spool().pinned().size(),
                                                             .max_age_ns = to_ns(config.spool().pinned().max_age_seconds()),
                                                             .min_free = config.spool().min_free(),
                                                             .require_mount = config.spool().require_mount()});
  for (const std::string& repair : pinned_->repairs()) log_notice("pinned files: {}", repair);
  if (const uint64_t files = pinned_->status().files; files > 0) log_info("{}: {} pinned files", pinned_->directory(), files);
  state_.pinned = pinned_.get();
  return true;
}

// A sensor without its history is a sensor all the same: what is wrong with it is told, and no reason not to start.
void Pipeline::open_history(const v1::Config& config, const std::optional<ServiceUser>& user) {
  const v1::HistoryConfig& history = config.history();
  if (history.directory().empty()) return;
  if (user) {
    if (const std::string failure = give_empty_directory(history.directory(), *user); !failure.empty())
      log_warning("history: {}", failure);
  }
  const ActingAs owner(user);
  HistoryOptions options{
      .directory = history.directory(),
      .bounds = {.findings = history.findings(), .bytes = history.size(), .max_age_ns = to_ns(history.max_age_seconds())},
      .run = {.started_ns = state_.started_ns, .version = state_.version}};
  history_ = std::make_unique<History>(std::move(options), log_news);
  if (const HistoryState opened = history_->state(); opened.error.empty())
    log_info("history {}: {} findings of earlier runs", opened.file, opened.earlier_findings);
  state_.history = history_.get();
}

// Nor is one that cannot write its log.
void Pipeline::open_connection_log(const v1::Config& config, const std::optional<ServiceUser>& user) {
  connection_log_ =
      std::make_unique<ConnectionLog>(ConnectionLineSource{state_.name, state_.started_ns, names_of(state_)}, log_news);
  state_.connection_log = connection_log_.get();
  const v1::ConnectionLogConfig& log = config.connection_log();
  if (log.directory().empty()) return;
  if (user) {
    if (const std::string failure = give_empty_directory(log.directory(), *user); !failure.empty())
      log_warning("connection log: {}", failure);
  }
  const ActingAs owner(user);
  connection_log_->open(log.directory(), log_file_bounds(log));
}

void Pipeline::make_webhook(const v1::Config& config) {
  webhook_ = std::make_unique<Webhook>(webhook_options(config.webhook()),
                                       AlertSource{state_.name, state_.started_ns, names_of(state_)}, log_news);
  state_.webhook = webhook_.get();
}

PreparedChange Pipeline::prepare_outputs(const v1::Config& running, const v1::Config& next) {
  const v1::ConnectionLogConfig& log = next.connection_log();
  PreparedChange change;
  std::shared_ptr<LogFiles> files;
  const bool has_moved = log.directory() != running.connection_log().directory();
  if (has_moved && !log.directory().empty()) {
    files = std::make_shared<LogFiles>(log.directory(), log_file_bounds(log));
    if (std::string error = files->open(); !error.empty())
      change.problems.push_back({"connection_log.directory", "connection_log.directory: " + error});
  }
  change.take = [this, files, has_moved, bounds = log_file_bounds(log), is_on = !log.directory().empty(),
                 changes_webhook = !MessageDifferencer::Equals(running.webhook(), next.webhook()),
                 options = webhook_options(next.webhook())] {
    if (has_moved) {
      connection_log_->change(files);
    } else if (is_on) {
      connection_log_->change(bounds);
    }
    if (changes_webhook) webhook_->change(options);
  };
  return change;
}

void Pipeline::plan(const v1::Config& config) {
  const std::vector<int> cores(config.workers().cores().begin(), config.workers().cores().end());
  plan_ = plan_threads(rx_worker_count(config), analysis_worker_count(config), cores, std::thread::hardware_concurrency());
}

void Pipeline::make_engine(const v1::Config& config) {
  EngineOptions options;
  options.path = state_.path;
  options.workers = analysis_worker_count(config);
  options.offline = all_files_;  // nothing is pressing then, and nothing need be dropped
  options.legs = config.limits().legs();
  options.half_open_legs = config.limits().half_open_legs();
  options.connections = config.limits().connections();
  options.findings = config.limits().findings();
  // An id is not to name two.
  if (pinned_ != nullptr) options.first_finding_id = pinned_->highest_id() + 1;
  if (history_ != nullptr) {
    options.first_finding_id = std::max(options.first_finding_id, history_->first_ids().finding);
    options.first_connection_id = history_->first_ids().connection;
  }
  options.merge_wait_ns = to_ns(config.timing().merge_wait_seconds());
  if (options.merge_wait_ns == 0) options.merge_wait_ns = plan_.shared ? kMergeWaitSharedNs : kMergeWaitOwnCoresNs;
  options.filtered = !config.filter().analysis().empty();
  options.device_timeout_ns = to_ns(config.timing().device_timeout_seconds());
  options.idle_timeout_ns = to_ns(config.timing().idle_timeout_seconds());
  options.detectors = detector_settings(config);
  options.tells_ends = !config.connection_log().directory().empty();
  engine_ = std::make_unique<Engine>(options, state_.channels);
  state_.engine = engine_.get();
}

bool Pipeline::make_rx_workers(const v1::Config& config, std::string& error) {
  RxWorkerOptions options;
  options.filters = filters_->both();
  options.key_from = key_from(config.identity());
  if (const char* const rule = std::getenv(kDropHookVariable); rule != nullptr) {
    std::vector<std::string> names;
    for (const auto& channel : channels_) names.push_back(channel->info.name);
    Result<DropHook> hook = parse_drop_hook(rule, names);
    if (!hook) {
      error = fmt::format("{}: {}", kDropHookVariable, hook.error());
      return false;
    }
    log_warning("{} is set: packets are dropped on purpose ({})", kDropHookVariable, rule);
    options.drop_hook = std::move(hook.value());
  }
  const size_t workers = rx_worker_count(config);
  for (size_t worker = 0; worker < workers; ++worker) {
    std::vector<RxPort> ports;
    for (size_t i = worker; i < channels_.size(); i += workers) {
      ports.push_back({static_cast<PortIndex>(i), channels_[i].get(), std::move(sources_[i])});
    }
    RxWorkerOptions own = options;
    own.spool = spool_ != nullptr ? &spool_->lane(worker) : nullptr;
    rx_workers_.push_back(std::make_unique<RxWorker>(std::move(ports), std::move(own)));
    intakes_.push_back(std::make_unique<Intake>(*rx_workers_.back()));
  }
  return true;
}

std::string Pipeline::start() {
  const std::vector<Pollable*> analysis = engine_->workers();
  for (const ThreadPlan::Thread& thread : plan_.threads) {
    PollThreadOptions options;
    options.name = thread.name;
    options.core = thread.core;
    for (const size_t i : thread.rx) options.stages.push_back(intakes_[i].get());
    for (const size_t i : thread.analysis) options.stages.push_back(analysis[i]);
    if (thread.correlator) options.stages.push_back(&engine_->correlator());
    threads_.push_back(std::make_unique<PollThread>(std::move(options)));
  }
  running_ = true;
  if (history_ != nullptr) history_->start(*engine_, names_of(state_));
  connection_log_->start(*engine_);
  webhook_->start(*engine_);
  if (spool_ != nullptr) {
    if (std::string error = spool_->start(); !error.empty()) return error;
  }
  // Against the flow, so that each stage finds its consumer running.
  for (auto thread = threads_.rbegin(); thread != threads_.rend(); ++thread) {
    if (std::string error = (*thread)->start(); !error.empty()) return error;
  }
  log_info("{} ports, {} rx workers, {} analysis workers on {} threads{}", channels_.size(), rx_workers_.size(), analysis.size(),
           threads_.size(), plan_.shared ? " (run to completion)" : "");
  return {};
}

bool Pipeline::finished() const { return all_files_ && engine_->finished(); }

std::string Pipeline::stalled_thread() {
  const std::vector<const PollThread*> threads = all_threads();
  rounds_seen_.resize(threads.size(), 0);
  std::string stalled;
  for (size_t i = 0; i < threads.size(); ++i) {
    const uint64_t rounds = threads[i]->rounds();
    if (rounds == rounds_seen_[i] && !threads[i]->finished()) stalled = threads[i]->name();
    rounds_seen_[i] = rounds;
  }
  return stalled;
}

std::string Pipeline::failed_thread() const {
  for (const PollThread* thread : all_threads()) {
    if (const std::string failure = thread->failure(); !failure.empty()) return fmt::format("{}: {}", thread->name(), failure);
  }
  return {};
}

std::vector<const PollThread*> Pipeline::all_threads() const {
  std::vector<const PollThread*> threads;
  for (const auto& thread : threads_) threads.push_back(thread.get());
  if (spool_ != nullptr) {
    const auto of_spool = spool_->threads();
    threads.insert(threads.end(), of_spool.begin(), of_spool.end());
  }
  return threads;
}

void Pipeline::close_intakes() {
  for (const auto& intake : intakes_) intake->close();
  const auto closed = [this] {
    return std::all_of(intakes_.begin(), intakes_.end(), [](const auto& intake) { return intake->closed(); });
  };
  if (!wait_until(closed, kCloseTimeout)) log_warning("stop: an rx worker does not come to its end");
}

void Pipeline::drain_analysis() {
  // The rx workers are out of their loops: to the merge, every port has ended.
  for (const auto& channel : channels_) channel->watermark_ns.store(kTimeMax, std::memory_order_release);
  if (!wait_until([this] { return engine_->finished(); }, kDrainTimeout)) {
    log_warning("stop: the analysis was not done within {} s; what it still held is lost",
                std::chrono::duration_cast<std::chrono::seconds>(kDrainTimeout).count());
  }
}

void Pipeline::report_ports() const {
  for (const auto& channel : channels_) {
    const PortCounters& counters = channel->counters;
    uint64_t errors = 0;
    for (int i = 1; i < kDecodeErrorCount; ++i) errors += counters.decode_errors[i].get();
    std::string drops;
    for (int i = 0; i < kDropReasonCount; ++i) {
      if (const uint64_t count = counters.drops[i].get(); count != 0) {
        drops += fmt::format(", lost {} at {}", count, drop_reason_name(static_cast<DropReason>(i)));
      }
    }
    log_line(LogLevel::info, fmt::format("port {}: {} packets, {} bytes, {} filtered, {} not decoded{}", channel->info.name,
                                         counters.packets.get(), counters.bytes.get(), counters.filtered.get(), errors, drops));
  }
  for (const auto& worker : rx_workers_) {
    for (size_t i = 0; i < worker->port_count(); ++i) {
      if (const std::string warning = worker->source(i).warning(); !warning.empty()) log_line(LogLevel::warning, warning);
    }
  }
}

void Pipeline::stop() {
  if (!running_) return;
  running_ = false;
  close_intakes();
  drain_analysis();
  for (const auto& thread : threads_) thread->request_stop();
  for (const auto& thread : threads_) thread->join();
  report_ports();
  const SummaryRecord summary = engine_->summary();
  log_info("analysis: {} packets, {} late, {} connections, {} paired, {} legs unpaired, {} packets lost by the sensor",
           summary.packets, engine_->counters().late_packets, summary.connections, summary.paired_connections,
           summary.unpaired_legs, summary.sensor_loss);
  for (const std::string& bound : summary.bounds_hit) log_notice("bound hit: {}", bound);
  if (history_ != nullptr) {
    history_->stop();
    const HistoryState state = history_->state();
    log_info("history: {} findings written, {} forgotten before they were{}{}", state.written, state.dropped,
             state.error.empty() ? "" : ", ", state.error);
  }
  connection_log_->stop();
  if (const ConnectionLogState state = connection_log_->state(); !state.directory.empty()) {
    log_info("connection log: {} lines, {} bytes written, {} connections dropped{}{}", state.written, state.written_bytes,
             std::accumulate(state.dropped.begin(), state.dropped.end(), uint64_t{0}), state.error.empty() ? "" : ", ",
             state.error);
  }
  webhook_->stop();
  if (const WebhookState state = webhook_->state(); !state.receiver.empty()) {
    log_info("webhook: {} changes of findings told in {} posts{}{}", state.alerts, state.posts, state.error.empty() ? "" : ", ",
             state.error);
  }
  if (spool_ == nullptr) return;
  spool_->stop();
  const SpoolStatus status = spool_->status();
  log_info("spool: {} packets, {} bytes written ({} of them past the page cache), {} packets dropped, {} files removed{}{}",
           status.packets_written, status.bytes_written, status.bytes_written_direct, status.dropped_packets,
           status.files_removed(), status.error.empty() ? "" : ", ", status.error);
}

Pipeline::~Pipeline() {
  stop();
  // DPDK's ports go before its environment.
  threads_.clear();
  intakes_.clear();
  rx_workers_.clear();
  sources_.clear();
  eal_stop();
}

}  // namespace parallax
