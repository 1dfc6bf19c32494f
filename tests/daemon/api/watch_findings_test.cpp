// WatchFindings over a live engine: each change, the end of an incident by time alone, and what a stream could not take.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>
#include <thread>

#include "config/defaults.h"
#include "daemon/api/metrics.h"
#include "daemon/api/sensor_service.h"
#include "daemon/client/client_text.h"
#include "daemon/message/json.h"
#include "parallax/v1/sensor.grpc.pb.h"
#include "tests/support/child_process.h"
#include "tests/support/live_sensor.h"
#include "tests/support/packet_builder.h"

namespace parallax {
namespace {

using test::LiveSensor;

constexpr int64_t kMs = LiveSensor::kMs, kSecond = 1000 * kMs;

class WatchFindingsTest : public ::testing::Test {
 protected:
  static constexpr size_t kFindings = 32;  // a fourth of them of one kind
  using Reader = std::unique_ptr<grpc::ClientReader<v1::Finding>>;

  void SetUp() override {
    state_.path = {"outside", "inside"};
    state_.channels = sensor_.channels();
    state_.engine = &sensor_.engine();
    v1::ApiConfig config = default_config().api();
    config.set_address("unix:" + socket_);
    std::string error;
    server_ = SensorServer::start(state_, config, std::nullopt, error);
    ASSERT_NE(server_, nullptr) << error;
    stub_ = v1::Sensor::NewStub(grpc::CreateChannel("unix:" + socket_, grpc::InsecureChannelCredentials()));
  }
  // A watch of what is new from now on.
  Reader watch(grpc::ClientContext& context) {
    v1::WatchFindingsRequest request;
    request.set_new_only(true);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    Reader reader = stub_->WatchFindings(&context, request);
    reader->WaitForInitialMetadata();
    return reader;
  }
  // A connection between two ends of this number that its server resets.
  void reset(int number) {
    Sighting syn{};
    syn.source = test::address("192.0.2." + std::to_string(number));
    syn.destination = test::address("198.51.100." + std::to_string(number));
    syn.source_port = 40000;
    syn.destination_port = 443;
    syn.tcp_flags = tcp_flag::syn;
    syn.seq = 1000u * static_cast<uint32_t>(number);
    Sighting syn_ack = syn;
    std::swap(syn_ack.source, syn_ack.destination);
    std::swap(syn_ack.source_port, syn_ack.destination_port);
    syn_ack.tcp_flags = tcp_flag::syn | tcp_flag::ack;
    syn_ack.seq = syn.seq + 500;
    syn_ack.ack = syn.seq + 1;
    Sighting ack = syn, rst = syn_ack;
    ack.tcp_flags = tcp_flag::ack;
    ack.seq = rst.ack;
    ack.ack = rst.seq = syn_ack.seq + 1;
    rst.tcp_flags = tcp_flag::rst | tcp_flag::ack;
    for (const Sighting& from_client : {syn, ack}) {
      const Sighting& answer = from_client.tcp_flags == tcp_flag::syn ? syn_ack : rst;
      for (const PointIndex point : {0, 1}) cross(point, from_client);
      for (const PointIndex point : {1, 0}) cross(point, answer);
    }
  }
  void cross(PointIndex point, const Sighting& segment) {
    sensor_.show(point, segment);
    sensor_.advance(kMs, kMs);
  }

