// A webhook whose options change while it works: nothing that fires is missed, and no receiver is left with what is over.
#include "daemon/webhook/webhook.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <utility>

#include "tests/support/hook_server.h"
#include "tests/support/live_sensor.h"
#include "tests/support/packet_builder.h"

namespace parallax::test {
namespace {

using google::protobuf::Struct;
using Manner = HookServer::Manner;

constexpr int64_t kMs = LiveSensor::kMs;

class WebhookTest : public ::testing::Test {
 protected:
  void TearDown() override { webhook_.stop(); }
  static WebhookOptions to(const HookServer& server, Severity minimum = Severity::warning) {
    WebhookOptions options;
    options.post.url = server.url();
    options.post.timeout = std::chrono::seconds(300);
    options.minimum_severity = minimum;
    return options;
  }
  // A server of this number refuses a connection: a warning.
  void refuse(uint8_t number) {
    Sighting syn{};
    syn.source = address("192.0.2.10");
    syn.destination = address("198.51.100." + std::to_string(number));
    syn.source_port = 40000;
    syn.destination_port = 443;
    syn.tcp_flags = tcp_flag::syn;
    syn.seq = 1000u * number;
    Sighting rst = syn;
    std::swap(rst.source, rst.destination);
    std::swap(rst.source_port, rst.destination_port);
    rst.tcp_flags = tcp_flag::rst | tcp_flag::ack;
    rst.seq = 0;
    rst.ack = syn.seq + 1;
    for (const PointIndex point : {0, 1}) sensor_.show(point, syn);
    sensor_.advance(20 * kMs);
    for (const PointIndex point : {1, 0}) sensor_.show(point, rst);
    sensor_.advance(5000 * kMs);
  }
  // "firing 1 2" of each message that came, by the ids of its alerts.
  static std::vector<std::string> told(const HookServer& server) {
    std::vector<std::string> all;
    for (const HookServer::Request& request : server.requests()) {
      Struct message;
      EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(request.body, &message).ok()) << request.body;
      std::string& text = all.emplace_back();
      for (const auto& value : message.fields().at("alerts").list_value().values()) {
        const auto& alert = value.struct_value().fields();
        const auto& labels = alert.at("labels").struct_value().fields();
        text += (text.empty() ? "" : ", ") + alert.at("status").string_value() + " " + labels.at("finding").string_value();
      }
    }
    return all;
  }
  // Whether this is what came last, after a while at the most.
  static bool is_told(const HookServer& server, const std::string& last) {
    for (int i = 0; i < 500; ++i, usleep(10'000)) {
      if (const auto all = told(server); !all.empty() && all.back() == last) return true;
    }
    ADD_FAILURE() << last << " was not told last" << (told(server).empty() ? "" : " but " + told(server).back());
    return false;
  }

  using Told = std::vector<std::string>;
  LiveSensor sensor_{1};
  HookServer first_, second_;
  Webhook webhook_{to(first_), AlertSource{"edge-1", 1, {{"outside", "inside"}, {}, false}}, [](News, std::string_view) {}};
};

TEST_F(WebhookTest, AnotherReceiverIsToldOfAllThatFiresAndTheFirstThatItIsOver) {
  webhook_.start(sensor_.engine());
  refuse(1);
  ASSERT_TRUE(is_told(first_, "firing 1"));
  webhook_.change(to(second_));
  ASSERT_TRUE(is_told(first_, "resolved 1"));
  ASSERT_TRUE(is_told(second_, "firing 1"));
  refuse(2);
  ASSERT_TRUE(is_told(second_, "firing 2, firing 1"));
  EXPECT_EQ(told(first_), (Told{"firing 1", "resolved 1"}));
  EXPECT_EQ(webhook_.state().receiver, "http://127.0.0.1:" + std::to_string(second_.port()));
  EXPECT_EQ(webhook_.state().alerts, 4u);
}

TEST_F(WebhookTest, AReceiverThatSaysNothingKeepsNothingFromTheNext) {
  first_.behave(Manner::says_nothing);
  webhook_.start(sensor_.engine());
  refuse(1);
  ASSERT_TRUE(first_.wait_for(1));
  const auto begin = std::chrono::steady_clock::now();
  webhook_.change(to(second_));
  EXPECT_TRUE(is_told(second_, "firing 1"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(4));
  EXPECT_EQ(webhook_.state().dropped[static_cast<size_t>(AlertDropReason::refused)], 0u);
}

TEST_F(WebhookTest, WhatIsNoLongerWantedIsOverAndWhatIsWantedIsToldAsFarAsItFires) {
  webhook_.start(sensor_.engine());
  refuse(1);
  ASSERT_TRUE(is_told(first_, "firing 1"));
  webhook_.change(to(first_, Severity::critical));
  ASSERT_TRUE(is_told(first_, "resolved 1"));
  refuse(2);
  webhook_.change(to(first_, Severity::info));
  ASSERT_TRUE(is_told(first_, "firing 1, firing 2"));
  EXPECT_EQ(told(first_).size(), 3u);
}

TEST_F(WebhookTest, TheSameReceiverIsNotToldAgain) {
  webhook_.start(sensor_.engine());
  refuse(1);
  ASSERT_TRUE(is_told(first_, "firing 1"));
  WebhookOptions options = to(first_);
  options.kinds = {FindingKind::syn_refused, FindingKind::fan_out};
  options.post.timeout = std::chrono::seconds(5);
  webhook_.change(options);
  sleep(2);
  EXPECT_EQ(told(first_), Told{"firing 1"});
  EXPECT_EQ(webhook_.state().waiting, 0u);
}

TEST_F(WebhookTest, IsTurnedOffAndOn) {
  webhook_.start(sensor_.engine());
  refuse(1);
  ASSERT_TRUE(is_told(first_, "firing 1"));
  WebhookOptions off = to(first_);
  off.post.url.clear();
  webhook_.change(off);
  EXPECT_EQ(told(first_), (Told{"firing 1", "resolved 1"}));  // change() waits for it
  EXPECT_EQ(webhook_.state().receiver, "");
  refuse(2);
  webhook_.change(to(second_));
  ASSERT_TRUE(is_told(second_, "firing 1, firing 2"));
  EXPECT_EQ(webhook_.state().posts, 3u);
}

TEST_F(WebhookTest, MayBeOffAtTheStart) {
  WebhookOptions off;
  Webhook webhook(off, AlertSource{"edge-1", 1, {{"outside", "inside"}, {}, false}}, [](News, std::string_view) {});
  webhook.start(sensor_.engine());
  refuse(1);
  EXPECT_EQ(webhook.state().receiver, "");
  webhook.change(to(first_));
  ASSERT_TRUE(is_told(first_, "firing 1"));
  webhook.stop();
  EXPECT_EQ(told(first_), (Told{"firing 1", "resolved 1"}));
}

}  // namespace
}  // namespace parallax::test
