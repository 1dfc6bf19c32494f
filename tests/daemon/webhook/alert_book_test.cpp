// What a receiver is told of each finding: all that changes, no more often than it may be, in messages as Alertmanager's.
#include "daemon/webhook/alert_book.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

namespace parallax {
namespace {

constexpr int64_t kSecond = 1'000'000'000, kUpdate = 60 * kSecond;
const AlertSource kSource{"edge-1", 1'700'000'000'000'000'000, {{"outside", "inside"}, {}, false}};

FindingRecord finding(uint64_t id, FindingState state = FindingState::open, FindingKind kind = FindingKind::segment_loss) {
  FindingRecord record;
  record.id = id;
  record.kind = kind;
  record.state = state;
  record.severity = Severity::warning;
  record.where = {Where::Kind::between, 0, 1};
  record.origin = Origin::device;
  record.first_seen_ns = 1'700'000'001'000'000'000;
  record.last_seen_ns = 1'700'000'002'500'000'000;
  record.count = 3;
  record.confidence = 0.9;
  record.service = "203.0.113.1:80";
  record.summary = "The device lost 3 segments.";
  record.connection_ids = {5, 6};
  return record;
}

class AlertBookTest : public ::testing::Test {
 protected:
  bool take(const FindingRecord& record) {
    return book_.take(alert_of(record, kSource), record.state == FindingState::withdrawn, now_ns_);
  }
  // The ids of what is told next, and that it is taken; empty: nothing is due.
  std::vector<uint64_t> told() {
    const auto batch = book_.next(now_ns_);
    std::vector<uint64_t> ids;
    if (!batch) return ids;
    for (const auto& [id, version] : batch->changes) ids.push_back(id);
    last_ = to_json(batch->message);
    book_.settle(*batch, now_ns_);
    return ids;
  }
  using Ids = std::vector<uint64_t>;

