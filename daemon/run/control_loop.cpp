#include "daemon/run/control_loop.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <csignal>
#include <cstddef>

#include "daemon/run/log.h"

namespace parallax {
namespace {

using std::chrono::milliseconds;

constexpr auto kClockInterval = milliseconds(1000);
constexpr auto kFailureInterval = milliseconds(100);
constexpr auto kFindingsInterval = milliseconds(250);
constexpr auto kStatusInterval = milliseconds(5000);
constexpr auto kLossesInterval = milliseconds(10000);
constexpr auto kSuppressedInterval = milliseconds(1000);
constexpr auto kSpoolInterval = milliseconds(1000);
constexpr auto kPortsInterval = milliseconds(50);  // half of a tick of PortActivity

}  // namespace

ControlLoop::ControlLoop(Pipeline& pipeline, std::function<void()> reload)
    : pipeline_(pipeline),
      reload_(std::move(reload)),
      signals_(context_, SIGTERM, SIGINT, SIGHUP),
      finding_log_(pipeline.state()),
      port_watch_(pipeline.state().channels),
      told_(pipeline.state().channels.size()) {
  wait_for_signal();
  every(kClockInterval, [this] { pipeline_.clock().discipline(); });
  every(kFailureInterval, [this] { look_for_failed_threads(); });
  every(kFindingsInterval, [this] { log_findings(); });
  every(kStatusInterval, [this] { notify_status(); });
  every(kPortsInterval, [this] { watch_ports(); });
  every(kLossesInterval, [this] { log_losses(); });
  every(kSuppressedInterval, [] { log_suppressed(); });
  if (Spool* const spool = pipeline.spool(); spool != nullptr) {
    spool_log_.emplace(*spool, [](LogLevel level, std::string_view text) { log_line(level, text); });
    every(kSpoolInterval, [this] { spool_log_->tell_faults(); });
    every(kLossesInterval, [this] { spool_log_->tell_losses(); });
  }
  uint64_t watchdog_us = 0;
  if (::sd_watchdog_enabled(0, &watchdog_us) > 0) {
    every(std::max(milliseconds(watchdog_us / 2000), milliseconds(1)), [this] { notify_watchdog(); });
  }
}

bool ControlLoop::run() {
  context_.run();
  return !failed_;
}

void ControlLoop::every(milliseconds interval, std::function<void()> work) {
  boost::asio::steady_timer& timer = timers_.emplace_back(context_, interval);
  // Each round starts the next: from the time it was due, so that the rounds do not drift.
  const auto round = std::make_shared<std::function<void(const boost::system::error_code&)>>();
  *round = [&timer, interval, work = std::move(work), weak = std::weak_ptr(round)](const boost::system::error_code& error) {
    if (error) return;
    work();
    timer.expires_at(std::max(timer.expiry() + interval, std::chrono::steady_clock::now()));
    if (const auto self = weak.lock()) timer.async_wait([self](const boost::system::error_code& next) { (*self)(next); });
  };
  timer.async_wait([round](const boost::system::error_code& error) { (*round)(error); });
}

void ControlLoop::wait_for_signal() {
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    if (signal == SIGHUP) {
      ::sd_notify(0, "RELOADING=1");
      reload_();
      ::sd_notify(0, "READY=1");
      wait_for_signal();
      return;
    }
    log_notice("{}: stopping", signal == SIGTERM ? "SIGTERM" : "SIGINT");
    ::sd_notify(0, "STOPPING=1");
    context_.stop();
  });
}

void ControlLoop::log_findings() {
  finding_log_.tell();
  if (!files_done_ && pipeline_.finished()) {
    files_done_ = true;
    log_info("all files have been worked off; waiting for a signal");
  }
}

// One that is gone takes no packets, or lets the others wait for ever: a restart is better than half a sensor.
void ControlLoop::look_for_failed_threads() {
  const std::string failed = pipeline_.failed_thread();
  if (failed.empty() || failed_) return;
  log_error("thread {}: stopping", failed);
  ::sd_notify(0, "STOPPING=1");
  failed_ = true;
  context_.stop();
}

void ControlLoop::notify_watchdog() {
  if (const std::string thread = pipeline_.stalled_thread(); !thread.empty()) {
    log_error("thread {} has made no progress within half the watchdog's time", thread);
    return;  // systemd restarts us if this goes on
  }
  ::sd_notify(0, "WATCHDOG=1");
}

void ControlLoop::notify_status() {
  const SummaryRecord summary = pipeline_.state().engine->summary();
  uint64_t findings = 0;
  for (const auto& [kind, count] : summary.findings_by_kind) findings += count;
  ::sd_notify(0, fmt::format("STATUS={} packets, {} connections, {} paired, {} findings, {} packets lost by the sensor",
                             summary.packets, summary.connections, summary.paired_connections, findings, summary.sensor_loss)
                     .c_str());
}

void ControlLoop::watch_ports() {
  port_watch_.look();
  log_outages();
}

// What was lost since it was last told, and what kept packets waiting, with what is to be raised.
void ControlLoop::log_losses() {
  const std::vector<PortChannel*>& channels = pipeline_.state().channels;
  for (size_t i = 0; i < channels.size(); ++i) {
    const PortChannel& channel = *channels[i];
    Told& told = told_[i];
    const uint64_t held_back = channel.counters.held_back.get();
    if (held_back > told.held_back) {
      log_notice(
          "port {}: its ring to the analysis was full {} times, and packets waited in the capture buffer: limits.ring_slots is "
          "{}; where that goes on, raise workers.count",
          channel.info.name, held_back - told.held_back, channel.rings.front()->capacity());
    }
    told.held_back = held_back;
    for (int reason = 0; reason < kDropReasonCount; ++reason) {
      const uint64_t drops = channel.counters.drops[reason].get();
      if (drops > told.drops[reason])
        log_warning("port {}: lost {} packets at {}", channel.info.name, drops - told.drops[reason],
                    drop_reason_name(static_cast<DropReason>(reason)));
      told.drops[reason] = drops;
    }
  }
}

void ControlLoop::log_outages() {
  const std::vector<PortChannel*>& channels = pipeline_.state().channels;
  for (size_t i = 0; i < channels.size(); ++i) {
    const PortChannel& channel = *channels[i];
    Told& told = told_[i];
    const bool up = channel.link_up.load(std::memory_order_relaxed);
    if (up != told.link_up) log_warning("port {}: link {}", channel.info.name, up ? "up again" : "down");
    told.link_up = up;
    const bool silent = channel.silences.total() > 0 && channel.silences.newest().goes_on();
    if (silent && !told.silent) {
      log_warning("port {}: silent while its neighbours go on; is its cable or mirror in place?", channel.info.name);
    }
    if (!silent && told.silent) log_warning("port {}: packets again", channel.info.name);
    told.silent = silent;
    const uint64_t outages = channel.outages.total();
    const std::vector<PortOutage> kept = channel.outages.kept();
    const auto fresh = static_cast<std::ptrdiff_t>(std::min<uint64_t>(outages - told.outages, kept.size()));
    told.outages = outages;
    for (auto outage = kept.end() - fresh; outage != kept.end(); ++outage) {
      if (outage->cause == OutageCause::link_down) continue;
      log_warning("port {}: {}: what is absent within these {} ms proves nothing", channel.info.name, text_of(outage->cause),
                  (outage->to_ns - outage->from_ns) / 1'000'000);
    }
  }
}

}  // namespace parallax
