// Tells a receiver made for Alertmanager's webhook of findings: that they were raised, have changed, are over.
//
// A thread of its own watches the findings, four times a second, as a client does, and posts what the AlertBook says; nothing
// waits for it. What the receiver does not take is told again, with longer and longer pauses, in its newest state by then.
// Bounded by limits.findings and AlertBook::kAlertsMax; what is lost is counted by a name. Made, started and stopped by the
// control thread; state() is for any thread.
#pragma once

#include <array>
#include <chrono>
#include <mutex>
#include <string>

#include "analysis/engine.h"
#include "daemon/background/background_thread.h"
#include "daemon/background/tell.h"
#include "daemon/webhook/alert.h"
#include "daemon/webhook/alert_book.h"
#include "daemon/webhook/http_post.h"
#include "parallax/v1/config.pb.h"

namespace parallax {

// Why a change of a finding is not told.
enum class AlertDropReason : uint8_t { forgotten, queue_full, refused, stop };
inline constexpr std::array<const char*, 4> kAlertDropNames{"forgotten", "queue_full", "refused", "stop"};

struct WebhookOptions {
  HttpPostOptions post;
  Severity minimum_severity = Severity::warning;
  std::vector<FindingKind> kinds;  // empty: all
  int64_t update_ns = 60'000'000'000;
  std::string receiver, external_url;
};
WebhookOptions webhook_options(const v1::WebhookConfig& config);

struct WebhookState {
  std::string receiver;
  uint64_t posts = 0, alerts = 0;  // since start, as are the next two
  std::array<uint64_t, kPostFailureNames.size()> failed{};
  std::array<uint64_t, kAlertDropNames.size()> dropped{};
  uint64_t firing = 0, waiting = 0;
  std::string error;  // why the last post failed; empty: it did not
};

class Webhook {
 public:
  static constexpr auto kStopBudget = std::chrono::milliseconds(500);

  Webhook(WebhookOptions options, AlertSource source, Tell tell);
  ~Webhook();  // stops

  // The engine outlives it.
  void start(const Engine& engine);
  // What fires is over, for nobody watches any more: tells that, for kStopBudget.
  void stop();
  WebhookState state() const;

 private:
  using Clock = std::chrono::steady_clock;

  void run(BackgroundThread::Round round);
  void go_round();
  void take_changes();
  void end_forgotten();
  void post_what_is_due();
  bool post(const AlertBook::Batch& batch, std::chrono::milliseconds at_most);
  void end_all();
  void count_dropped(AlertDropReason reason, uint64_t changes);
  void update_state();

  const WebhookOptions options_;
  const AlertSource source_;
  const Tell tell_;
  const Engine* engine_ = nullptr;
  FindingWatch watch_;
  AlertBook book_;
  HttpPost post_;
  std::string error_told_;
  std::chrono::seconds pause_{0};
  Clock::time_point next_post_{}, next_look_{};

  mutable std::mutex state_mutex_;
  WebhookState state_;

  BackgroundThread thread_;
};

}  // namespace parallax
