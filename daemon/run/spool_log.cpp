#include "daemon/run/spool_log.h"

#include <fmt/format.h>

#include "daemon/message/time_text.h"

namespace parallax {
namespace {

std::string_view why(SpoolRemovalReason reason) {
  switch (reason) {
    case SpoolRemovalReason::size:
      return "to keep to spool.size";
    case SpoolRemovalReason::age:
      return "to keep to spool.max_age_seconds";
    case SpoolRemovalReason::min_free:
      return "to keep spool.min_free free on its disk";
    case SpoolRemovalReason::disk_full:
      return "because its disk is full";
    case SpoolRemovalReason::others:
      break;
  }
  return "by others than parallaxd";
}

}  // namespace

SpoolLog::SpoolLog(Spool& spool, Write write)
    : spool_(spool), write_(std::move(write)), repairs_told_(spool.status().repairs.size()) {}

void SpoolLog::tell_faults() {
  const SpoolStatus status = spool_.status();
  for (; repairs_told_ < status.repairs.size(); ++repairs_told_) {
    write_(LogLevel::notice, fmt::format("spool opened: {}", status.repairs[repairs_told_]));
  }
  const SpoolRemovals removals = spool_.take_removals();
  for (size_t reason = 0; reason < removals.size(); ++reason) removals_[reason].add(removals[reason]);
  tell_removal(SpoolRemovalReason::others);
  if (status.error == error_told_) return;
  if (error_told_.empty()) dropped_before_error_ = dropped_told_;
  if (!status.error.empty()) {
    write_(LogLevel::warning, status.error);
  } else {
    write_(LogLevel::notice, fmt::format("spool {}: in order again; {} packets were dropped meanwhile", status.directory,
                                         status.dropped_packets - dropped_before_error_));
    dropped_told_ = status.dropped_packets;
  }
  error_told_ = status.error;
}

void SpoolLog::tell_losses() {
  for (size_t reason = 0; reason < removals_.size(); ++reason) tell_removal(static_cast<SpoolRemovalReason>(reason));
  const SpoolStatus status = spool_.status();
  if (status.dropped_packets > dropped_told_) {
    write_(LogLevel::warning,
           fmt::format("spool {}: dropped {} packets{}", status.directory, status.dropped_packets - dropped_told_,
                       status.error.empty() ? ": the disk does not keep up" : ""));
  }
  dropped_told_ = status.dropped_packets;
}

void SpoolLog::tell_removal(SpoolRemovalReason reason) {
  SpoolRemoval& removal = removals_[static_cast<size_t>(reason)];
  if (removal.files == 0) return;
  const std::string packets = removal.packets == 0 ? "without packets"
                                                   : fmt::format("with {} packets from {} to {}", removal.packets,
                                                                 time_text_ns(removal.first_ns), time_text_ns(removal.last_ns));
  write_(reason == SpoolRemovalReason::others ? LogLevel::warning : LogLevel::info,
         fmt::format("spool {}: {} {} {} {} removed {}", spool_.status().directory, removal.files,
                     removal.files == 1 ? "file" : "files", packets, removal.files == 1 ? "was" : "were", why(reason)));
  removal = {};
}

}  // namespace parallax
