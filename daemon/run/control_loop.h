// The control thread: one io_context with signals and timers. Everything that is neither packet path nor API happens here:
// the clock's discipline, systemd's watchdog and status, findings into the log, ports that say nothing.
//
// Runs on the thread that calls run(), from the start of the pipeline to the signal that ends it.
#pragma once

// Fences are for contexts that several threads run, and the thread sanitizer does not know them. Here it is one thread.
#define BOOST_ASIO_DISABLE_FENCED_BLOCK
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <vector>

#include "capture/rx/port_watch.h"
#include "daemon/run/finding_log.h"
#include "daemon/run/pipeline.h"
#include "daemon/run/spool_log.h"

namespace parallax {

class ControlLoop {
 public:
  // `reload` is called on SIGHUP.
  ControlLoop(Pipeline& pipeline, std::function<void()> reload);

  // Until SIGTERM or SIGINT, or until a thread of the pipeline fails: then false, and the log says which and why.
  bool run();
  // Findings that are new since the last call, and what the log was spared. Also called once more after the pipeline has stopped.
  void log_findings();

 private:
  void every(std::chrono::milliseconds interval, std::function<void()> work);
  void wait_for_signal();
  void look_for_failed_threads();
  void notify_watchdog();
  void notify_status();
  void watch_ports();
  void log_outages();
  void log_losses();

  Pipeline& pipeline_;
  const std::function<void()> reload_;
  boost::asio::io_context context_{1};
  boost::asio::signal_set signals_;
  std::list<boost::asio::steady_timer> timers_;
  FindingLog finding_log_;
  PortWatch port_watch_;
  std::optional<SpoolLog> spool_log_;
  struct Told {
    bool link_up = true, silent = false;
    uint64_t outages = 0, held_back = 0;
    std::array<uint64_t, kDropReasonCount> drops{};
  };
  std::vector<Told> told_;  // by port, what is in the log
  bool files_done_ = false;
  bool failed_ = false;
};

}  // namespace parallax
