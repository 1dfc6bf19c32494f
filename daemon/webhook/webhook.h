// Tells a receiver made for Alertmanager's webhook of findings: that they were raised, have changed, are over.
//
// A thread of its own watches the findings, four times a second, as a client does, and posts what the AlertBook says; nothing
// waits for it. What the receiver does not take is told again, with longer and longer pauses, in its newest state by then.
// Bounded by limits.findings and AlertBook::kAlertsMax; what is lost is counted by a name. Made, started, changed
// and stopped by the control thread; state() is for any thread.
#pragma once

#include <array>
#include <chrono>
#include <mutex>
#include <optional>
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
  HttpPostOptions post;  // without a URL nothing is told
  Severity minimum_severity = Severity::warning;
  std::vector<FindingKind> kinds;  // empty: all
  int64_t update_ns = 60'000'000'000;
  std::string receiver, external_url;

  bool wants(const Alert& alert) const;
};
WebhookOptions webhook_options(const v1::WebhookConfig& config);

struct WebhookState {
  std::string receiver;            // empty: there is none now
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
  // Other options, from the next round on: no finding is missed, and none told again but to another URL. That is told of all that
  // fires, and the one before, for kStopBudget, that it is over; as at the end where there is no URL. REQUIRES: it was started.
  void change(WebhookOptions options);
  // What fires is over, for nobody watches any more: tells that, for kStopBudget.
  void stop();
  WebhookState state() const;

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr const char* kStopNote = "no longer watched: the sensor was stopped";

  void run(BackgroundThread::Round round);
  void go_round();
  void run_thread();
  void take_change();
  void change_receiver(const HttpPostOptions& next);
  void take_changes();
  void end_forgotten();
  void post_what_is_due();
  bool post(AlertBook& book, const AlertBook::Batch& batch, std::chrono::milliseconds at_most);
  void post_all(AlertBook& book);
  void end_all();
  void count_dropped(AlertDropReason reason, uint64_t changes);
  void update_state();

  WebhookOptions options_;
  const AlertSource source_;
  const Tell tell_;
  const Engine* engine_ = nullptr;
  FindingWatch watch_;
  AlertBook book_;
  HttpPost post_;
  std::string error_told_;
  const char* end_note_ = kStopNote;  // why all is over
  std::chrono::seconds pause_{0};
  Clock::time_point next_post_{}, next_look_{};

  mutable std::mutex state_mutex_;
  WebhookState state_;

  std::mutex change_mutex_;             // guards what follows, and that a post is given up for it
  std::optional<WebhookOptions> next_;  // to be taken over by the thread

  BackgroundThread thread_;
};

}  // namespace parallax
