// The live graph: the one file that knows all of it. From the configuration to ports, rings, engine, spool and threads.
//
//   sources -> rx workers -> (rings) -> analysis workers -> correlator
//                       \-> spool lanes -> spool's writer
//
// Owned by main, called by the control thread; state() may be read by any thread. Nothing else starts a thread on the
// packet path. Stopped in the order of the flow, so that what was received is also analysed and written.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "capture/decode/flow_filter.h"
#include "capture/rx/poll_thread.h"
#include "capture/rx/rx_worker.h"
#include "capture/source/clock.h"
#include "capture/spool/spool.h"
#include "daemon/connection_log/connection_log.h"
#include "daemon/history/history.h"
#include "daemon/run/pinned_files.h"
#include "daemon/run/prepared_change.h"
#include "daemon/run/privileges.h"
#include "daemon/run/sensor_state.h"
#include "daemon/webhook/webhook.h"
#include "parallax/v1/config.pb.h"

namespace parallax {

// Which stages run on which thread. Pure, so that it can be tested without threads.
struct ThreadPlan {
  struct Thread {
    std::string name;
    int core = -1;                     // -1: not pinned
    std::vector<size_t> rx, analysis;  // indexes of workers
    bool correlator = false;
  };
  std::vector<Thread> threads;
  bool shared = false;  // run to completion: a thread has more than one kind of stage
};
// With cores listed: one thread a core, workers spread over them, the correlator on a thread of its own only where every
// worker has a core to itself. Without: a thread for each worker where the machine has cores for them (and one for the rest).
ThreadPlan plan_threads(size_t rx_workers, size_t analysis_workers, const std::vector<int>& cores, size_t hardware_cores);

class Pipeline {
 public:
  // Opens ports, spool and engine; nothing runs yet. The spool is made as `user`. Nullptr: `error` says why, in one sentence.
  static std::unique_ptr<Pipeline> open(const v1::Config& config, const std::optional<ServiceUser>& user, std::string& error);
  ~Pipeline();  // stops

  // Empty: it runs. Otherwise why not.
  std::string start();
  // In the order of the flow; each stage reports to the log what it handled. Takes at most a few seconds.
  void stop();

  // Sets what reload.h lets change, while packets flow. Empty, or why nothing was changed. REQUIRES: start() succeeded.
  std::string reconfigure(const v1::Config& running, const v1::Config& next);

  // The same for the log of connections and the webhook. To be taken once the rest has been. REQUIRES: start() succeeded.
  PreparedChange prepare_outputs(const v1::Config& running, const v1::Config& next);

  const SensorState& state() const { return state_; }
  Spool* spool() { return spool_.get(); }          // null: there is none
  PinnedFiles* pinned() { return pinned_.get(); }  // null: there is no spool
  Clock& clock() { return clock_; }
  // All sources were files, and all of them have been processed.
  bool finished() const;
  // The name of a thread that has made no progress since the last call; empty: all live. For the watchdog.
  std::string stalled_thread();
  // The name of a thread that has ended before its time, and why; empty: none. Then the pipeline is to be stopped.
  std::string failed_thread() const;

 private:
  struct Filters {
    std::optional<FlowFilter> analysis, spool;
    PacketFilters both() const { return {analysis ? &*analysis : nullptr, spool ? &*spool : nullptr}; }
  };
  struct FilterChange {
    PacketFilters filters;
    int64_t at_ns;
    bool analysis_changes;
  };

  // An rx worker that can be told to take no more while its thread goes on with the analysis, and to take other packets.
  class Intake : public Pollable {
   public:
    explicit Intake(RxWorker& worker) : worker_(worker) {}
    bool poll() override;
    Rest rest() override { return closed() ? Rest{} : worker_.rest(); }
    bool finished() const override { return closed(); }
    void close() { closing_.store(true, std::memory_order_release); }
    // At its next poll; `change` lives until has_changed().
    void change(const FilterChange* change) { change_.store(change, std::memory_order_release); }
    bool has_changed() const { return change_.load(std::memory_order_acquire) == nullptr || closed(); }
    // The worker is not, and will not be, in its poll(): it was told to close, or its files have ended.
    bool closed() const { return closed_.load(std::memory_order_acquire); }

   private:
    RxWorker& worker_;
    std::atomic<bool> closing_{false}, closed_{false};
    std::atomic<const FilterChange*> change_{nullptr};
  };

  Pipeline() = default;
  bool open_ports(const v1::Config& config, std::string& error);
  bool open_filters(const v1::Config& config, std::string& error);
  std::string compile_filters(const v1::FilterConfig& config, Filters& filters) const;  // empty, or why not
  void set_filters(std::unique_ptr<Filters> filters, bool analysis_changes);
  bool open_spool(const v1::Config& config, const std::optional<ServiceUser>& user, std::string& error);
  void open_history(const v1::Config& config, const std::optional<ServiceUser>& user);
  void open_connection_log(const v1::Config& config, const std::optional<ServiceUser>& user);
  void make_webhook(const v1::Config& config);
  bool make_rx_workers(const v1::Config& config, std::string& error);
  void make_engine(const v1::Config& config);
  void plan(const v1::Config& config);
  std::vector<const PollThread*> all_threads() const;  // the spool's, too
  void close_intakes();
  void drain_analysis();
  void report_ports() const;

  // In the order of the flow; destroyed against it.
  Clock clock_;
  std::vector<std::unique_ptr<PortChannel>> channels_;
  std::vector<std::unique_ptr<PacketSource>> sources_;  // until the rx workers take them
  bool all_files_ = false;
  ThreadPlan plan_;
  std::vector<LinkType> link_types_;  // of the sources
  std::unique_ptr<Filters> filters_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<PinnedFiles> pinned_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<History> history_;  // null: there is none
  std::unique_ptr<ConnectionLog> connection_log_;
  std::unique_ptr<Webhook> webhook_;
  std::vector<std::unique_ptr<RxWorker>> rx_workers_;
  std::vector<std::unique_ptr<Intake>> intakes_;
  std::vector<std::unique_ptr<PollThread>> threads_;
  std::vector<uint64_t> rounds_seen_;  // by stalled_thread()
  bool running_ = false;
  SensorState state_;
};

}  // namespace parallax
