// Receivers of a slice that do not read, or go: their places are free again soon.
#include <google/protobuf/util/time_util.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "config/defaults.h"
#include "daemon/api/sensor_service.h"
#include "parallax/v1/sensor.grpc.pb.h"
#include "tests/support/child_process.h"
#include "tests/support/packet_builder.h"
#include "tests/support/small_sensor.h"
#include "tests/support/spool_fixture.h"

namespace parallax {
namespace {

using namespace std::chrono_literals;
using google::protobuf::util::TimeUtil;

constexpr auto kWriteMax = 2s;

// A spool that holds more than gRPC buffers, and a server over it.
class SlowReaderTest : public ::testing::Test {
 protected:
  using Reader = std::unique_ptr<grpc::ClientReader<v1::SliceChunk>>;
  struct Pull {
    std::unique_ptr<grpc::ClientContext> context;
    Reader reader;
  };

  SlowReaderTest() {
    SpoolOptions options = small_spool(directory_ / "spool");
    options.limits.size = 256 << 20;
    options.lane_bytes = 32 << 20;
    spool_ = std::move(*Spool::open(options, two_spool_ports()));
    for (int i = 0; i < kPackets; ++i) {
      const auto frame = test::udp_frame({test::address("198.51.100.7"), test::address("203.0.113.1")},
                                         {static_cast<uint16_t>(1024 + i % 50'000), 53});
      spool_->lane(0).append(0, raw_packet(frame, kSpoolTestStartNs + i * 1000));
    }
    spool_->start();
    spool_->stop();
    sensor_.state.spool = spool_.get();
    std::string error;
    v1::ApiConfig config = default_config().api();
    config.set_address("unix:" + socket_);
    server_ = SensorServer::start(sensor_.state, config, std::nullopt, error, kWriteMax);
    EXPECT_NE(server_, nullptr) << error;
    stub_ = v1::Sensor::NewStub(grpc::CreateChannel("unix:" + socket_, grpc::InsecureChannelCredentials()));
  }

  Pull pull() {
    v1::PullSliceRequest request;
    *request.mutable_time_range()->mutable_from() = TimeUtil::NanosecondsToTimestamp(kSpoolTestStartNs);
    *request.mutable_time_range()->mutable_to() = TimeUtil::NanosecondsToTimestamp(kSpoolTestStartNs + 1'000'000'000);
    auto context = std::make_unique<grpc::ClientContext>();
    auto reader = stub_->PullSlice(context.get(), request);
    return {std::move(context), std::move(reader)};
  }
  // Whether there is a place for one more, which is then given back.
  bool served() {
    Pull one = pull();
    v1::SliceChunk chunk;
    const bool some = one.reader->Read(&chunk);
    one.context->TryCancel();
    return some;
  }
  // The same, of a slice that there is not: nothing is analysed for the answer.
  bool has_place() {
    v1::PullSliceRequest request;
    request.set_finding_id(1'000'000);
    grpc::ClientContext context;
    const Reader reader = stub_->PullSlice(&context, request);
    v1::SliceChunk chunk;
    while (reader->Read(&chunk)) {
    }
    return reader->Finish().error_code() == grpc::StatusCode::NOT_FOUND;
  }
  // How long until a place is free.
  std::chrono::milliseconds until_served() {
    const auto start = std::chrono::steady_clock::now();
    while (!served()) {
      if (std::chrono::steady_clock::now() - start > 20s) break;
      std::this_thread::sleep_for(5ms);
    }
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  }

  static constexpr int kPackets = 60'000;
  test::TemporaryDirectory directory_;
  const std::string socket_ = directory_ / "grpc.sock";
  test::SmallSensor sensor_{1, 1};
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<SensorServer> server_;
  std::unique_ptr<v1::Sensor::Stub> stub_;
};

TEST_F(SlowReaderTest, ReceiversThatReadNothingKeepNoPlace) {
  std::vector<Pull> pulls;
  for (size_t i = 0; i < default_config().api().limits().slices(); ++i) pulls.push_back(pull());
  EXPECT_LT(until_served(), 15s);
  for (Pull& one : pulls) {
    v1::SliceChunk chunk;
    while (one.reader->Read(&chunk)) {
    }
    EXPECT_FALSE(one.reader->Finish().ok()) << "a slice that was cut short says so";
  }
}

TEST_F(SlowReaderTest, ReceiversThatGoWhileTheAnalysisRunsKeepNoPlace) {
  std::vector<Pull> pulls;
  for (size_t i = 0; i < default_config().api().limits().slices(); ++i) pulls.push_back(pull());
  std::this_thread::sleep_for(50ms);
  for (Pull& one : pulls) one.context->TryCancel();
  EXPECT_LT(until_served(), 5s);
}

// The analysis itself stops, and soon, while those of the others go on.
TEST_F(SlowReaderTest, ReceiverThatGoesWhileTheAnalysisRunsGivesItsPlaceBackAtOnce) {
  std::vector<Pull> pulls;
  for (size_t i = 0; i < default_config().api().limits().slices(); ++i) pulls.push_back(pull());
  for (int i = 0; i < 40 && (i == 0 || has_place()); ++i) std::this_thread::sleep_for(50ms);
  ASSERT_FALSE(has_place());
  const auto start = std::chrono::steady_clock::now();
  pulls.front().context->TryCancel();
  while (!has_place() && std::chrono::steady_clock::now() - start < 5s) std::this_thread::sleep_for(1ms);
  const std::chrono::duration<double, std::milli> waited = std::chrono::steady_clock::now() - start;
  std::printf("its place was free after %.1f ms\n", waited.count());
  EXPECT_LT(waited, 2s) << "100 ms on a machine that does nothing else";
  for (Pull& one : pulls) one.context->TryCancel();
}

TEST_F(SlowReaderTest, AReceiverThatReadsGetsAll) {
  Pull one = pull();
  v1::SliceChunk chunk;
  size_t bytes = 0;
  while (one.reader->Read(&chunk)) bytes += chunk.data().size();
  const grpc::Status status = one.reader->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_GT(bytes, kPackets * 60u);
}

}  // namespace
}  // namespace parallax