  AlertBook book_{kUpdate};
  int64_t now_ns_ = 1000 * kSecond;
  std::string last_;
};

TEST_F(AlertBookTest, WhatIsNewIsToldWithWhatComesWithin) {
  take(finding(1));
  EXPECT_EQ(told(), Ids{});
  now_ns_ += kSecond / 2;
  take(finding(2));
  take(finding(3, FindingState::open, FindingKind::syn_refused));
  now_ns_ += kSecond / 2;
  EXPECT_EQ(told(), (Ids{1, 2}));
  now_ns_ += kSecond;
  EXPECT_EQ(told(), Ids{3});
  EXPECT_EQ(told(), Ids{});
  EXPECT_EQ(book_.firing(), 3u);
}

TEST_F(AlertBookTest, UpdatesAreToldAtABoundedRateAndEndsAtOnce) {
  take(finding(1));
  now_ns_ += kSecond;
  ASSERT_EQ(told(), Ids{1});
  size_t times = 0;
  for (int i = 0; i < 180; ++i) {
    now_ns_ += kSecond;
    take(finding(1, FindingState::updated));
    times += told().size();
  }
  EXPECT_EQ(times, 3u);
  take(finding(1, FindingState::closed));
  now_ns_ += kSecond;
  EXPECT_EQ(told(), Ids{1});
  EXPECT_NE(last_.find("\"status\":\"resolved\""), std::string::npos);
  EXPECT_EQ(book_.firing() + book_.waiting(), 0u);
  FindingRecord worse = finding(2);
  take(worse);
  now_ns_ += kSecond;
  ASSERT_EQ(told(), Ids{2});
  worse.severity = Severity::critical;
  take(worse);
  now_ns_ += kSecond;
  EXPECT_EQ(told(), Ids{2});
}

TEST_F(AlertBookTest, WhatChangesWhileItIsToldIsToldAgain) {
  take(finding(1));
  now_ns_ += kSecond;
  const auto batch = book_.next(now_ns_);
  ASSERT_TRUE(batch);
  take(finding(1, FindingState::closed));
  book_.settle(*batch, now_ns_);
  now_ns_ += kSecond;
  EXPECT_EQ(told(), Ids{1});
  EXPECT_NE(last_.find("resolved"), std::string::npos);
}

TEST_F(AlertBookTest, WhatWasWithdrawnBeforeAnybodyHeardIsNotTold) {
  take(finding(1));
  take(finding(1, FindingState::withdrawn));
  take(finding(2, FindingState::withdrawn));
  now_ns_ += 10 * kSecond;
  EXPECT_EQ(told(), Ids{});
  take(finding(3));
  now_ns_ += kSecond;
  ASSERT_EQ(told(), Ids{3});
  take(finding(3, FindingState::withdrawn));
  now_ns_ += kSecond;
  EXPECT_EQ(told(), Ids{3});
  EXPECT_NE(last_.find("\"state\":\"withdrawn\""), std::string::npos);
}

TEST_F(AlertBookTest, AMessageShowsItsGroupAndIsBounded) {
  for (uint64_t id = 1; id <= 100; ++id) take(finding(id));
  now_ns_ += kSecond;
  EXPECT_EQ(told().size(), AlertBook::kAlertsAtOnce);
  EXPECT_NE(last_.find("\"truncatedAlerts\":36"), std::string::npos);
  EXPECT_EQ(told().size(), 36u);
  take(finding(7, FindingState::closed));
  now_ns_ += kSecond;
  EXPECT_EQ(told(), Ids{7});  // one change, beside what fires all the same
  EXPECT_NE(last_.find("\"status\":\"firing\",\"receiver\""), std::string::npos) << last_;
}

TEST_F(AlertBookTest, NoMoreWaitThanMay) {
  for (uint64_t id = 1; id <= AlertBook::kAlertsMax; ++id) EXPECT_TRUE(take(finding(id)));
  EXPECT_FALSE(take(finding(AlertBook::kAlertsMax + 1)));
  EXPECT_EQ(book_.waiting(), AlertBook::kAlertsMax);
  take(finding(9, FindingState::closed));
  EXPECT_FALSE(take(finding(AlertBook::kAlertsMax + 2)));  // in the place of 9
  EXPECT_EQ(book_.firing(), AlertBook::kAlertsMax);
}

TEST_F(AlertBookTest, WhatTheSensorHasForgottenIsOver) {
  take(finding(1));
  take(finding(2));
  now_ns_ += kSecond;
  told();
  book_.end_unknown([](uint64_t id) { return id == 2; }, "forgotten", now_ns_);
  now_ns_ += kSecond;
  EXPECT_EQ(told(), Ids{1});
  EXPECT_EQ(book_.firing(), 1u);
}

TEST_F(AlertBookTest, AMessageIsAlertmanagers) {
  FindingRecord evil = finding(2, FindingState::closed);
  evil.summary = "bad \"\x01\xff\n";
  take(finding(1));
  take(evil);
  now_ns_ += kSecond;
  ASSERT_EQ(told(), (Ids{1, 2}));
  google::protobuf::Struct message;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(last_, &message).ok()) << last_;
  const auto& fields = message.fields();
  EXPECT_EQ(fields.at("version").string_value(), "4");
  EXPECT_EQ(fields.at("status").string_value(), "firing");
  EXPECT_EQ(fields.at("truncatedAlerts").number_value(), 0);
  for (const char* name : {"receiver", "groupKey", "groupLabels", "commonLabels", "commonAnnotations", "externalURL"})
    EXPECT_TRUE(fields.contains(name)) << name;
  EXPECT_EQ(fields.at("commonLabels").struct_value().fields().at("where").string_value(), "between outside and inside");
  EXPECT_FALSE(fields.at("commonLabels").struct_value().fields().contains("finding"));
  const auto& first = fields.at("alerts").list_value().values(0).struct_value().fields();
  const auto& second = fields.at("alerts").list_value().values(1).struct_value().fields();
  EXPECT_EQ(first.at("labels").struct_value().fields().at("alertname").string_value(), "segment_loss");
  EXPECT_EQ(first.at("startsAt").string_value(), "2023-11-14T22:13:21Z");
  EXPECT_EQ(first.at("endsAt").string_value(), "0001-01-01T00:00:00Z");
  EXPECT_EQ(first.at("annotations").struct_value().fields().at("summary").string_value(), "The device lost 3 segments.");
  EXPECT_EQ(second.at("status").string_value(), "resolved");
  EXPECT_EQ(second.at("endsAt").string_value(), "2023-11-14T22:13:22.500Z");
  EXPECT_EQ(first.at("fingerprint").string_value().size(), 16u);
  EXPECT_NE(first.at("fingerprint").string_value(), second.at("fingerprint").string_value());
}

TEST_F(AlertBookTest, AnotherReceiverHearsWhatFiresAndWhatTheFirstWasNotTold) {
  take(finding(1));
  take(finding(2));
  now_ns_ += kSecond;
  ASSERT_EQ(told(), (Ids{1, 2}));
  take(finding(2, FindingState::closed));
  take(finding(3));
  AlertBook last = book_.farewell("told elsewhere", now_ns_);
  const auto batch = last.next(INT64_MAX);
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->message.alerts.size(), 2u);  // of the third it has not heard
  EXPECT_FALSE(batch->message.is_firing);
  book_.begin_anew(now_ns_);
  now_ns_ += kSecond;
  EXPECT_EQ(told(), (Ids{1, 2, 3}));
  EXPECT_EQ(book_.firing(), 2u);
}

TEST_F(AlertBookTest, WhatIsUnwantedIsOverWhereAnybodyHasHeardOfIt) {
  take(finding(1));
  now_ns_ += kSecond;
  ASSERT_EQ(told(), Ids{1});
  take(finding(2));
  book_.end_unwanted([](const Alert&) { return false; }, "no longer told", now_ns_);
  now_ns_ += kSecond;
  EXPECT_EQ(told(), Ids{1});
  EXPECT_NE(last_.find("no longer told"), std::string::npos) << last_;
  EXPECT_EQ(book_.firing() + book_.waiting(), 0u);
}

TEST_F(AlertBookTest, NoNewsIsWhatIsHeldAndWhatWasOverBefore) {
  take(finding(1));
  EXPECT_FALSE(book_.is_news(alert_of(finding(1), kSource)));
  EXPECT_TRUE(book_.is_news(alert_of(finding(1, FindingState::closed), kSource)));
  EXPECT_FALSE(book_.is_news(alert_of(finding(2, FindingState::closed), kSource)));
  EXPECT_TRUE(book_.is_news(alert_of(finding(2), kSource)));
}

}  // namespace
}  // namespace parallax
