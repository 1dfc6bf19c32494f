#include "daemon/slice/slice_message.h"

#include "daemon/message/to_proto.h"

namespace parallax {

v1::SliceSummary to_proto(const SliceSummary& summary) {
  v1::SliceSummary message;
  for (const SliceSummary::Point& point : summary.points) {
    v1::SlicePoint& made = *message.add_points();
    made.set_name(point.name);
    made.set_packets(point.packets);
    made.set_lost(point.lost);
  }
  if (summary.first_ns <= summary.last_ns) {
    *message.mutable_first_packet() = to_timestamp(summary.first_ns);
    *message.mutable_last_packet() = to_timestamp(summary.last_ns);
  }
  message.set_loss_is_uncounted(summary.loss_is_uncounted);
  for (const std::string& sentence : summary.missing) message.add_missing(sentence);
  if (summary.pinned_ns) *message.mutable_pinned() = to_timestamp(*summary.pinned_ns);
  for (const std::string& sentence : summary.remarks) message.add_remarks(sentence);
  return message;
}

}  // namespace parallax
