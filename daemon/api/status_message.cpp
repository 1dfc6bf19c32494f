#include "daemon/api/status_message.h"

#include <chrono>

#include "daemon/connection_log/connection_log.h"
#include "daemon/history/history.h"
#include "daemon/message/to_proto.h"
#include "daemon/run/pinned_files.h"
#include "daemon/webhook/webhook.h"

namespace parallax {
namespace {

constexpr double kNsPerSecond = 1e9;

int64_t system_now_ns() { return std::chrono::system_clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }

void fill_port(const PortChannel& channel, const std::string& point, v1::PortStatus& port) {
  const PortCounters& counters = channel.counters;
  port.set_name(channel.info.name);
  port.set_point(point);
  port.set_source(channel.info.source);
  port.set_packets(counters.packets.get());
  port.set_bytes(counters.bytes.get());
  uint64_t drops = 0, errors = 0;
  for (int reason = 0; reason < kDropReasonCount; ++reason) {
    const uint64_t count = counters.drops[reason].get();
    drops += count;
    (*port.mutable_drops_by_reason())[std::string(drop_reason_name(static_cast<DropReason>(reason)))] = count;
  }
  for (int reason = 1; reason < kDecodeErrorCount; ++reason) errors += counters.decode_errors[reason].get();  // 0 is "none"
  port.set_drops(drops);
  port.set_link_up(channel.link_up.load(std::memory_order_relaxed));
  port.set_stamp_uncertainty_seconds(static_cast<double>(channel.stamp_uncertainty_ns.load(std::memory_order_relaxed)) /
                                     kNsPerSecond);
  if (const int64_t last_ns = channel.last_packet_ns.load(std::memory_order_relaxed); last_ns != kTimeMin) {
    *port.mutable_last_packet() = to_timestamp(last_ns);
  }
  if (const std::optional<PortOutage> outage = channel.current_outage()) {
    port.set_outage(std::string(text_of(outage->cause)));
    *port.mutable_outage_since() = to_timestamp(outage->from_ns);
  }
  port.set_decode_errors(errors);
}

void add_removals(const SpoolRemovals& removals, google::protobuf::RepeatedPtrField<v1::SpoolRemoval>& messages) {
  for (size_t reason = 0; reason < kSpoolRemovalReasonCount; ++reason) {
    const SpoolRemoval& removal = removals[reason];
    if (removal.files == 0) continue;
    v1::SpoolRemoval& message = *messages.Add();
    message.set_reason(std::string(name_of(static_cast<SpoolRemovalReason>(reason))));
    message.set_files(removal.files);
    message.set_bytes(removal.bytes);
    message.set_packets(removal.packets);
    if (removal.packets == 0) continue;
    *message.mutable_oldest_packet() = to_timestamp(removal.first_ns);
    *message.mutable_newest_packet() = to_timestamp(removal.last_ns);
  }
}

void fill_spool(const SpoolStatus& status, v1::SpoolStatus& spool) {
  spool.set_directory(status.directory);
  spool.set_bytes(status.bytes);
  spool.set_limit_bytes(status.limit_bytes);
  spool.set_files(status.files);
  if (status.oldest_packet_ns != 0) *spool.mutable_oldest_packet() = to_timestamp(status.oldest_packet_ns);
  if (status.newest_packet_ns != 0) *spool.mutable_newest_packet() = to_timestamp(status.newest_packet_ns);
  spool.set_dropped_packets(status.dropped_packets);
  spool.set_written_packets(status.packets_written);
  spool.set_written_bytes(status.bytes_written);
  spool.set_error(status.error);
  spool.set_write_errors(status.write_errors);
  spool.set_max_age_seconds(static_cast<double>(status.max_age_ns) / kNsPerSecond);
  spool.set_min_free_bytes(status.min_free);
  spool.set_free_bytes(status.free_bytes);
  add_removals(status.removals, *spool.mutable_removed());
}

void fill_pinned(const PinnedFilesStatus& status, v1::PinnedStatus& pinned) {
  pinned.set_files(status.files);
  pinned.set_files_of_earlier_runs(status.files_of_earlier_runs);
  pinned.set_bytes(status.bytes);
  pinned.set_limit_bytes(status.limit_bytes);
  if (status.oldest_packet_ns != 0) *pinned.mutable_oldest_packet() = to_timestamp(status.oldest_packet_ns);
  if (status.newest_packet_ns != 0) *pinned.mutable_newest_packet() = to_timestamp(status.newest_packet_ns);
  pinned.set_made(status.made);
  pinned.set_dropped(status.dropped);
  pinned.set_waiting(status.waiting);
  for (size_t reason = 0; reason < kPinFailureCount; ++reason) {
    (*pinned.mutable_failed_by_reason())[std::string(name_of(static_cast<PinFailure>(reason)))] = status.failed[reason];
  }
  add_removals(status.removals, *pinned.mutable_removed());
  pinned.set_error(status.error);
}

// Counts by the names of what they count.
template <typename Names, typename Counts>
void set_counts(const Names& names, const Counts& counts, google::protobuf::Map<std::string, uint64_t>& map) {
  for (size_t i = 0; i < names.size(); ++i) map[names[i]] = counts[i];
}

void fill_history(const HistoryState& state, v1::HistoryStatus& history) {
  history.set_file(state.file);
  history.set_findings(state.findings);
  history.set_limit_findings(state.limit_findings);
  history.set_bytes(state.bytes);
  history.set_limit_bytes(state.limit_bytes);
  history.set_written(state.written);
  history.set_dropped(state.dropped);
  history.set_write_errors(state.write_errors);
  history.set_set_aside(state.set_aside);
  set_counts(kHistoryBoundNames, state.removals, *history.mutable_removed_by_reason());
  history.set_earlier_findings(state.earlier_findings);
  history.set_error(state.error);
}

void fill_connection_log(const ConnectionLogState& state, v1::ConnectionLogStatus& log) {
  log.set_directory(state.directory);
  log.set_file(state.file);
  log.set_files(state.files);
  log.set_bytes(state.bytes);
  log.set_limit_bytes(state.limit_bytes);
  log.set_written(state.written);
  log.set_written_bytes(state.written_bytes);
  log.set_write_errors(state.write_errors);
  set_counts(kLineDropNames, state.dropped, *log.mutable_dropped_by_reason());
  set_counts(kLogRemovalNames, state.removals, *log.mutable_removed_by_reason());
  log.set_error(state.error);
}

void fill_webhook(const WebhookState& state, v1::WebhookStatus& webhook) {
  webhook.set_receiver(state.receiver);
  webhook.set_posts(state.posts);
  webhook.set_alerts(state.alerts);
  set_counts(kPostFailureNames, state.failed, *webhook.mutable_failed_by_reason());
  set_counts(kAlertDropNames, state.dropped, *webhook.mutable_dropped_by_reason());
  webhook.set_firing(state.firing);
  webhook.set_waiting(state.waiting);
  webhook.set_error(state.error);
}

}  // namespace

v1::Status status_message(const SensorState& state) {
  v1::Status status;
  status.set_sensor(state.name);
  status.set_version(state.version);
  *status.mutable_started() = to_timestamp(state.started_ns);
  status.set_uptime_seconds(static_cast<double>(system_now_ns() - state.started_ns) / kNsPerSecond);
  status.set_clock_uncertainty_seconds(static_cast<double>(state.time_uncertainty_ns()) / kNsPerSecond);
  for (const PointRecord& point : state.engine->points()) *status.add_points() = to_proto(point);
  for (const PortChannel* channel : state.channels) fill_port(*channel, state.path[channel->info.point], *status.add_ports());
  if (state.spool != nullptr) fill_spool(state.spool->status(), *status.mutable_spool());
  if (state.pinned != nullptr) fill_pinned(state.pinned->status(), *status.mutable_spool()->mutable_pinned());
  if (state.history != nullptr) fill_history(state.history->state(), *status.mutable_history());
  const ConnectionLogState log = state.connection_log ? state.connection_log->state() : ConnectionLogState{};
  if (!log.directory.empty()) fill_connection_log(log, *status.mutable_connection_log());
  const WebhookState webhook = state.webhook ? state.webhook->state() : WebhookState{};
  if (!webhook.receiver.empty()) fill_webhook(webhook, *status.mutable_webhook());
  *status.mutable_summary() = to_proto(state.engine->summary());
  status.set_late_packets(state.engine->counters().late_packets);
  return status;
}

}  // namespace parallax
