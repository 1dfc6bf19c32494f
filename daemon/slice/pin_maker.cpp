#include "daemon/slice/pin_maker.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "daemon/message/time_text.h"
#include "daemon/run/log.h"
#include "daemon/run/message_names.h"
#include "daemon/slice/slice_message.h"
#include "daemon/slice/slice_selection.h"

namespace parallax {
namespace {

constexpr auto kLookInterval = std::chrono::seconds(1);
// What passed at the end of the window is in the ring by then: the flush interval of its lanes, and the merge.
constexpr auto kSettle = std::chrono::seconds(1);
constexpr size_t kBatch = 256;
constexpr size_t kMetMax = 65536;
constexpr uint64_t kPacketBytesMin = 64;  // of a packet in a slice: what a file can hold at the most

Severity least_severity(const std::vector<PinRule>& rules) {
  Severity least = Severity::critical;
  for (const PinRule& rule : rules) least = std::min(least, rule.severity);
  return least;
}

PinFailure failure_of(SliceCode code) {
  switch (code) {
    case SliceCode::out_of_range:
      return PinFailure::out_of_range;
    case SliceCode::cancelled:
      return PinFailure::stopped;
    default:
      return PinFailure::internal;
  }
}

v1::PullSliceRequest request_of(uint64_t finding_id) {
  v1::PullSliceRequest request;
  request.set_finding_id(finding_id);
  return request;
}

// Times before the epoch's ends stay within 64 bits.
int64_t earlier(int64_t time_ns, int64_t by_ns) { return time_ns < kTimeMin + by_ns ? kTimeMin : time_ns - by_ns; }
int64_t later(int64_t time_ns, int64_t by_ns) { return time_ns > kTimeMax - by_ns ? kTimeMax : time_ns + by_ns; }

}  // namespace

PinMaker::PinMaker(const SensorState& state, PinnedFiles& files, std::vector<PinRule> rules)
    : state_(state),
      files_(files),
      rules_(std::move(rules)),
      watch_(state.engine->watch_findings(least_severity(rules_), false)) {}

PinMaker::~PinMaker() { stop(); }

void PinMaker::start() {
  thread_.start("pins", [this](BackgroundThread::Round round) { go_round(round == BackgroundThread::Round::last); });
}

void PinMaker::stop() {
  if (!thread_.is_stopping()) stop_by_ = Clock::now() + kStopBudget;
  thread_.stop();
}

void PinMaker::go_round(bool last) {
  if (!rules_.empty()) take_changes();
  if (const Clock::time_point now = Clock::now(); last || now >= next_look_) {
    next_look_ = now + kLookInterval;
    look();
  }
  for (auto pin = waiting_.begin(); pin != waiting_.end();) {
    if (!last && pin->due > Clock::now()) {
      ++pin;
      continue;
    }
    Pin due = std::move(*pin);
    pin = waiting_.erase(pin);
    files_.set_waiting(waiting_.size());
    make(std::move(due));
  }
}

void PinMaker::take_changes() {
  while (true) {
    const uint64_t dropped = watch_.dropped;
    const std::vector<FindingChange> changes = state_.engine->finding_changes(watch_, kBatch);
    files_.count_dropped(watch_.dropped - dropped);
    for (const FindingChange& change : changes) take(change.finding);
    if (changes.size() < kBatch) break;
  }
  files_.set_waiting(waiting_.size());
}

void PinMaker::take(const FindingRecord& finding) {
  if (finding.state == FindingState::withdrawn) return note_withdrawn(finding);
  if (met_.contains(finding.id)) return;
  const std::optional<size_t> rule = matching_rule(rules_, finding);
  if (!rule) return;
  met_.insert(finding.id);
  if (met_.size() > kMetMax) met_.erase(met_.begin());
  if (waiting_.size() >= kWaitingMax) {
    if (files_.status().dropped == 0)
      log_warning("finding {}: not pinned: {} others wait for it already", finding.id, kWaitingMax);
    return files_.count_dropped(1);
  }
  Pin pin{*rule, finding, {}, Clock::now() + std::chrono::nanoseconds(rules_[*rule].after_ns) + kSettle};
  SliceSelection selection = select_slice(state_, request_of(finding.id));
  if (selection.code != SelectionCode::ok) return failed(pin, PinFailure::forgotten, selection.error);
  pin.request = std::move(selection.request);
  waiting_.push_back(std::move(pin));
}

void PinMaker::note_withdrawn(const FindingRecord& finding) {
  const auto waiting =
      std::find_if(waiting_.begin(), waiting_.end(), [&](const Pin& pin) { return pin.finding.id == finding.id; });
  if (waiting != waiting_.end()) {
    failed(*waiting, PinFailure::withdrawn, finding.summary);
    waiting_.erase(waiting);
    return;
  }
  const std::optional<PinnedFile> pinned = met_.contains(finding.id) ? files_.find(finding.id) : std::nullopt;
  if (!pinned || pinned->is_withdrawn) return;
  const std::string error = files_.note_withdrawn(to_proto(finding, names_of(state_)));
  log_notice("finding {}, whose packets are pinned, was withdrawn; they are kept: {}", finding.id, finding.summary);
  if (!error.empty()) log_warning("finding {}: that it was withdrawn could not be noted with its packets: {}", finding.id, error);
}

// What has joined the finding since it was told comes with it; what the engine has forgotten since is still known.
void PinMaker::refresh(Pin& pin) const {
  const std::vector<FindingRecord> found = state_.engine->findings(pin.finding.id - 1, 1);
  if (found.empty() || found.front().id != pin.finding.id) return;
  SliceSelection selection = select_slice(state_, request_of(pin.finding.id));
  if (selection.code != SelectionCode::ok || selection.request.legs.size() < pin.request.legs.size()) return;
  pin.request = std::move(selection.request);
  const int64_t first_ns = std::min(pin.finding.first_seen_ns, found.front().first_seen_ns);
  pin.finding = found.front();
  pin.finding.first_seen_ns = first_ns;
}

void PinMaker::make(Pin pin) {
  const PinRule& rule = rules_[pin.rule];
  const int64_t told_last_ns = pin.finding.last_seen_ns;  // it may go on for hours
  refresh(pin);
  SliceRequest& request = pin.request;
  request.from_ns = earlier(pin.finding.first_seen_ns, rule.before_ns);
  request.to_ns = later(told_last_ns, rule.after_ns);
  request.bytes_max = rule.bytes_max;
  request.packets_max = std::min(request.packets_max, rule.bytes_max / kPacketBytesMin);
  PinFailure failure{};
  const auto writer = files_.begin(pin.finding.id, failure);
  if (!writer) return failed(pin, failure, writer.error());
  bool written = true;
  SliceResult result;
  try {
    result = make_slice(*state_.spool, request, [&](std::span<const uint8_t> data) {
      if (thread_.is_stopping() && Clock::now() > stop_by_) return false;
      written = data.empty() || (*writer)->write(data);
      return written;
    });
  } catch (const std::exception& exception) {  // out of memory: the next one may be smaller
    result = {SliceCode::internal, exception.what(), {}};
  }
  if (!written) return failed(pin, (*writer)->failure(), (*writer)->error());
  if (result.code != SliceCode::ok) return failed(pin, failure_of(result.code), result.message);
  uint64_t packets = 0;
  for (const SliceSummary::Point& point : result.summary.points) packets += point.packets;
  if (packets == 0) return failed(pin, PinFailure::no_packets, "the spool has none of its packets");
  v1::PinnedSlice slice;
  *slice.mutable_finding() = to_proto(pin.finding, names_of(state_));
  *slice.mutable_pinned() = to_timestamp(std::chrono::system_clock::now().time_since_epoch() / std::chrono::nanoseconds(1));
  *slice.mutable_from() = to_timestamp(request.from_ns);
  *slice.mutable_to() = to_timestamp(request.to_ns);
  *slice.mutable_summary() = to_proto(result.summary);
  if (!(*writer)->keep(std::move(slice))) return failed(pin, (*writer)->failure(), (*writer)->error());
  if (!std::exchange(error_told_, {}).empty()) log_notice("packets of findings are pinned again");
  log_info("finding {}: {} packets pinned, {} to {}{}", pin.finding.id, packets, time_text_ns(result.summary.first_ns),
           time_text_ns(result.summary.last_ns),
           result.summary.missing.empty() ? "" : "; missing: " + result.summary.missing.front());
}

// The same trouble is told once.
void PinMaker::failed(const Pin& pin, PinFailure reason, const std::string& error) {
  const std::string text = fmt::format("its packets are not pinned ({}): {}", name_of(reason), error);
  files_.count_failure(reason, reason == PinFailure::withdrawn ? "" : fmt::format("finding {}: {}", pin.finding.id, text));
  if (reason == PinFailure::withdrawn) return log_info("finding {}: {}", pin.finding.id, text);
  const std::string trouble = fmt::format("{}: {}", name_of(reason), error);
  if (std::exchange(error_told_, trouble) != trouble) log_warning("finding {}: {}", pin.finding.id, text);
}

void PinMaker::look() {
  files_.look(state_.spool->status().files <= 1);
  const SpoolRemovals removals = files_.take_removals();
  for (size_t reason = 0; reason < removals.size(); ++reason) {
    const SpoolRemoval& removal = removals[reason];
    if (removal.files == 0) continue;
    const std::string packets = removal.packets == 0 ? "without packets"
                                                     : fmt::format("with {} packets from {} to {}", removal.packets,
                                                                   time_text_ns(removal.first_ns), time_text_ns(removal.last_ns));
    log_notice("{}: {} pinned {} {} removed: {}", files_.directory(), removal.files, removal.files == 1 ? "file" : "files",
               packets, name_of(static_cast<SpoolRemovalReason>(reason)));
  }
}

}  // namespace parallax
