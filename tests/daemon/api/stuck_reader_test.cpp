// A caller that asks for a slice and then reads nothing, so that the kernel takes no more of it: its place becomes free again,
// and the server can be stopped.
#include <google/protobuf/util/time_util.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "config/defaults.h"
#include "daemon/api/sensor_service.h"
#include "parallax/v1/sensor.grpc.pb.h"
#include "tests/support/child_process.h"
#include "tests/support/small_sensor.h"
#include "tests/support/spool_fixture.h"

namespace parallax {
namespace {

using google::protobuf::util::TimeUtil;
using std::chrono::milliseconds;

// HTTP/2 by hand (RFC 9113, RFC 7541): a client of gRPC's would go on reading.
std::string frame(uint8_t type, uint8_t flags, uint32_t stream, const std::string& payload) {
  std::string made;
  for (const int shift : {16, 8, 0}) made += static_cast<char>(payload.size() >> shift);
  made += static_cast<char>(type);
  made += static_cast<char>(flags);
  for (const int shift : {24, 16, 8, 0}) made += static_cast<char>(stream >> shift);
  return made + payload;
}
std::string literal(const std::string& name, const std::string& value) {
  return std::string(1, '\0') + static_cast<char>(name.size()) + name + static_cast<char>(value.size()) + value;
}
std::string pull_of_everything() {
  v1::PullSliceRequest request;
  *request.mutable_time_range()->mutable_from() = TimeUtil::NanosecondsToTimestamp(kSpoolTestStartNs);
  *request.mutable_time_range()->mutable_to() = TimeUtil::NanosecondsToTimestamp(kSpoolTestStartNs + 1'000'000'000);
  const std::string message = request.SerializeAsString();
  const std::string headers = literal(":method", "POST") + literal(":scheme", "http") +
                              literal(":path", "/parallax.v1.Sensor/PullSlice") + literal(":authority", "x") +
                              literal("te", "trailers") + literal("content-type", "application/grpc");
  const std::string window = {0, 4, 0x7f, static_cast<char>(0xff), static_cast<char>(0xff), static_cast<char>(0xff)};
  const std::string more = {0x7f, static_cast<char>(0), 0, 0};
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, window) + frame(8, 0, 0, more) + frame(1, 4, 1, headers) +
         frame(0, 1, 1, std::string(4, '\0') + static_cast<char>(message.size()) + message);
}

class StuckReaderTest : public ::testing::Test {
 protected:
  static constexpr milliseconds kWriteMax{500};
  static constexpr int kPackets = 20'000;

  void SetUp() override {
    SpoolOptions options = small_spool(directory_ / "spool");
    options.lane_bytes = 16 << 20;
    spool_ = std::move(*Spool::open(options, two_spool_ports()));
    for (int i = 0; i < kPackets; ++i)
      spool_->lane(0).append(0, raw_packet(numbered_frame(static_cast<uint64_t>(i)), kSpoolTestStartNs + i * 1000));
    spool_->start();
    spool_->stop();
    sensor_.state.spool = spool_.get();
    v1::ApiConfig config = default_config().api();
    config.set_address("unix:" + socket_);
    config.mutable_limits()->set_slices(1);
    std::string error;
    server_ = SensorServer::start(sensor_.state, config, std::nullopt, error, kWriteMax);
    ASSERT_NE(server_, nullptr) << error;
    handle_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket_.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::connect(handle_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const std::string pull = pull_of_everything();
    ASSERT_EQ(::send(handle_, pull.data(), pull.size(), MSG_NOSIGNAL), static_cast<ssize_t>(pull.size()));
    ASSERT_EQ(become(grpc::StatusCode::RESOURCE_EXHAUSTED, milliseconds(400)), grpc::StatusCode::RESOURCE_EXHAUSTED)
        << "it does not pull";
  }
  ~StuckReaderTest() override { ::close(handle_); }

  // The status of a pull that asks for nothing there is, until it is this one or for so long.
  grpc::StatusCode become(grpc::StatusCode wanted, milliseconds patience) {
    const auto stub = v1::Sensor::NewStub(grpc::CreateChannel("unix:" + socket_, grpc::InsecureChannelCredentials()));
    const auto end = std::chrono::steady_clock::now() + patience;
    grpc::StatusCode code{};
    do {
      grpc::ClientContext context;
      v1::PullSliceRequest request;
      request.set_finding_id(999'999);
      const auto reader = stub->PullSlice(&context, request);
      for (v1::SliceChunk chunk; reader->Read(&chunk);) continue;
      code = reader->Finish().error_code();
      std::this_thread::sleep_for(milliseconds(20));
    } while (code != wanted && std::chrono::steady_clock::now() < end);
    return code;
  }

  test::TemporaryDirectory directory_;
  const std::string socket_ = directory_ / "grpc.sock";
  test::SmallSensor sensor_{3, 5};
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<SensorServer> server_;
  int handle_ = -1;
};

TEST_F(StuckReaderTest, ItsPlaceBecomesFree) {
  EXPECT_EQ(become(grpc::StatusCode::NOT_FOUND, milliseconds(5000)), grpc::StatusCode::NOT_FOUND);
}

TEST_F(StuckReaderTest, ServerIsStoppedAllTheSame) {
  const auto begin = std::chrono::steady_clock::now();
  server_.reset();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("stopped after %.2f s\n", took.count());
  EXPECT_LT(took, std::chrono::seconds(2)) << "a second of grace, then the connections are cut";
}

}  // namespace
}  // namespace parallax
