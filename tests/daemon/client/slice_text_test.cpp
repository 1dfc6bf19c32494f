// What a person reads about a slice that has been written.
#include "daemon/client/slice_text.h"

#include <google/protobuf/util/time_util.h>
#include <gtest/gtest.h>

namespace parallax {
namespace {

using google::protobuf::util::TimeUtil;

void add_point(v1::SliceSummary& summary, const std::string& name, uint64_t packets, uint64_t lost) {
  v1::SlicePoint& point = *summary.add_points();
  point.set_name(name);
  point.set_packets(packets);
  point.set_lost(lost);
}

TEST(SliceText, SaysPacketsByPointTheirSpanWhatIsMissingAndWhatTheSensorLost) {
  v1::SliceSummary summary;
  add_point(summary, "outside", 1234, 0);
  add_point(summary, "inside", 7, 12);
  *summary.mutable_first_packet() = TimeUtil::NanosecondsToTimestamp(1'700'000'000'250'000'000);
  *summary.mutable_last_packet() = TimeUtil::NanosecondsToTimestamp(1'700'000'001'000'000'000);
  summary.add_missing("asked for more\x1b[2J");
  summary.set_loss_is_uncounted(true);
  EXPECT_EQ(slice_text(summary, ""),
            "parallax: 1,241 packets (outside 1,234, inside 7), 2023-11-14T22:13:20.250Z to 2023-11-14T22:13:21Z, 750 ms\n"
            "parallax: missing: asked for more?[2J\n"
            "parallax: the sensor lost 12 packets within that time (outside 0, inside 12)\n"
            "parallax: within that time the sensor did not run, or was held up: what it lost then is not counted\n");
}

TEST(SliceText, OfNoPacketsSaysSo) {
  v1::SliceSummary summary;
  add_point(summary, "outside", 0, 0);
  EXPECT_EQ(slice_text(summary, ""), "parallax: no packets: none that was asked for is in the spool\n");
  EXPECT_EQ(slice_text(summary, "port 443"),
            "parallax: no packets: none that was asked for, and that \"port 443\" lets through, is in the spool\n");
}

}  // namespace
}  // namespace parallax
