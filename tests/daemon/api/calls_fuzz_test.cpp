// Whole calls of the API with bytes that nobody meant: any path, any request, from whoever. Each has an end with a status in
// time, no packet goes to who may not have it, and the service answers afterwards as before.
//
// Seeded. PARALLAX_FUZZ_RUNS: calls, 3,000 unless said; PARALLAX_FUZZ_SEED: another seed.
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/time_util.h>
#include <grpcpp/create_channel_posix.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "config/defaults.h"
#include "daemon/api/sensor_service.h"
#include "daemon/run/unix_groups.h"
#include "parallax/v1/sensor.grpc.pb.h"
#include "tests/support/child_process.h"
#include "tests/support/connect_as.h"
#include "tests/support/generic_call.h"
#include "tests/support/packet_builder.h"
#include "tests/support/random.h"
#include "tests/support/small_sensor.h"
#include "tests/support/spool_fixture.h"

namespace parallax {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::util::TimeUtil;
using std::chrono::milliseconds;
using test::call_once;
using test::GenericAnswer;

constexpr const char* kMagic = "PACKET OF THE SPOOL";  // in each packet, and nowhere else

uint64_t number_from(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

// Requests of random content: what is odd is as likely as what is in order.
class Requests {
 public:
  explicit Requests(uint64_t seed) : random_(seed) {}

  std::string path() {
    const auto& service = *v1::GetStatusRequest::descriptor()->file()->FindServiceByName("Sensor");
    const int known = service.method_count();
    const auto chosen = static_cast<int>(below(static_cast<uint64_t>(known) + 4));
    if (chosen < known) {
      method_ = service.method(chosen);
      return "/parallax.v1.Sensor/" + std::string(method_->name());
    }
    method_ = nullptr;
    const std::array<std::string, 4> others{"/parallax.v1.Sensor/NoSuchMethod", "/grpc.health.v1.Health/Check",
                                            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                                            "/" + std::string(below(4000), 'a')};  // what is no HTTP/2 header ends the connection
    return others[static_cast<size_t>(chosen - known)];
  }
  // Of the method of path().
  std::string bytes() {
    std::string made = method_ == nullptr ? bytes_of(below(64)) : below(4) == 0 ? in_order() : message(*method_->input_type());
    if (below(3) == 0) spoil(made);
    return made;
  }

 private:
  uint64_t below(uint64_t limit) { return random_.below(limit); }
  // One that has an answer.
  std::string in_order() {
    if (method_->name() == "PullSlice") {
      v1::PullSliceRequest request;
      *request.mutable_time_range()->mutable_from() = TimeUtil::NanosecondsToTimestamp(kSpoolTestStartNs);
      *request.mutable_time_range()->mutable_to() = TimeUtil::NanosecondsToTimestamp(kSpoolTestStartNs + 1'000'000'000);
      return request.SerializeAsString();
    }
    v1::GetFindingRequest by_id;  // as is GetConnectionRequest; of the others the field is a page's size, or none
    by_id.set_id(1);
    return by_id.SerializeAsString();
  }
  std::string bytes_of(size_t length) {
    std::string made(length, '\0');
    for (char& c : made) c = static_cast<char>(below(256));
    return made;
  }
  std::string text() {
    switch (below(7)) {
      case 0:
        return std::string(1 << below(17), 'a');
      case 1:
        return bytes_of(below(40));  // hardly ever UTF-8: protobuf refuses it where the schema says string
      case 2:
        return "tcp port 443 and host 198.51.100.7";
      case 3:
        return std::string(below(2000), '(') + "tcp";
      case 4:
        return "host no.such.name and (";
      case 5:
        return "192.0.2.0/" + std::to_string(below(200));
      default:
        return std::to_string(number());
    }
  }
  uint64_t number() {
    constexpr std::array<uint64_t, 8> kEdges{0, 1, 2, 250, 1ull << 31, (1ull << 32) - 1, 1ull << 63, ~0ull};
    return below(3) == 0 ? below(1000) : kEdges[below(kEdges.size())];
  }
  std::string message(const google::protobuf::Descriptor& type) {
    google::protobuf::DynamicMessageFactory factory;
    const std::unique_ptr<Message> made(factory.GetPrototype(&type)->New());
    fill(*made, 3);
    std::string bytes;
    made->SerializePartialToString(&bytes);
    return bytes;
  }
  void fill(Message& message, int depth) {
    if (message.GetDescriptor()->full_name() == "google.protobuf.Timestamp" && below(2) == 0) {
      const std::string in_spool =
          TimeUtil::NanosecondsToTimestamp(kSpoolTestStartNs + static_cast<int64_t>(below(10'000'000))).SerializeAsString();
      message.ParsePartialFromString(in_spool);
      return;
    }
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
      const FieldDescriptor& field = *message.GetDescriptor()->field(i);
      if (below(2) == 0) continue;
      const uint64_t times = field.is_repeated() ? below(4) : 1;
      for (uint64_t k = 0; k < times; ++k) set(message, field, depth);
    }
  }
  void set(Message& message, const FieldDescriptor& field, int depth) {
    const Reflection& reflection = *message.GetReflection();
    const bool many = field.is_repeated();
#define PARALLAX_SET(Type, value) \
  many ? reflection.Add##Type(&message, &field, value) : reflection.Set##Type(&message, &field, value)
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        PARALLAX_SET(Int32, static_cast<int32_t>(number()));
        return;
      case FieldDescriptor::CPPTYPE_INT64:
        PARALLAX_SET(Int64, static_cast<int64_t>(number()));
        return;
      case FieldDescriptor::CPPTYPE_UINT32:
        PARALLAX_SET(UInt32, static_cast<uint32_t>(number()));
        return;
      case FieldDescriptor::CPPTYPE_UINT64:
        PARALLAX_SET(UInt64, number());
        return;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        PARALLAX_SET(Double, below(2) == 0 ? std::numeric_limits<double>::quiet_NaN() : -1e300);
        return;
      case FieldDescriptor::CPPTYPE_FLOAT:
        PARALLAX_SET(Float, std::numeric_limits<float>::infinity());
        return;
      case FieldDescriptor::CPPTYPE_BOOL:
        PARALLAX_SET(Bool, below(2) == 0);
        return;
      case FieldDescriptor::CPPTYPE_ENUM:
        PARALLAX_SET(EnumValue, static_cast<int>(below(80)) - 2);
        return;
      case FieldDescriptor::CPPTYPE_STRING:
        PARALLAX_SET(String, text());
        return;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (depth > 0)
          fill(many ? *reflection.AddMessage(&message, &field) : *reflection.MutableMessage(&message, &field), depth - 1);
        return;
    }
#undef PARALLAX_SET
  }
  void spoil(std::string& bytes) {
    for (uint64_t i = below(4) + 1; i > 0; --i) {
      if (bytes.empty()) bytes = bytes_of(8);
      const size_t at = below(bytes.size());
      switch (below(4)) {
        case 0:
          bytes[at] = static_cast<char>(below(256));
          break;
        case 1:
          bytes.resize(at);
          break;
        case 2:
          bytes.insert(at, bytes_of(below(9)));
          break;
        default:
          bytes += bytes.substr(at);
      }
    }
  }

  test::Random random_;
  const google::protobuf::MethodDescriptor* method_ = nullptr;
};

// A sensor with findings and a spool of packets, and a server over it.
class CallsFuzzTest : public ::testing::Test {
 protected:
  CallsFuzzTest() {
    spool_ = std::move(*Spool::open(small_spool(directory_ / "spool"), two_spool_ports()));
    for (int i = 0; i < 500; ++i) {
      std::vector<uint8_t> frame =
          test::udp_frame({test::address("198.51.100.7"), test::address("203.0.113.1")}, {static_cast<uint16_t>(1024 + i), 53});
      frame.insert(frame.end(), kMagic, kMagic + std::strlen(kMagic));
      spool_->lane(0).append(0, raw_packet(frame, kSpoolTestStartNs + i * 1000));
    }
    spool_->start();
    spool_->stop();
    sensor_.state.spool = spool_.get();
  }
  // `viewers`: the group that may look, and nobody of another one may do anything; empty: everyone may do everything.
  void start(const std::string& viewers = "") {
    v1::ApiConfig config = default_config().api();
    config.set_address("unix:" + socket_);
    config.mutable_limits()->set_slices_per_caller(config.limits().slices());
    if (!viewers.empty()) {
      config.add_roles()->set_role(v1::ROLE_VIEWER);
      config.mutable_roles(0)->set_group(viewers);
    }
    const auto owner = viewers.empty() ? std::nullopt : std::optional(ServiceUser{"test", kDaemonUser, kSocketGroup});
    std::string error;
    server_ = SensorServer::start(sensor_.state, config, owner, error);
    ASSERT_NE(server_, nullptr) << error;
  }
  // Calls, each of which must end in time with a status that does not come of the service's own trouble.
  void call(const std::shared_ptr<grpc::Channel>& channel, uint64_t runs, bool may_pull) {
    const uint64_t seed = number_from("PARALLAX_FUZZ_SEED", 1);
    Requests requests(seed);
    for (uint64_t run = 0; run < runs; ++run) {
      const std::string path = requests.path(), bytes = requests.bytes();
      const auto begin = std::chrono::steady_clock::now();
      // A watch of which nothing is wanted goes on.
      const bool may_go_on = path == "/parallax.v1.Sensor/WatchFindings";
      const GenericAnswer answer = call_once(channel, path, bytes, may_go_on ? milliseconds(100) : milliseconds(10'000));
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
      SCOPED_TRACE("seed " + std::to_string(seed) + ", call " + std::to_string(run) + " of " + path.substr(0, 80));
      const auto code = static_cast<size_t>(answer.status.error_code());
      ASSERT_LT(code, by_status_.size()) << answer.status.error_message();
      ++by_status_[code];
      ASSERT_LT(took.count(), 11.0);
      ASSERT_TRUE(may_go_on || answer.status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED) << "it hangs";
      const bool has_packets = answer.bytes.find(kMagic) != std::string::npos;
      ASSERT_TRUE(!has_packets || (may_pull && path == "/parallax.v1.Sensor/PullSlice")) << "packets";
      ASSERT_TRUE(may_pull || path != "/parallax.v1.Sensor/PullSlice" || answer.bytes.empty());
      with_packets_ += has_packets;
    }
    for (size_t i = 0; i < by_status_.size(); ++i)
      if (by_status_[i] > 0) std::printf("status %zu: %llu\n", i, static_cast<unsigned long long>(by_status_[i]));
    // Once in a long run gRPC was seen to end a connection of its own accord; the next call makes a new one.
    EXPECT_LE(by_status_[grpc::StatusCode::UNAVAILABLE], runs / 5000);
    EXPECT_FALSE(call_once(channel, "/parallax.v1.Sensor/GetStatus", "").bytes.empty()) << "the service is gone";
  }

  static constexpr uid_t kDaemonUser = 60'000, kCallingUser = 60'002;
  static constexpr gid_t kSocketGroup = 60'001;
  const uint64_t runs_ = number_from("PARALLAX_FUZZ_RUNS", 3000);
  std::array<uint64_t, 17> by_status_{};
  uint64_t with_packets_ = 0;
  test::TemporaryDirectory directory_;
  const std::string socket_ = directory_ / "grpc.sock";
  test::SmallSensor sensor_{3, 250};
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<SensorServer> server_;
};

TEST_F(CallsFuzzTest, EachCallEndsWithAStatus) {
  start();
  call(grpc::CreateChannel("unix:" + socket_, grpc::InsecureChannelCredentials()), runs_, true);
  EXPECT_GT(by_status_[grpc::StatusCode::OK], runs_ / 20);
  EXPECT_GT(by_status_[grpc::StatusCode::INVALID_ARGUMENT], runs_ / 20);
  EXPECT_GT(by_status_[grpc::StatusCode::UNIMPLEMENTED], 0u);
  EXPECT_GT(with_packets_, 0u) << "the requests reach no packets";
}

TEST_F(CallsFuzzTest, ViewerIsGivenNoPacketWhateverItAsks) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to be another user";
  ::chmod(directory_.path().c_str(), 0755);
  start("games");
  const int handle = test::connect_as(socket_, kCallingUser, kSocketGroup, {*find_group("games")});
  ASSERT_GE(handle, 0);
  call(grpc::CreateInsecureChannelFromFd("unix", handle), runs_ / 3, false);
  EXPECT_GT(by_status_[grpc::StatusCode::PERMISSION_DENIED], runs_ / 100);
}

TEST_F(CallsFuzzTest, WhoHasNoRoleIsGivenNothing) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to be another user";
  ::chmod(directory_.path().c_str(), 0755);
  start("games");
  const int handle = test::connect_as(socket_, kCallingUser, kSocketGroup, {});
  ASSERT_GE(handle, 0);
  const auto channel = grpc::CreateInsecureChannelFromFd("unix", handle);
  Requests requests(number_from("PARALLAX_FUZZ_SEED", 1));
  for (uint64_t run = 0; run < runs_ / 3; ++run) {
    const std::string path = requests.path(), bytes = requests.bytes();
    if (!path.starts_with("/parallax.v1.Sensor/")) continue;  // health and reflection answer everyone
    const GenericAnswer answer = call_once(channel, path, bytes);
    ASSERT_EQ(answer.bytes, "") << path;
    ASSERT_FALSE(answer.status.ok()) << path;
  }
}

}  // namespace
}  // namespace parallax
