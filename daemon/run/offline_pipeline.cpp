#include "daemon/run/offline_pipeline.h"

#include <chrono>
#include <thread>

#include "capture/rx/poll_thread.h"

namespace parallax {
namespace {

// Offline only the reader waits, and only for rings that the analysis is emptying: when nothing moves any more and yet
// not everything is done, that is a defect of ours, to be told and not to be waited for.
constexpr const char* kStandstill =
    "internal error: the analysis has come to a standstill before the end of its input; please report it";
constexpr int kIdleRoundsMax = 100'000;
constexpr uint32_t kRoundsBetween = 1024;  // calls of `going_on`
constexpr std::chrono::seconds kIdleTimeMax{30};

}  // namespace

OfflinePipeline::OfflinePipeline(std::vector<OfflineInput> inputs, EngineOptions options, size_t ring_slots,
                                 const FlowFilter* filter, KeyFrom key_from)
    : workers_(options.workers) {
  std::vector<RxPort> ports;
  std::vector<PortChannel*> channels;
  for (OfflineInput& input : inputs) {
    PortInfo info{input.name, input.point, PortDirection::both, "file:" + input.name, input.part};
    channels_.push_back(std::make_unique<PortChannel>(std::move(info), workers_, ring_slots));
    channels.push_back(channels_.back().get());
    for (const PortOutage& outage : input.outages) channels.back()->outages.add(outage);
    for (const PortOutage& silence : input.silences) channels.back()->silences.add(silence);
    ports.push_back({static_cast<PortIndex>(ports.size()), channels.back(), std::move(input.source)});
  }
  RxWorkerOptions rx_options;
  rx_options.filters.analysis = filter;
  rx_options.key_from = key_from;
  rx_worker_ = std::make_unique<RxWorker>(std::move(ports), rx_options);
  engine_ = std::make_unique<Engine>(std::move(options), std::move(channels));
}

std::string OfflinePipeline::run(const std::function<void()>& going_on) {
  const std::function<void()> told = going_on ? going_on : [] {};
  return workers_ == 1 ? run_alone(told) : run_threads(told);
}

std::string OfflinePipeline::run_alone(const std::function<void()>& going_on) {
  Pollable& worker = *engine_->workers().front();
  int idle_rounds = 0;
  for (uint32_t round = 0; !engine_->finished(); ++round) {
    if (round % kRoundsBetween == 0) going_on();
    bool busy = engine_->correlator().poll();
    if (!busy) {
      busy |= rx_worker_->poll();
      busy |= worker.poll();
    }
    idle_rounds = busy ? 0 : idle_rounds + 1;
    if (idle_rounds > kIdleRoundsMax) return kStandstill;
  }
  return {};
}

std::string OfflinePipeline::run_threads(const std::function<void()>& going_on) {
  std::vector<std::unique_ptr<PollThread>> threads;
  for (Pollable* worker : engine_->workers()) {
    PollThreadOptions options;
    options.name = "analysis-" + std::to_string(threads.size());
    options.stages = {worker};
    threads.push_back(std::make_unique<PollThread>(std::move(options)));
    if (std::string error = threads.back()->start(); !error.empty()) return error;
  }
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_busy = Clock::now();
  uint64_t busy_rounds_seen = 0;
  uint32_t round = 0;
  for (int idle_rounds = 0; !engine_->finished();) {
    if (round++ % kRoundsBetween == 0) going_on();
    const bool busy = engine_->correlator().poll() || rx_worker_->poll();
    idle_rounds = busy ? 0 : idle_rounds + 1;
    if (idle_rounds < 200) continue;
    // Nothing to do here: give the core to the workers, and see whether they at least go on.
    std::this_thread::sleep_for(std::chrono::microseconds(20));
    uint64_t busy_rounds = 0;
    for (const auto& thread : threads) {
      busy_rounds += thread->rounds() - thread->idle_rounds();
      if (const std::string failure = thread->failure(); !failure.empty()) return "internal error: " + failure;
    }
    const Clock::time_point now = Clock::now();
    if (idle_rounds == 200 || busy_rounds != busy_rounds_seen) last_busy = now;
    busy_rounds_seen = busy_rounds;
    if (now - last_busy > kIdleTimeMax) return kStandstill;
  }
  return {};
}

}  // namespace parallax
