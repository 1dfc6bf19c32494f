// JSON as the contract has it.
#include "daemon/message/json.h"

#include <gtest/gtest.h>

#include <limits>

#include "daemon/message/time_text.h"
#include "parallax/v1/config.pb.h"
#include "parallax/v1/sensor.pb.h"
#include "parallax/v1/types.pb.h"

namespace parallax {
namespace {

TEST(Json, ZerosFalseAndEmptyListsArePrinted) {
  EXPECT_EQ(
      to_json(v1::Summary()),
      R"({"packets":0,"connections":0,"paired_connections":0,"unpaired_legs":0,"findings_by_kind":{},"sensor_loss":0,"bounds_hit":[]})");
  EXPECT_EQ(
      to_json(v1::TcpOptions()),
      R"({"mss":0,"window_scale":0,"sack":false,"timestamps":false,"ecn":false,"fast_open":false,"initial_window":0,"window_scale_at_least":0})");
}

TEST(Json, EnumsAreInLowerCaseWithoutPrefix) {
  v1::Pairing pairing;
  pairing.set_method(v1::PAIRING_METHOD_FIVE_TUPLE);
  pairing.set_confidence(1);
  EXPECT_EQ(to_json(pairing), R"({"method":"five_tuple","confidence":1,"rivals":0})");
  v1::Packet packet;
  packet.add_labels(v1::PACKET_LABEL_ZERO_WINDOW_PROBE_ACK);
  packet.add_labels(v1::PACKET_LABEL_LOST_IN_DEVICE);
  EXPECT_NE(to_json(packet).find(R"("labels":["zero_window_probe_ack","lost_in_device"])"), std::string::npos);
}

TEST(Json, EnumValueOfANewerProgramIsItsNumber) {
  v1::Device device;
  device.set_kind(static_cast<v1::DeviceKind>(77));
  EXPECT_NE(to_json(device).find(R"("kind":"77")"), std::string::npos);
}

TEST(Json, SixtyFourBitIntegersAreNumbers) {
  v1::Crossing crossing;
  crossing.set_lost_from_client(std::numeric_limits<uint64_t>::max());
  crossing.set_isn_offset_from_client(std::numeric_limits<int64_t>::min());
  EXPECT_EQ(
      to_json(crossing),
      R"({"between":[],"device_kind":"unknown","device_changes":[],"lost_from_client":18446744073709551615,"lost_from_server":0,)"
      R"("isn_offset_from_client":-9223372036854775808,"undecided_packets":0})");
}

TEST(Json, OptionalFieldsAreAbsentUnlessSet) {
  v1::Connection connection;
  EXPECT_EQ(to_json(connection).find("replaced_by"), std::string::npos);
  EXPECT_EQ(to_json(connection).find("waiting"), std::string::npos);
  connection.set_replaced_by(0);  // set to its zero value it is there
  EXPECT_NE(to_json(connection).find(R"("replaced_by":0)"), std::string::npos);
}

TEST(Json, OmitEmptyIsRespected) {
  v1::Where where;
  EXPECT_EQ(to_json(where), "{}");
  where.set_unknown(true);
  EXPECT_EQ(to_json(where), R"({"unknown":true})");
  where.Clear();
  where.add_between("outside");
  where.add_between("inside");
  EXPECT_EQ(to_json(where), R"({"between":["outside","inside"]})");
  where.Clear();
  where.set_beyond("inside");
  EXPECT_EQ(to_json(where), R"({"beyond":"inside"})");
}

TEST(Json, RecordHasExactlyOneKey) {
  v1::Record record;
  record.mutable_device()->add_between("a");
  EXPECT_EQ(to_json(record).rfind(R"({"device":{"between":["a"],"kind":"unknown",)", 0), 0u);
}

TEST(Json, TimesAreRfc3339WithAsManyDecimalsAsNeeded) {
  EXPECT_EQ(time_text(0, 0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(time_text(1709210096, 250'000'000), "2024-02-29T12:34:56.250Z");
  EXPECT_EQ(time_text(1709210096, 1'000), "2024-02-29T12:34:56.000001Z");
  EXPECT_EQ(time_text(1709210096, 1), "2024-02-29T12:34:56.000000001Z");
  EXPECT_EQ(time_text_ns(-1), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(time_text_ns(std::numeric_limits<int64_t>::min()), "1677-09-21T00:12:43.145224192Z");
  EXPECT_EQ(time_text_ns(std::numeric_limits<int64_t>::max()), "2262-04-11T23:47:16.854775807Z");
  EXPECT_EQ(time_text(std::numeric_limits<int64_t>::max(), 0), "9999-12-31T23:59:59Z");
}

TEST(Json, DoublesAreTheShortestThatReadBack) {
  v1::Distribution distribution;
  distribution.set_min(0.1);
  distribution.set_median(1e-9);
  distribution.set_p99(1234567.875);
  distribution.set_max(-0.0);
  EXPECT_EQ(to_json(distribution), R"({"min":0.1,"median":1e-09,"p99":1234567.875,"max":0})");
}

TEST(Json, NoInfinityAndNoNotANumber) {
  v1::Distribution distribution;
  distribution.set_min(std::numeric_limits<double>::quiet_NaN());
  distribution.set_median(std::numeric_limits<double>::infinity());
  distribution.set_p99(-std::numeric_limits<double>::infinity());
  EXPECT_EQ(to_json(distribution), R"({"min":0,"median":0,"p99":0,"max":0})");
}

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(text, out);
  return out;
}

TEST(Json, StringsAreEscaped) {
  EXPECT_EQ(json_string("a\"b\\c\n\t\r\x01\x7f/"), R"("a\"b\\c\n\t\r\u0001\u007f/")");
  EXPECT_EQ(json_string(std::string_view("\0", 1)), R"("\u0000")");
  EXPECT_EQ(json_string("grün 漢字 😀"), "\"grün 漢字 😀\"");
}

TEST(Json, InvalidUtf8IsReplaced) {
  EXPECT_EQ(json_string("a\xff"
                        "b"),
            "\"a\xef\xbf\xbd"
            "b\"");
  EXPECT_EQ(json_string("\xc0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\"") << "overlong";
  EXPECT_EQ(json_string("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"") << "a surrogate";
  EXPECT_EQ(json_string("\xf4\x90\x80\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"") << "above U+10FFFF";
  EXPECT_EQ(json_string("\xe2\x82"), "\"\xef\xbf\xbd\xef\xbf\xbd\"") << "cut off";
}

TEST(Json, MapsAreObjectsWithSortedKeys) {
  v1::Summary summary;
  for (const char* kind : {"syn_refused", "capture_loss", "segment_loss"}) (*summary.mutable_findings_by_kind())[kind] = 2;
  EXPECT_NE(to_json(summary).find(R"("findings_by_kind":{"capture_loss":2,"segment_loss":2,"syn_refused":2})"),
            std::string::npos);
}

TEST(Json, ConfigurationPrintsToo) {
  v1::PortConfig port;
  port.set_direction(v1::PORT_DIRECTION_TOWARD_OUTSIDE);
  EXPECT_EQ(to_json(port), R"({"name":"","point":"","source":"","direction":"toward_outside"})");
}

}  // namespace
}  // namespace parallax
