// Server reflection: what it answers, and that its streams take the places of the caller who holds them.
#include "daemon/api/reflection.h"

#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "config/defaults.h"
#include "daemon/api/sensor_service.h"
#include "parallax/v1/sensor.grpc.pb.h"
#include "tests/support/child_process.h"
#include "tests/support/small_sensor.h"

namespace parallax {
namespace {

using grpc::reflection::v1alpha::ServerReflection;
using Request = Reflection::Request;
using Response = Reflection::Response;

TEST(Reflection, GivesAFileWithAllThatItImports) {
  Request request;
  request.set_file_containing_symbol("parallax.v1.Sensor");
  const Response answer = Reflection::answer(request);
  std::vector<std::string> names;
  for (const std::string& bytes : answer.file_descriptor_response().file_descriptor_proto()) {
    google::protobuf::FileDescriptorProto file;
    ASSERT_TRUE(file.ParseFromString(bytes));
    names.push_back(file.name());
  }
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(names.front(), "parallax/v1/sensor.proto");
  EXPECT_NE(std::find(names.begin(), names.end(), "parallax/v1/types.proto"), names.end());
  EXPECT_NE(std::find(names.begin(), names.end(), "google/protobuf/timestamp.proto"), names.end());
  Request same;
  same.set_file_by_filename("parallax/v1/sensor.proto");
  EXPECT_EQ(Reflection::answer(same).file_descriptor_response().file_descriptor_proto_size(), static_cast<int>(names.size()));
}

TEST(Reflection, SaysWhatThereIsNot) {
  Request request;
  EXPECT_EQ(Reflection::answer(request).error_response().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.set_file_containing_symbol("parallax.v1.None");
  EXPECT_EQ(Reflection::answer(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Reflection::answer(request).original_request().file_containing_symbol(), "parallax.v1.None");
  request.set_file_by_filename("../../etc/passwd");
  EXPECT_EQ(Reflection::answer(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  request.set_all_extension_numbers_of_type("parallax.v1.None");
  EXPECT_EQ(Reflection::answer(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  request.mutable_file_containing_extension()->set_containing_type("parallax.v1.Finding");
  EXPECT_EQ(Reflection::answer(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  request.set_all_extension_numbers_of_type("google.protobuf.FieldOptions");
  EXPECT_GT(Reflection::answer(request).all_extension_numbers_response().extension_number_size(), 0);
}

class ReflectionStreamsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    v1::ApiConfig config = default_config().api();
    config.set_address("unix:" + socket_);
    config.mutable_limits()->set_watches(8);
    config.mutable_limits()->set_watches_per_caller(3);
    std::string error;
    server_ = SensorServer::start(sensor_.state, config, std::nullopt, error);
    ASSERT_NE(server_, nullptr) << error;
    channel_ = grpc::CreateChannel("unix:" + socket_, grpc::InsecureChannelCredentials());
    stub_ = ServerReflection::NewStub(channel_);
  }
  struct Held {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> stream;
  };
  // A stream that has been answered and goes on; null: it was refused.
  std::unique_ptr<Held> hold() {
    auto held = std::make_unique<Held>();
    held->context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    held->stream = stub_->ServerReflectionInfo(&held->context);
    Request request;
    request.set_list_services("*");
    Response answer;
    if (held->stream->Write(request) && held->stream->Read(&answer)) return held;
    refusal_ = held->stream->Finish();
    return nullptr;
  }

  test::TemporaryDirectory directory_;
  const std::string socket_ = directory_ / "grpc.sock";
  test::SmallSensor sensor_{1, 1};
  std::unique_ptr<SensorServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<ServerReflection::Stub> stub_;
  grpc::Status refusal_;
};

TEST_F(ReflectionStreamsTest, TakeThePlacesOfTheirCaller) {
  std::vector<std::unique_ptr<Held>> held;
  for (int i = 0; i < 3; ++i) ASSERT_NE(held.emplace_back(hold()), nullptr) << refusal_.error_message();
  EXPECT_EQ(hold(), nullptr);
  EXPECT_EQ(refusal_.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_NE(refusal_.error_message().find("3 watchers at a time are served to one caller"), std::string::npos)
      << refusal_.error_message();
  grpc::ClientContext context;
  const auto sensor = v1::Sensor::NewStub(channel_);
  const auto watch = sensor->WatchFindings(&context, v1::WatchFindingsRequest());
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);  // the same places
  EXPECT_EQ(sensor_.state.api->limited[static_cast<size_t>(ApiLimit::watches_per_caller)], 2u);
  held.back()->stream->WritesDone();
  EXPECT_TRUE(held.back()->stream->Finish().ok());
  held.pop_back();
  std::unique_ptr<Held> next;
  for (int i = 0; i < 100 && next == nullptr; ++i, usleep(20'000)) next = hold();
  EXPECT_NE(next, nullptr) << refusal_.error_message();
}

TEST_F(ReflectionStreamsTest, HoldUpNoStop) {
  const std::unique_ptr<Held> held = hold();
  ASSERT_NE(held, nullptr);
  const auto begin = std::chrono::steady_clock::now();
  server_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
}

}  // namespace
}  // namespace parallax
