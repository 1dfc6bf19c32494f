#include "daemon/client/slice_text.h"

#include <fmt/format.h>

#include "daemon/message/text_table.h"
#include "daemon/message/time_text.h"

namespace parallax {
namespace {

// "outside 617, inside 0"
template <typename Count>
std::string by_point(const v1::SliceSummary& summary, Count count) {
  std::string text;
  for (const v1::SlicePoint& point : summary.points()) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", printable(point.name()), count_text(count(point)));
  }
  return text;
}

std::string time_of(const google::protobuf::Timestamp& time) { return time_text(time.seconds(), time.nanos()); }

double seconds_between(const google::protobuf::Timestamp& from, const google::protobuf::Timestamp& to) {
  return static_cast<double>(to.seconds() - from.seconds()) + 1e-9 * (to.nanos() - from.nanos());
}

}  // namespace

std::string slice_text(const v1::SliceSummary& summary, const std::string& filter) {
  uint64_t packets = 0, lost = 0;
  for (const v1::SlicePoint& point : summary.points()) {
    packets += point.packets();
    lost += point.lost();
  }
  std::string text;
  for (const std::string& sentence : summary.remarks()) text += fmt::format("parallax: {}\n", printable(sentence));
  if (packets == 0) {
    text += fmt::format("parallax: no packets: none that was asked for{} is in the {}\n",
                        filter.empty() ? "" : fmt::format(", and that \"{}\" lets through,", printable(filter)),
                        summary.has_pinned() ? "pinned file" : "spool");
  } else {
    text += fmt::format("parallax: {} packets ({}), {} to {}, {}\n", count_text(packets),
                        by_point(summary, [](const v1::SlicePoint& point) { return point.packets(); }),
                        time_of(summary.first_packet()), time_of(summary.last_packet()),
                        duration_text(seconds_between(summary.first_packet(), summary.last_packet())));
  }
  for (const std::string& sentence : summary.missing()) text += fmt::format("parallax: missing: {}\n", printable(sentence));
  if (lost > 0) {
    text += fmt::format("parallax: the sensor lost {} packets within that time ({})\n", count_text(lost),
                        by_point(summary, [](const v1::SlicePoint& point) { return point.lost(); }));
  }
  if (summary.loss_is_uncounted()) {
    text += "parallax: within that time the sensor did not run, or was held up: what it lost then is not counted\n";
  }
  return text;
}

}  // namespace parallax