  test::TemporaryDirectory directory_;
  const std::string socket_ = directory_ / "grpc.sock";
  LiveSensor sensor_{1, kFindings};
  SensorState state_;
  std::unique_ptr<SensorServer> server_;
  std::unique_ptr<v1::Sensor::Stub> stub_;
};

TEST_F(WatchFindingsTest, AnIncidentThatIsOverIsClosedByTimeAlone) {
  grpc::ClientContext context;
  const Reader reader = watch(context);
  reset(1);
  sensor_.advance(10 * kSecond);
  v1::Finding opened, closed;
  ASSERT_TRUE(reader->Read(&opened));
  EXPECT_EQ(opened.kind(), v1::FINDING_KIND_RESET_BY_SERVER);
  EXPECT_EQ(opened.state(), v1::FINDING_STATE_OPEN);
  EXPECT_EQ(to_json(opened).find("dropped_before"), std::string::npos);
  sensor_.advance(600 * kSecond, kSecond);
  ASSERT_TRUE(reader->Read(&closed));
  EXPECT_EQ(closed.id(), opened.id());
  EXPECT_EQ(closed.state(), v1::FINDING_STATE_CLOSED);
  EXPECT_EQ(closed.count(), opened.count());
  EXPECT_EQ(closed.dropped_before(), 0u);
  context.TryCancel();
  reader->Finish();
}

TEST_F(WatchFindingsTest, EveryFindingIsGivenOrCountedAsDropped) {
  grpc::ClientContext context;
  const Reader reader = watch(context);
  constexpr int kReset = 200;  // faster than any stream looks
  for (int number = 1; number <= kReset; ++number) reset(number);
  sensor_.advance(10 * kSecond);
  uint64_t newest = 0;
  for (const FindingRecord& finding : sensor_.engine().findings(0, 1000)) newest = std::max(newest, finding.id);
  std::map<uint64_t, v1::FindingState> given;
  uint64_t dropped = 0;
  v1::Finding finding;
  while (!given.contains(newest) && reader->Read(&finding)) {
    given[finding.id()] = finding.state();
    dropped += finding.dropped_before();
  }
  std::printf("%zu given, %llu dropped, of %llu\n", given.size(), static_cast<unsigned long long>(dropped),
              static_cast<unsigned long long>(newest));
  EXPECT_EQ(given.size() + dropped, newest);
  EXPECT_GT(dropped, 0u);
  EXPECT_NE(metrics_text(state_).find("parallax_watch_findings_dropped_total " + std::to_string(dropped) + "\n"),
            std::string::npos);
  context.TryCancel();
  reader->Finish();
}

TEST_F(WatchFindingsTest, WhoFollowsReadsOnStandardErrorWhatWasDropped) {
  test::ChildProcess follow({test::program("parallax"), "findings", "--follow", "--target", "unix:" + socket_});
  reset(1);
  sensor_.advance(10 * kSecond);
  for (int i = 0; i < 200 && follow.out().empty(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ASSERT_NE(follow.out().find("reset_by_server"), std::string::npos) << follow.err();
  for (int number = 2; number <= 200; ++number) reset(number);
  sensor_.advance(10 * kSecond);
  EXPECT_TRUE(follow.wait_for_error_text(" before this command could take their latest state\n", std::chrono::seconds(10)));
  EXPECT_EQ(follow.err().rfind("parallax: ", 0), 0u) << follow.err();
}

TEST_F(WatchFindingsTest, WhoFollowsReadsThatAFindingIsOver) {
  test::ChildProcess follow({test::program("parallax"), "findings", "--follow", "--target", "unix:" + socket_});
  reset(1);
  sensor_.advance(10 * kSecond);
  const auto reads = [&follow](const char* text) {
    for (int i = 0; i < 200 && follow.out().find(text) == std::string::npos; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return follow.out().find(text) != std::string::npos;
  };
  ASSERT_TRUE(reads("reset_by_server")) << follow.err();
  EXPECT_EQ(follow.out().find("[closed]"), std::string::npos);
  sensor_.advance(600 * kSecond, kSecond);
  EXPECT_TRUE(reads(" [closed]\n")) << follow.out();
}

TEST(DroppedText, SaysHowMany) {
  EXPECT_EQ(dropped_text(1), "1 finding was dropped: it was forgotten before this command could take its latest state");
  EXPECT_EQ(dropped_text(12), "12 findings were dropped: they were forgotten before this command could take their latest state");
}

}  // namespace
}  // namespace parallax
