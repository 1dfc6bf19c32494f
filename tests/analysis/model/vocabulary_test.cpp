// The words of the analysis and those of the messages are the same, name by name, and none is missing on either side.
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string>

#include "config/enum_text.h"
#include "daemon/message/to_proto.h"

namespace parallax {
namespace {

// has_unspecified: the message has a zero value that the analysis has not.
template <typename Enumerator, typename Word>
void expect_same_words(int count, bool has_unspecified) {
  const google::protobuf::EnumDescriptor& type = *google::protobuf::GetEnumDescriptor<Enumerator>();
  std::set<std::string> words, enumerators;
  for (int i = 0; i < count; ++i) {
    const auto word = static_cast<Word>(i);
    const std::string name(name_of(word));
    words.insert(name);
    const auto* value = type.FindValueByNumber(to_proto(word));
    ASSERT_NE(value, nullptr);
    EXPECT_EQ(enum_text(*value), name) << type.full_name();
  }
  for (int i = 0; i < type.value_count(); ++i) {
    const std::string text = enum_text(*type.value(i));
    if (has_unspecified && type.value(i)->number() == 0) {
      EXPECT_EQ(text, "unspecified") << type.full_name();
    } else {
      enumerators.insert(text);
    }
  }
  EXPECT_EQ(words, enumerators) << type.full_name();
  EXPECT_EQ(words.size(), static_cast<size_t>(count)) << type.full_name() << ": two words have one name";
}

TEST(Vocabulary, FindingKinds) { expect_same_words<v1::FindingKind, FindingKind>(kFindingKindCount, true); }
TEST(Vocabulary, PacketLabels) { expect_same_words<v1::PacketLabel, PacketLabel>(kPacketLabelCount, true); }
TEST(Vocabulary, FindingStates) { expect_same_words<v1::FindingState, FindingState>(4, false); }
TEST(Vocabulary, Severities) { expect_same_words<v1::Severity, Severity>(4, true); }
TEST(Vocabulary, Origins) { expect_same_words<v1::Origin, Origin>(6, false); }
TEST(Vocabulary, Directions) { expect_same_words<v1::FindingDirection, FindingDirection>(4, false); }
TEST(Vocabulary, Protocols) { expect_same_words<v1::Protocol, Protocol>(2, true); }
TEST(Vocabulary, Outcomes) { expect_same_words<v1::Outcome, Outcome>(7, true); }
TEST(Vocabulary, Closes) { expect_same_words<v1::Close, Close>(4, true); }
TEST(Vocabulary, ClosedBy) { expect_same_words<v1::ClosedBy, ClosedBy>(4, false); }
TEST(Vocabulary, PairingMethods) { expect_same_words<v1::PairingMethod, PairingMethod>(11, false); }
TEST(Vocabulary, DeviceKinds) { expect_same_words<v1::DeviceKind, DeviceKind>(5, false); }
TEST(Vocabulary, DeviceChanges) { expect_same_words<v1::DeviceChange, DeviceChange>(kDeviceChangeCount, true); }

TEST(Vocabulary, ConnStatesAreZeeks) {
  std::set<std::string> names;
  for (int i = 0; i < 13; ++i) names.insert(std::string(name_of(static_cast<ConnState>(i))));
  const std::set<std::string> zeek = {"S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR", "OTH"};
  EXPECT_EQ(names, zeek);
}

// Comparing "at least warning" compares the numbers.
TEST(Vocabulary, SeveritiesGrowWithTheirNumber) {
  EXPECT_LT(to_proto(Severity::info), to_proto(Severity::notice));
  EXPECT_LT(to_proto(Severity::notice), to_proto(Severity::warning));
  EXPECT_LT(to_proto(Severity::warning), to_proto(Severity::critical));
}

TEST(ToProto, WhereIsExactlyOneThing) {
  const MessageNames names{{"outside", "inside"}, {"a.pcap"}, true};
  FindingRecord record;
  EXPECT_TRUE(to_proto(record, names).where().unknown());
  record.where = {Where::Kind::beyond, 1, 0};
  EXPECT_EQ(to_proto(record, names).where().beyond(), "inside");
  EXPECT_FALSE(to_proto(record, names).where().unknown());
  record.where = {Where::Kind::between, 1, 0};
  EXPECT_EQ(where_text(to_proto(record, names).where()), "between inside and outside");
}

TEST(ToProto, EvidenceNamesFileAndFrameOnlyOffline) {
  FindingRecord record;
  record.evidence.push_back({"present_at", 0, PortIndex{0}, 17, 5, "SYN"});
  const v1::Evidence offline = to_proto(record, {{"outside"}, {"a.pcap"}, true}).evidence(0);
  EXPECT_EQ(offline.file(), "a.pcap");
  EXPECT_EQ(offline.frame(), 17u);
  EXPECT_EQ(offline.port(), "");
  const v1::Evidence live = to_proto(record, {{"outside"}, {"tap0"}, false}).evidence(0);
  EXPECT_EQ(live.file(), "");
  EXPECT_EQ(live.frame(), 0u);
  EXPECT_EQ(live.port(), "tap0");
}

TEST(ToProto, NumbersOutsideTheTablesHaveNoName) {
  FindingRecord record;
  record.where = {Where::Kind::beyond, 9, 0};
  record.evidence.push_back({"ttl", 9, PortIndex{9}, 0, 0, ""});
  EXPECT_EQ(to_proto(record, {{"outside"}, {}, false}).evidence(0).point(), "");
}

TEST(ToProto, TimesBefore1970AndTheirWayBack) {
  for (const int64_t ns : {int64_t{0}, int64_t{-1}, int64_t{1}, int64_t{1'700'000'000'123'456'789},
                           std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}) {
    const auto time = to_timestamp(ns);
    EXPECT_GE(time.nanos(), 0);
    EXPECT_EQ(from_timestamp(time), ns);
  }
}

}  // namespace
}  // namespace parallax
