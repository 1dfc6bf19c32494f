#include "daemon/webhook/webhook.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/message/word_of.h"

namespace parallax {
namespace {

constexpr auto kLookInterval = std::chrono::seconds(60);
constexpr std::chrono::seconds kPauseMin{1}, kPauseMax{60};
constexpr size_t kBatch = 256;

int64_t steady_ns() { return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }

}  // namespace

WebhookOptions webhook_options(const v1::WebhookConfig& config) {
  WebhookOptions options;
  options.post.url = config.url();
  options.post.bearer_token_file = config.bearer_token_file();
  options.post.tls_ca = config.tls_ca();
  options.post.timeout = std::chrono::milliseconds(static_cast<int64_t>(config.timeout_seconds() * 1e3));
  options.minimum_severity = word_of<Severity>(config.minimum_severity());
  for (const int kind : config.kinds()) options.kinds.push_back(word_of<FindingKind>(kind));
  options.update_ns = static_cast<int64_t>(config.update_seconds() * 1e9);
  options.receiver = config.receiver();
  options.external_url = config.external_url();
  return options;
}

bool WebhookOptions::wants(const Alert& alert) const {
  return alert.severity >= minimum_severity &&
         (kinds.empty() || std::find(kinds.begin(), kinds.end(), alert.kind) != kinds.end());
}

Webhook::Webhook(WebhookOptions options, AlertSource source, Tell tell)
    : options_(std::move(options)),
      source_(std::move(source)),
      tell_(std::move(tell)),
      book_(options_.update_ns),
      post_(options_.post) {
  state_.receiver = post_.receiver();
}

Webhook::~Webhook() { stop(); }

void Webhook::start(const Engine& engine) {
  engine_ = &engine;
  if (!options_.post.url.empty()) run_thread();
}

void Webhook::run_thread() {
  watch_ = engine_->watch_findings(options_.minimum_severity, false);
  next_look_ = Clock::now() + kLookInterval;
  post_.resume();
  thread_.start("webhook", [this](BackgroundThread::Round round) { run(round); });
}

void Webhook::stop() {
  {
    const std::lock_guard guard(change_mutex_);
    next_.reset();
    post_.cancel();  // the thread takes it back for its last posts
  }
  thread_.stop();
}

void Webhook::change(WebhookOptions options) {
  const bool was_on = !state().receiver.empty();
  if (was_on && !options.post.url.empty()) {
    const std::lock_guard guard(change_mutex_);
    next_ = std::move(options);
    return post_.cancel();
  }
  end_note_ = "no longer told: the sensor has no webhook any more";
  if (was_on) stop();
  end_note_ = kStopNote;
  options_ = std::move(options);
  book_ = AlertBook(options_.update_ns);
  post_.set(options_.post);
  error_told_.clear();
  pause_ = {};
  next_post_ = {};
  {
    const std::lock_guard guard(state_mutex_);
    state_.receiver = post_.receiver();
    state_.error.clear();
    state_.firing = state_.waiting = 0;
  }
  if (!options_.post.url.empty()) run_thread();
}

void Webhook::take_change() {
  WebhookOptions next;
  {
    const std::lock_guard guard(change_mutex_);
    if (!next_) return;
    next = *std::exchange(next_, std::nullopt);
    post_.resume();
  }
  // Begun before the one there is comes to its end, so that nothing is between them.
  const FindingWatch watch = engine_->watch_findings(next.minimum_severity, false);
  take_changes();
  if (next.post.url != options_.post.url) change_receiver(next.post);
  post_.set(next.post);
  next_post_ = {};
  const bool wants_others = next.minimum_severity != options_.minimum_severity || next.kinds != options_.kinds;
  options_ = std::move(next);
  book_.set_update_ns(options_.update_ns);
  if (!wants_others) return;
  watch_ = watch;
  book_.end_unwanted([this](const Alert& alert) { return options_.wants(alert); },
                     "no longer told: the webhook's kinds or severities were changed", steady_ns());
}

void Webhook::change_receiver(const HttpPostOptions& next) {
  AlertBook last = book_.farewell("no longer told here: the webhook has another receiver", steady_ns());
  post_all(last);
  if (const size_t waiting = last.waiting(); waiting > 0)
    tell_(News::trouble,
          fmt::format("webhook: {} was not told that {} findings are told elsewhere from now on", post_.receiver(), waiting));
  book_.begin_anew(steady_ns());
  error_told_.clear();
  pause_ = {};
  const std::lock_guard guard(state_mutex_);
  state_.error.clear();
  state_.receiver = receiver_of(next.url);
}

void Webhook::run(BackgroundThread::Round round) {
  try {
    round == BackgroundThread::Round::last ? end_all() : go_round();
  } catch (const std::exception& error) {  // out of memory
    tell_(News::trouble, fmt::format("webhook: {}", error.what()));
    next_post_ = Clock::now() + kPauseMax;
  }
  update_state();
}

void Webhook::go_round() {
  take_change();
  take_changes();
  end_forgotten();
  post_what_is_due();
}

void Webhook::take_changes() {
  while (true) {
    const uint64_t dropped_before = watch_.dropped;
    const std::vector<FindingChange> changes = engine_->finding_changes(watch_, kBatch);
    count_dropped(AlertDropReason::forgotten, watch_.dropped - dropped_before);
    for (const FindingChange& change : changes) {
      Alert alert = alert_of(change.finding, source_);
      if (!options_.wants(alert)) continue;
      // What the watch finds as it begins: that was over before is told by nobody.
      if (change.finding.version <= watch_.begun && !book_.is_news(alert)) continue;
      if (!book_.take(std::move(alert), change.finding.state == FindingState::withdrawn, steady_ns()))
        count_dropped(AlertDropReason::queue_full, 1);
    }
    if (changes.size() < kBatch) return;
  }
}

// Whose end the engine can no longer tell.
void Webhook::end_forgotten() {
  if (Clock::now() < next_look_) return;
  next_look_ = Clock::now() + kLookInterval;
  const auto is_known = [this](uint64_t id) {
    const std::vector<FindingRecord> found = engine_->findings(id - 1, 1);
    return !found.empty() && found.front().id == id;
  };
  book_.end_unknown(is_known, "forgotten by the sensor, to keep to limits.findings", steady_ns());
}

void Webhook::post_what_is_due() {
  while (!thread_.is_stopping() && Clock::now() >= next_post_) {
    const std::optional<AlertBook::Batch> batch = book_.next(steady_ns());
    if (!batch || !post(book_, *batch, options_.post.timeout)) return;
  }
}

// False: it is to be tried again later.
bool Webhook::post(AlertBook& book, const AlertBook::Batch& batch, std::chrono::milliseconds at_most) {
  WebhookMessage message = batch.message;
  message.receiver = options_.receiver;
  message.external_url = options_.external_url;
  message.sensor = source_.sensor;
  const PostOutcome outcome = post_.post(to_json(message), at_most);
  if (outcome.is_cancelled) return false;
  {
    const std::lock_guard guard(state_mutex_);
    state_.error = outcome.error;
    if (outcome.is_taken) {
      ++state_.posts;
      state_.alerts += batch.changes.size();
    } else {
      ++state_.failed[static_cast<size_t>(outcome.failure)];
    }
  }
  if (outcome.error != error_told_) {
    if (outcome.error.empty()) tell_(News::notice, fmt::format("webhook: {} takes findings again", post_.receiver()));
    if (!outcome.error.empty())
      tell_(News::trouble, fmt::format("webhook: {} does not take findings: {}", post_.receiver(), outcome.error));
    error_told_ = outcome.error;
  }
  if (!outcome.may_be_repeated()) {
    if (!outcome.is_taken) count_dropped(AlertDropReason::refused, batch.changes.size());
    book.settle(batch, steady_ns());
  }
  pause_ = outcome.is_taken ? std::chrono::seconds(0) : std::clamp(2 * pause_, kPauseMin, kPauseMax);
  next_post_ = Clock::now() + pause_;
  return outcome.is_taken;
}

// All that waits, whenever it is due, for kStopBudget.
void Webhook::post_all(AlertBook& book) {
  const Clock::time_point end = Clock::now() + kStopBudget;
  while (const std::optional<AlertBook::Batch> batch = book.next(kTimeMax)) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    if (left.count() <= 0 || !post(book, *batch, left)) return;
  }
}

void Webhook::end_all() {
  try {
    take_changes();
    book_.end_unknown([](uint64_t) { return false; }, end_note_, steady_ns());
    post_.resume();
    post_all(book_);
  } catch (const std::exception& error) {  // out of memory
    tell_(News::trouble, fmt::format("webhook: {}", error.what()));
  }
  const size_t waiting = book_.waiting();
  if (waiting == 0) return;
  count_dropped(AlertDropReason::stop, waiting);
  tell_(News::trouble,
        fmt::format("webhook: {} was not told of {} changes of findings before the stop", post_.receiver(), waiting));
}

void Webhook::count_dropped(AlertDropReason reason, uint64_t changes) {
  if (changes == 0) return;
  const std::lock_guard guard(state_mutex_);
  state_.dropped[static_cast<size_t>(reason)] += changes;
}

void Webhook::update_state() {
  const std::lock_guard guard(state_mutex_);
  state_.firing = book_.firing();
  state_.waiting = book_.waiting();
}

WebhookState Webhook::state() const {
  const std::lock_guard guard(state_mutex_);
  return state_;
}

}  // namespace parallax
