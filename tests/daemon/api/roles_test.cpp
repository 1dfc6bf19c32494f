// Who may call what: every RPC of the service, as every role, over the unix socket and over mutual TLS. Nobody without the role
// gets a byte of what the RPC gives.
#include <google/protobuf/util/time_util.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <thread>

#include "config/defaults.h"
#include "daemon/api/metrics.h"
#include "daemon/api/sensor_service.h"
#include "daemon/message/rpcs.h"
#include "daemon/run/unix_groups.h"
#include "parallax/v1/sensor.grpc.pb.h"
#include "tests/support/certificates.h"
#include "tests/support/connect_as.h"
#include "tests/support/generic_call.h"
#include "tests/support/packet_builder.h"
#include "tests/support/small_sensor.h"
#include "tests/support/spool_fixture.h"

namespace parallax {
namespace {

using google::protobuf::util::TimeUtil;
using test::call_once;
using test::GenericAnswer;

// Said here once more, so that a row in the wrong place does not pass.
const std::map<std::string, v1::Role> kNeeded = {
    {"GetStatus", v1::ROLE_VIEWER},   {"ListFindings", v1::ROLE_VIEWER},    {"WatchFindings", v1::ROLE_VIEWER},
    {"GetFinding", v1::ROLE_VIEWER},  {"ListConnections", v1::ROLE_VIEWER}, {"GetConnection", v1::ROLE_VIEWER},
    {"ListDevices", v1::ROLE_VIEWER}, {"PullSlice", v1::ROLE_PULLER},
};
const std::map<v1::Role, std::string> kGroups = {{v1::ROLE_VIEWER, "games"}, {v1::ROLE_PULLER, "mail"}, {v1::ROLE_ADMIN, "news"}};
constexpr v1::Role kRoles[] = {v1::ROLE_UNSPECIFIED, v1::ROLE_VIEWER, v1::ROLE_PULLER, v1::ROLE_ADMIN};

constexpr uid_t kDaemonUser = 60'000, kCallingUser = 60'002;
constexpr gid_t kSocketGroup = 60'001;
constexpr const char* kPath = "/parallax.v1.Sensor/";

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const google::protobuf::ServiceDescriptor& service() {
  return *v1::GetStatusRequest::descriptor()->file()->FindServiceByName("Sensor");
}

std::string host_of(v1::Role role) { return role_text(role) + ".example.net"; }

v1::PullSliceRequest everything() {
  v1::PullSliceRequest request;
  *request.mutable_time_range()->mutable_from() = TimeUtil::NanosecondsToTimestamp(kSpoolTestStartNs);
  *request.mutable_time_range()->mutable_to() = TimeUtil::NanosecondsToTimestamp(kSpoolTestStartNs + 1'000'000'000);
  return request;
}

// One that the sensor below has an answer to.
std::string request_of(const std::string& method) {
  if (method == "PullSlice") return everything().SerializeAsString();
  v1::GetFindingRequest by_id;  // as is GetConnectionRequest
  by_id.set_id(1);
  return method.starts_with("Get") && method != "GetStatus" ? by_id.SerializeAsString() : std::string();
}

std::string text_of_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A sensor with findings, connections, a device and a spool of packets, and servers over it.
class RolesTest : public ::testing::Test {
 protected:
  using ChannelOf = std::function<std::shared_ptr<grpc::Channel>(v1::Role)>;
  static constexpr int kPackets = 5000;

  RolesTest() {
    ::chmod(directory_.path().c_str(), 0755);
    SpoolOptions options = small_spool(directory_ / "spool");
    options.lane_bytes = 8 << 20;
    spool_ = std::move(*Spool::open(options, two_spool_ports()));
    for (int i = 0; i < kPackets; ++i) {
      const auto frame =
          test::udp_frame({test::address("198.51.100.7"), test::address("203.0.113.1")}, {static_cast<uint16_t>(1024 + i), 53});
      spool_->lane(0).append(0, raw_packet(frame, kSpoolTestStartNs + i * 1000));
    }
    spool_->start();
    spool_->stop();
    sensor_.state.spool = spool_.get();
  }

  void start(const v1::ApiConfig& config, const std::optional<ServiceUser>& owner) {
    std::string error;
    server_ = SensorServer::start(sensor_.state, config, owner, error);
    ASSERT_NE(server_, nullptr) << error;
  }

  // On a unix socket, with a role for a group each where `with_roles`.
  void start_on_unix(bool with_roles) {
    config_.set_address("unix:" + socket_);
    for (const auto& [role, group] : kGroups) {
      if (!with_roles) break;
      v1::RoleConfig& one = *config_.add_roles();
      one.set_role(role);
      one.set_group(group);
    }
    start(config_, ServiceUser{"test", kDaemonUser, kSocketGroup});
  }
  // Null: the file does not let it in.
  std::shared_ptr<grpc::Channel> channel_of_user(uid_t user, const std::vector<gid_t>& groups) const {
    const int handle = test::connect_as(socket_, user, kSocketGroup, groups);
    return handle < 0 ? nullptr : grpc::CreateInsecureChannelFromFd("unix", handle);
  }
  std::shared_ptr<grpc::Channel> channel_on_unix(v1::Role role) const {
    const auto group = kGroups.find(role);
    return channel_of_user(kCallingUser, group == kGroups.end() ? std::vector<gid_t>{} : std::vector{*find_group(group->second)});
  }

  // On TCP, with a role for a name each where `with_roles`. False: no openssl.
  bool start_on_tcp(bool with_roles) {
    if (!test::make_certificates(directory_)) return false;
    config_.set_address("127.0.0.1:0");
    config_.set_tls_certificate(directory_ / "localhost.crt");
    config_.set_tls_key(directory_ / "localhost.key");
    config_.set_tls_client_ca(directory_ / "ca.crt");
    for (const v1::Role role : kRoles) {
      if (!test::make_certificate(directory_, role_text(role), "client", "DNS:" + host_of(role))) return false;
      if (!with_roles || role == v1::ROLE_UNSPECIFIED) continue;
      v1::RoleConfig& one = *config_.add_roles();
      one.set_role(role);
      one.set_name(host_of(role));
    }
    start(config_, std::nullopt);
    return true;
  }
  std::shared_ptr<grpc::Channel> channel_with(const std::string& certificate) const {
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = text_of_file(directory_ / "ca.crt");
    tls.pem_cert_chain = text_of_file(directory_ / (certificate + ".crt"));
    tls.pem_private_key = text_of_file(directory_ / (certificate + ".key"));
    return grpc::CreateChannel("ipv4:127.0.0.1:" + std::to_string(server_->port()), grpc::SslCredentials(tls));
  }

  void every_rpc_as_every_role(const ChannelOf& channel_of, const std::function<std::string(v1::Role)>& seen_as) {
    for (const v1::Role role : kRoles) {
      const auto channel = channel_of(role);
      ASSERT_NE(channel, nullptr);
      for (int i = 0; i < service().method_count(); ++i) {
        const std::string name = service().method(i)->name();
        ASSERT_TRUE(kNeeded.contains(name)) << name << " is new: which role does it need?";
        const GenericAnswer answer = call_once(channel, kPath + name, request_of(name));
        SCOPED_TRACE(name + " as " + role_text(role) + ": " + answer.status.error_message());
        if (role >= kNeeded.at(name)) {
          EXPECT_NE(answer.bytes, "");
          EXPECT_NE(answer.status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
          continue;
        }
        EXPECT_EQ(answer.bytes, "");
        EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
        EXPECT_TRUE(has(answer.status.error_message(), name + " needs the role " + role_text(kNeeded.at(name)) + ", and "));
        EXPECT_TRUE(has(answer.status.error_message(), seen_as(role)));
        EXPECT_TRUE(has(metrics_text(sensor_.state),
                        "parallax_api_calls_denied_total{method=\"" + name + "\",role=\"" + role_text(role) + "\"} 1\n"));
      }
      nothing_by_the_back_door(channel);
    }
  }

  // Reflection describes the service, health says that it is up, and a method that is none gives nothing, to whomever.
  void nothing_by_the_back_door(const std::shared_ptr<grpc::Channel>& channel) {
    for (const char* path : {"/parallax.v1.Sensor/PullSlices", "/parallax.v1.Sensor/pullslice", "/parallax.v1.Sensor/",
                             "/parallax.v1.Sensor", "//parallax.v1.Sensor/PullSlice", "/parallax.v1.Sensor/PullSlice/",
                             "/parallax.v1.sensor/PullSlice", "/parallax.v2.Sensor/PullSlice", "/Sensor/PullSlice",
                             "/parallax.v1.Sensor/../Sensor/PullSlice", "/parallax.v1.Sensor/%50ullSlice"}) {
      const GenericAnswer answer = call_once(channel, path, everything().SerializeAsString());
      EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << path << ": " << answer.status.error_message();
      EXPECT_EQ(answer.bytes, "") << path;
    }
    const std::string symbol = "parallax.v1.Sensor";
    const std::string described = call_once(channel, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                                            std::string("\x22\x12") + symbol)
                                      .bytes;  // file_containing_symbol
    EXPECT_TRUE(has(described, "PullSliceRequest"));
    const std::string packet("\x08\x00\x45", 3), interface = "tap0";  // of an Ethernet frame; of every answer about ports
    EXPECT_FALSE(has(described, packet) || has(described, interface));
    EXPECT_EQ(call_once(channel, "/grpc.health.v1.Health/Check", "").bytes, "\x08\x01");
  }

  test::TemporaryDirectory directory_;
  const std::string socket_ = directory_ / "grpc.sock";
  test::SmallSensor sensor_{3, 5};
  std::unique_ptr<Spool> spool_;
  v1::ApiConfig config_ = default_config().api();
  std::unique_ptr<SensorServer> server_;
};

TEST_F(RolesTest, EveryRpcHasItsRow) {
  EXPECT_EQ(static_cast<size_t>(service().method_count()), kRpcCount);
  EXPECT_EQ(kNeeded.size(), kRpcCount);
  for (int i = 0; i < service().method_count() && i < static_cast<int>(kRpcCount); ++i) {
    const std::string name = service().method(i)->name();
    EXPECT_EQ(name, name_of(static_cast<Rpc>(i))) << "rows are in the order of the service";
    const auto needed = kNeeded.find(name);
    ASSERT_NE(needed, kNeeded.end()) << name;
    EXPECT_EQ(role_for(static_cast<Rpc>(i)), needed->second) << name;
  }
}

TEST_F(RolesTest, EveryRpcAsEveryRoleOnTheUnixSocket) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to connect as other users";
  start_on_unix(true);
  every_rpc_as_every_role([this](v1::Role role) { return channel_on_unix(role); },
                          [](v1::Role) { return "uid " + std::to_string(kCallingUser) + " (no name), pid "; });
}

TEST_F(RolesTest, EveryRpcAsEveryRoleOverMutualTls) {
  if (!start_on_tcp(true)) GTEST_SKIP() << "needs openssl to make certificates: apt-get install openssl";
  every_rpc_as_every_role([this](v1::Role role) { return channel_with(role_text(role)); },
                          [](v1::Role role) { return '"' + host_of(role) + '"'; });
}

TEST_F(RolesTest, DaemonsOwnUserAndRootMayEverythingOnTheUnixSocket) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to connect as other users";
  start_on_unix(true);
  for (const uid_t user : {uid_t{0}, kDaemonUser}) {
    const auto channel = channel_of_user(user, {});
    ASSERT_NE(channel, nullptr) << user;
    EXPECT_NE(call_once(channel, std::string(kPath) + "PullSlice", request_of("PullSlice")).bytes, "") << user;
  }
}

TEST_F(RolesTest, WithoutRolesTheSocketsModeDecides) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to connect as other users";
  start_on_unix(false);
  const auto member = channel_of_user(kCallingUser, {});
  ASSERT_NE(member, nullptr) << "of the socket's group";
  for (const auto& [name, role] : kNeeded) EXPECT_NE(call_once(member, kPath + name, request_of(name)).bytes, "") << name;
  ::chown(socket_.c_str(), kDaemonUser, 0);
  EXPECT_EQ(channel_of_user(kCallingUser, {}), nullptr) << "not of the socket's group";
}

TEST_F(RolesTest, WithoutRolesACertificateMayDoEverythingAndTheLogSaysSo) {
  testing::internal::CaptureStderr();
  const bool has_started = start_on_tcp(false);
  const std::string log = testing::internal::GetCapturedStderr();
  if (!has_started) GTEST_SKIP() << "needs openssl to make certificates: apt-get install openssl";
  EXPECT_TRUE(has(log, "api: without api.roles whoever has a certificate of ")) << log;
  const auto channel = channel_with("anna");
  for (const auto& [name, needed] : kNeeded) {
    const GenericAnswer answer = call_once(channel, kPath + name, request_of(name));
    EXPECT_NE(answer.bytes, "") << name;
  }
}

// Where a certificate has alternative names the authority has vouched for those; the common name may be anything.
TEST_F(RolesTest, CommonNameCountsWhereThereIsNoOtherName) {
  if (!start_on_tcp(true)) GTEST_SKIP() << "needs openssl to make certificates: apt-get install openssl";
  ASSERT_TRUE(test::make_certificate(directory_, "alone", host_of(v1::ROLE_PULLER), ""));
  ASSERT_TRUE(test::make_certificate(directory_, "other", host_of(v1::ROLE_PULLER), "DNS:mallory.example.org"));
  ASSERT_TRUE(test::make_certificate(directory_, "second", "client", "IP:192.0.2.1,DNS:" + host_of(v1::ROLE_PULLER)));
  const std::string path = std::string(kPath) + "PullSlice", request = request_of("PullSlice");
  EXPECT_NE(call_once(channel_with("alone"), path, request).bytes, "");
  EXPECT_NE(call_once(channel_with("second"), path, request).bytes, "");
  const GenericAnswer other = call_once(channel_with("other"), path, request);
  EXPECT_EQ(other.bytes, "");
  EXPECT_TRUE(has(other.status.error_message(), " \"mallory.example.org\" has none")) << other.status.error_message();
}

TEST_F(RolesTest, EveryPullIsLoggedWithWhoWhatHowMuchAndHowItEnded) {
  if (!start_on_tcp(true)) GTEST_SKIP() << "needs openssl to make certificates: apt-get install openssl";
  const auto pull = [&](const std::string& certificate, v1::PullSliceRequest request) {
    const auto stub = v1::Sensor::NewStub(channel_with(certificate));
    grpc::ClientContext context;
    const auto reader = stub->PullSlice(&context, request);
    size_t bytes = 0;
    for (v1::SliceChunk chunk; reader->Read(&chunk);) bytes += chunk.data().size();
    reader->Finish();
    return bytes;
  };
  v1::PullSliceRequest filtered = everything(), bad = everything(), none;
  filtered.set_filter("udp port 1025\nerror: forged");
  bad.set_filter(std::string(100'000, '('));
  none.set_finding_id(4711);
  testing::internal::CaptureStderr();
  const size_t bytes = pull("puller", everything());
  pull("puller", filtered);
  pull("puller", bad);
  pull("puller", none);
  pull("viewer", none);
  server_.reset();
  const std::string log = testing::internal::GetCapturedStderr();
  const std::string who = " \"puller.example.net\": ";
  EXPECT_GT(bytes, 100'000u);
  EXPECT_TRUE(has(log, "slice of 2023-11-14T22:13:20Z to 2023-11-14T22:13:21Z pulled by ipv4:127.0.0.1:")) << log;
  EXPECT_TRUE(has(log, who + std::to_string(bytes) + " bytes; complete\n")) << log;
  EXPECT_TRUE(has(log, " with filter \"udp port 1025 error: forged\" pulled by ")) << log;
  EXPECT_TRUE(has(log, "(((... (100000 bytes)\" pulled by ")) << log.substr(0, 4000);
  EXPECT_TRUE(has(log, "slice of finding 4711 pulled by ")) << log;
  EXPECT_TRUE(has(log, who + "0 bytes; ended early: there is no finding 4711")) << log;
  EXPECT_TRUE(has(log, "slice of finding 4711 denied to ipv4:127.0.0.1:")) << log;
  EXPECT_TRUE(has(log, " \"viewer.example.net\", whose role is viewer\n")) << log;
  EXPECT_LT(log.size(), 5000u);
}

class LimitsTest : public RolesTest {
 protected:
  // Over the unix socket, as the daemon's own user; how much came, and the summary.
  std::pair<std::string, v1::SliceSummary> pull(const v1::PullSliceRequest& request) {
    start(config_, std::nullopt);
    const auto stub = v1::Sensor::NewStub(grpc::CreateChannel("unix:" + socket_, grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    const auto reader = stub->PullSlice(&context, request);
    std::string bytes;
    v1::SliceSummary summary;
    for (v1::SliceChunk chunk; reader->Read(&chunk);) {
      bytes += chunk.data();
      if (chunk.has_summary()) summary = chunk.summary();
    }
    const grpc::Status status = reader->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return {bytes, summary};
  }
  bool counted(const std::string& limit, int times) {
    const std::string text = metrics_text(sensor_.state);
    return has(text, "parallax_api_calls_limited_total{limit=\"" + limit + "\"} " + std::to_string(times) + "\n");
  }
  void SetUp() override { config_.set_address("unix:" + socket_); }
};

TEST_F(LimitsTest, SliceIsCutAtItsSizeAndSaysSo) {
  config_.mutable_limits()->set_slice_size(100'000);
  const auto [bytes, summary] = pull(everything());
  EXPECT_LE(bytes.size(), 100'000u);
  EXPECT_GT(bytes.size(), 90'000u);
  ASSERT_EQ(summary.missing_size(), 1);
  EXPECT_TRUE(has(summary.missing(0), "it may have 100000 bytes")) << summary.missing(0);
  EXPECT_TRUE(counted("slice_size", 1));
}

TEST_F(LimitsTest, SliceIsSentNoFasterThanItsRate) {
  config_.mutable_limits()->set_slice_rate(512 << 10);
  const auto start = std::chrono::steady_clock::now();
  const auto [bytes, summary] = pull(everything());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_GT(took.count(), 0.9 * static_cast<double>(bytes.size()) / (512 << 10));
  EXPECT_TRUE(counted("slice_rate", 1));
  EXPECT_TRUE(counted("slice_size", 0));
}

TEST_F(LimitsTest, OneWatcherTooManyIsCounted) {
  config_.mutable_limits()->set_watches(1);
  start(config_, std::nullopt);
  const auto stub = v1::Sensor::NewStub(grpc::CreateChannel("unix:" + socket_, grpc::InsecureChannelCredentials()));
  grpc::ClientContext first, second;
  const auto watching = stub->WatchFindings(&first, {});
  v1::Finding finding;
  ASSERT_TRUE(watching->Read(&finding));
  const auto refused = stub->WatchFindings(&second, {});
  EXPECT_FALSE(refused->Read(&finding));
  EXPECT_EQ(refused->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(counted("watches", 1));
  first.TryCancel();
  watching->Finish();
}

// Of two users one takes as many watches as it may; the other is still served.
TEST_F(LimitsTest, NoCallerTakesAllWatchesFromOthers) {
  config_.mutable_limits()->set_watches(4);
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to be two users";
  ::chmod(directory_.path().c_str(), 0755);
  start(config_, ServiceUser{"test", kDaemonUser, kSocketGroup});
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::Finding>>> watches;
  const auto watch_as = [&](uid_t user) {
    const auto stub = v1::Sensor::NewStub(channel_of_user(user, {}));
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    contexts.back()->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    watches.push_back(stub->WatchFindings(contexts.back().get(), {}));
    v1::Finding finding;
    return watches.back()->Read(&finding) ? grpc::Status::OK : watches.back()->Finish();
  };
  EXPECT_TRUE(watch_as(kCallingUser).ok());
  EXPECT_TRUE(watch_as(kCallingUser).ok());
  const grpc::Status refused = watch_as(kCallingUser);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(refused.error_message(), "2 watchers at a time are served to one caller, and you have as many; try again in 1 s");
  EXPECT_TRUE(counted("watches_per_caller", 1));
  EXPECT_TRUE(watch_as(kCallingUser + 1).ok());
  EXPECT_TRUE(watch_as(kCallingUser + 1).ok());
  EXPECT_TRUE(has(watch_as(kCallingUser + 2).error_message(), "4 watchers at a time are served; try again"));
  EXPECT_TRUE(counted("watches", 1));
  for (auto& context : contexts) context->TryCancel();
}

}  // namespace
}  // namespace parallax
