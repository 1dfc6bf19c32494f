// The API over its unix socket, asked by the client's own stubs: lists and pages, streams, errors, bounds, health.
#include "daemon/api/sensor_service.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <set>
#include <thread>

#include "config/defaults.h"
#include "daemon/client/sensor_client.h"
#include "parallax/v1/sensor.grpc.pb.h"
#include "tests/support/certificates.h"
#include "tests/support/child_process.h"
#include "tests/support/small_sensor.h"

namespace parallax {
namespace {

using test::SmallSensor;
using test::TemporaryDirectory;

v1::ApiConfig at(const std::string& address) {
  v1::ApiConfig config = default_config().api();
  config.set_address(address);
  return config;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// A server over a sensor, and a stub to ask it.
class SensorServiceTest : public ::testing::Test {
 protected:
  static constexpr size_t kDropped = 3, kOpened = 250;

  void SetUp() override {
    std::string error;
    server_ = SensorServer::start(sensor_.state, at("unix:" + socket_), std::nullopt, error);
    ASSERT_NE(server_, nullptr) << error;
    stub_ = v1::Sensor::NewStub(grpc::CreateChannel("unix:" + socket_, grpc::InsecureChannelCredentials()));
  }

  TemporaryDirectory directory_;
  const std::string socket_ = directory_ / "grpc.sock";
  SmallSensor sensor_{kDropped, kOpened};
  std::unique_ptr<SensorServer> server_;
  std::unique_ptr<v1::Sensor::Stub> stub_;
};

TEST_F(SensorServiceTest, StatusNamesPortsPointsAndSummary) {
  grpc::ClientContext context;
  v1::Status status;
  ASSERT_TRUE(stub_->GetStatus(&context, {}, &status).ok());
  EXPECT_EQ(status.sensor(), "test");
  ASSERT_EQ(status.ports_size(), 2);
  EXPECT_EQ(status.ports(0).name(), "tap0");
  EXPECT_EQ(status.ports(0).point(), "outside");
  EXPECT_EQ(status.ports(0).packets(), kDropped + 3 * kOpened);
  ASSERT_EQ(status.points_size(), 2);
  EXPECT_EQ(status.points(1).name(), "inside");
  EXPECT_EQ(status.summary().connections(), kDropped + kOpened);
  EXPECT_EQ(status.summary().paired_connections(), kOpened);
  EXPECT_DOUBLE_EQ(status.clock_uncertainty_seconds(), 1.5e-6);
  EXPECT_FALSE(status.has_spool());
}

TEST_F(SensorServiceTest, PagesHoldEveryConnectionOnce) {
  std::set<uint64_t> ids;
  v1::ListConnectionsRequest request;
  request.set_page_size(100);
  int pages = 0;
  do {
    grpc::ClientContext context;
    v1::ListConnectionsResponse page;
    ASSERT_TRUE(stub_->ListConnections(&context, request, &page).ok());
    EXPECT_LE(page.connections_size(), 100);
    for (const v1::Connection& connection : page.connections()) EXPECT_TRUE(ids.insert(connection.id()).second);
    request.set_page_token(page.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(ids.size(), kDropped + kOpened);
}

TEST_F(SensorServiceTest, FilteredPageIsFullAndTheLastHasNoToken) {
  v1::ListConnectionsRequest request;
  request.set_page_size(kDropped);
  request.set_outcome(v1::OUTCOME_UNANSWERED);
  grpc::ClientContext context;
  v1::ListConnectionsResponse page;
  ASSERT_TRUE(stub_->ListConnections(&context, request, &page).ok());
  EXPECT_EQ(page.connections_size(), static_cast<int>(kDropped));
  EXPECT_EQ(page.next_page_token(), "");
}

TEST_F(SensorServiceTest, PageSizeIsBounded) {
  for (const auto& [asked, got] : {std::pair(0u, SensorServer::kPageSizeDefault), std::pair(4'000'000'000u, 253u)}) {
    v1::ListConnectionsRequest request;
    request.set_page_size(asked);
    grpc::ClientContext context;
    v1::ListConnectionsResponse page;
    ASSERT_TRUE(stub_->ListConnections(&context, request, &page).ok());
    EXPECT_EQ(page.connections_size(), static_cast<int>(got));
  }
}

TEST_F(SensorServiceTest, ForeignPageTokenIsInvalid) {
  for (const char* token : {"x", "-1", "1x", "99999999999999999999999", "/", "1/", "/1", "1/-1", "1/1x"}) {
    v1::ListFindingsRequest request;
    request.set_page_token(token);
    grpc::ClientContext context;
    v1::ListFindingsResponse page;
    EXPECT_EQ(stub_->ListFindings(&context, request, &page).error_code(), grpc::StatusCode::INVALID_ARGUMENT) << token;
  }
}

TEST_F(SensorServiceTest, NewestAreTheLastOfThoseThatAreWanted) {
  struct Case {
    uint32_t newest, page_size;
    v1::Outcome outcome;
    uint64_t first, last;  // ids
  };
  const Case cases[] = {
      {5, 0, v1::OUTCOME_UNSPECIFIED, kDropped + kOpened - 4, kDropped + kOpened},
      {5, 2, v1::OUTCOME_UNSPECIFIED, kDropped + kOpened - 4, kDropped + kOpened},  // over three pages
      {4, 2, v1::OUTCOME_UNSPECIFIED, kDropped + kOpened - 3, kDropped + kOpened},
      {2, 0, v1::OUTCOME_UNANSWERED, kDropped - 1, kDropped},
      {1000, 0, v1::OUTCOME_UNANSWERED, 1, kDropped},
  };
  for (const Case& one : cases) {
    v1::ListConnectionsRequest request;
    request.set_newest(one.newest);
    request.set_page_size(one.page_size);
    request.set_outcome(one.outcome);
    std::vector<uint64_t> ids, wanted;
    for (uint64_t id = one.first; id <= one.last; ++id) wanted.push_back(id);
    do {
      grpc::ClientContext context;
      v1::ListConnectionsResponse page;
      ASSERT_TRUE(stub_->ListConnections(&context, request, &page).ok());
      for (const v1::Connection& connection : page.connections()) ids.push_back(connection.id());
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    EXPECT_EQ(ids, wanted) << one.newest << " by " << one.page_size;
  }
}

TEST_F(SensorServiceTest, FilterChoosesConnectionsAndFindings) {
  const auto connections = [this](const v1::RecordFilter& filter) {
    v1::ListConnectionsRequest request;
    *request.mutable_filter() = filter;
    request.set_page_size(1000);
    grpc::ClientContext context;
    v1::ListConnectionsResponse page;
    EXPECT_TRUE(stub_->ListConnections(&context, request, &page).ok());
    return static_cast<size_t>(page.connections_size());
  };
  const auto findings = [this](const v1::RecordFilter& filter) {
    v1::ListFindingsRequest request;
    *request.mutable_filter() = filter;
    grpc::ClientContext context;
    v1::ListFindingsResponse page;
    EXPECT_TRUE(stub_->ListFindings(&context, request, &page).ok());
    return page.findings_size();
  };
  v1::RecordFilter by_client, by_service, by_port, before;
  by_client.set_client("192.0.2.0/24");
  by_service.set_service("198.51.100.2");
  by_port.set_port(1024);
  before.mutable_to()->set_seconds(SmallSensor::kStartNs / 1'000'000'000 - 1);
  EXPECT_EQ(connections(by_client), kDropped + kOpened);
  EXPECT_EQ(connections(by_service), 0u);
  EXPECT_EQ(connections(by_port), 1u);
  EXPECT_EQ(connections(before), 0u);
  EXPECT_EQ(findings(by_client), findings({}));
  EXPECT_EQ(findings(by_service), 0);
  EXPECT_EQ(findings(before), 0);
}

TEST_F(SensorServiceTest, WatcherIsToldOnlyOfWhatItWants) {
  v1::WatchFindingsRequest other_kind, other_client;
  other_kind.set_kind(v1::FINDING_KIND_SEGMENT_LOSS);
  other_client.mutable_filter()->set_client("192.0.2.2");
  for (const v1::WatchFindingsRequest& request : {other_kind, other_client}) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(500));
    const auto reader = stub_->WatchFindings(&context, request);
    v1::Finding finding;
    EXPECT_FALSE(reader->Read(&finding)) << finding.ShortDebugString();
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  }
  grpc::ClientContext context;
  v1::WatchFindingsRequest request;
  request.set_kind(v1::FINDING_KIND_SYN_UNANSWERED);
  request.mutable_filter()->set_client("192.0.2.1");
  const auto reader = stub_->WatchFindings(&context, request);
  v1::Finding finding;
  EXPECT_TRUE(reader->Read(&finding));
  context.TryCancel();
  reader->Finish();
}

// Enums of proto3 are open: what a newer client asks for must not become "all" or "nothing".
TEST_F(SensorServiceTest, UnknownEnumValueAndBadFilterAreRefusedByEveryCall) {
  const auto refused = [](const grpc::Status& status, const std::string& begin, const std::string& wanted) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_TRUE(status.error_message().starts_with(begin) && has(status.error_message(), wanted)) << status.error_message();
  };
  const auto list = [this](const v1::ListFindingsRequest& request) {
    grpc::ClientContext context;
    v1::ListFindingsResponse page;
    return stub_->ListFindings(&context, request, &page);
  };
  const auto list_connections = [this](const v1::ListConnectionsRequest& request) {
    grpc::ClientContext context;
    v1::ListConnectionsResponse page;
    return stub_->ListConnections(&context, request, &page);
  };
  const auto watch = [this](const v1::WatchFindingsRequest& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    const auto reader = stub_->WatchFindings(&context, request);
    v1::Finding finding;
    EXPECT_FALSE(reader->Read(&finding));
    return reader->Finish();
  };
  v1::ListFindingsRequest kind, severity, client, pinned;
  kind.set_kind(static_cast<v1::FindingKind>(999));
  severity.set_minimum_severity(static_cast<v1::Severity>(5));
  client.mutable_filter()->set_client("x");
  pinned.set_pinned(true);
  pinned.mutable_filter()->set_port(443);
  refused(list(kind), "kind: 999 is no value of FindingKind: want ", "syn_unanswered");
  refused(list(severity), "minimum_severity: 5 is no value of Severity: want ", "info, notice, warning or critical");
  refused(list(client), "filter.client: \"x\"", "192.0.2.0/24");
  refused(list(pinned), "filter.port: ", "service, from and to");
  v1::WatchFindingsRequest watched_kind, watched_severity, watched_host;
  watched_kind.set_kind(static_cast<v1::FindingKind>(-1));
  watched_severity.set_minimum_severity(static_cast<v1::Severity>(5));
  watched_host.mutable_filter()->set_host("x");
  refused(watch(watched_kind), "kind: -1 ", "syn_unanswered");
  refused(watch(watched_severity), "minimum_severity: 5 ", "critical");
  refused(watch(watched_host), "filter.host: \"x\"", "2001:db8::/32");
  v1::ListConnectionsRequest outcome, service;
  outcome.set_outcome(static_cast<v1::Outcome>(8));
  service.mutable_filter()->set_service("x");
  refused(list_connections(outcome), "outcome: 8 is no value of Outcome: want ", "established");
  refused(list_connections(service), "filter.service: \"x\"", ":443");
}

TEST_F(SensorServiceTest, FindingIsListedAndGotByItsId) {
  v1::ListFindingsRequest request;
  request.set_kind(v1::FINDING_KIND_SYN_UNANSWERED);
  request.set_minimum_severity(v1::SEVERITY_WARNING);
  grpc::ClientContext listing;
  v1::ListFindingsResponse page;
  ASSERT_TRUE(stub_->ListFindings(&listing, request, &page).ok());
  ASSERT_GE(page.findings_size(), 1);
  EXPECT_EQ(page.findings(0).where().between_size(), 2);
  v1::GetFindingRequest wanted;
  wanted.set_id(page.findings(0).id());
  grpc::ClientContext getting;
  v1::Finding finding;
  ASSERT_TRUE(stub_->GetFinding(&getting, wanted, &finding).ok());
  EXPECT_EQ(finding.SerializeAsString(), page.findings(0).SerializeAsString());
}

TEST_F(SensorServiceTest, UnknownIdIsNotFound) {
  for (const uint64_t id : {uint64_t{0}, uint64_t{987'654'321}, ~uint64_t{0}}) {
    grpc::ClientContext first, second;
    v1::GetFindingRequest finding_request;
    finding_request.set_id(id);
    v1::Finding finding;
    EXPECT_EQ(stub_->GetFinding(&first, finding_request, &finding).error_code(), grpc::StatusCode::NOT_FOUND);
    v1::GetConnectionRequest connection_request;
    connection_request.set_id(id);
    v1::Connection connection;
    EXPECT_EQ(stub_->GetConnection(&second, connection_request, &connection).error_code(), grpc::StatusCode::NOT_FOUND);
  }
}

TEST_F(SensorServiceTest, WatcherGetsWhatIsKnownAndHearsOfTheEnd) {
  grpc::ClientContext context;
  const auto reader = stub_->WatchFindings(&context, {});
  v1::Finding finding;
  ASSERT_TRUE(reader->Read(&finding));
  EXPECT_EQ(finding.kind(), v1::FINDING_KIND_SYN_UNANSWERED);
  const auto start = std::chrono::steady_clock::now();
  std::thread stopping([this] { server_.reset(); });
  while (reader->Read(&finding)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  stopping.join();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
}

TEST_F(SensorServiceTest, WatcherOfNewFindingsIsNotToldTheOld) {
  grpc::ClientContext context;
  v1::WatchFindingsRequest request;
  request.set_new_only(true);
  const auto reader = stub_->WatchFindings(&context, request);
  reader->WaitForInitialMetadata();  // the server has skipped what was there
  std::thread cancelling([&context] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    context.TryCancel();
  });
  v1::Finding finding;
  EXPECT_FALSE(reader->Read(&finding));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  cancelling.join();
}

TEST_F(SensorServiceTest, OneWatcherTooManyIsRefusedWithAHint) {
  const size_t places = default_config().api().limits().watches() / 2;  // this caller's
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::Finding>>> readers;
  v1::Finding finding;
  for (size_t i = 0; i < places; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(stub_->WatchFindings(contexts.back().get(), {}));
    ASSERT_TRUE(readers.back()->Read(&finding)) << i;
  }
  grpc::ClientContext context;
  const auto reader = stub_->WatchFindings(&context, {});
  EXPECT_FALSE(reader->Read(&finding));
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message(), "16 watchers at a time are served to one caller, and you have as many; try again in 1 s");
  EXPECT_EQ(context.GetServerTrailingMetadata().count("grpc-retry-pushback-ms"), 1u);
  for (auto& other : contexts) other->TryCancel();
  for (auto& other : readers) other->Finish();
}

TEST_F(SensorServiceTest, SliceWithoutASpoolIsRefused) {
  v1::PullSliceRequest request;
  request.set_finding_id(1);
  grpc::ClientContext context;
  const auto reader = stub_->PullSlice(&context, request);
  v1::SliceChunk chunk;
  EXPECT_FALSE(reader->Read(&chunk));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(SensorServiceTest, SocketIsForOwnerAndGroup) {
  struct stat status {};
  ASSERT_EQ(::stat(socket_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0660u);
}

TEST_F(SensorServiceTest, SecondServerOnTheSocketIsRefused) {
  std::string error;
  EXPECT_EQ(SensorServer::start(sensor_.state, at("unix:" + socket_), std::nullopt, error), nullptr);
  EXPECT_TRUE(has(error, socket_) && has(error, "running already")) << error;
  grpc::ClientContext context;
  v1::Status status;
  EXPECT_TRUE(stub_->GetStatus(&context, {}, &status).ok()) << "the first one still answers";
}

TEST(SensorServer, SocketLeftBehindIsRemoved) {
  const SmallSensor sensor(0, 1);
  const TemporaryDirectory directory;
  const std::string path = directory / "grpc.sock";
  const int left = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(left, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(left);
  std::string error;
  EXPECT_NE(SensorServer::start(sensor.state, at("unix:" + path), std::nullopt, error), nullptr) << error;
  struct stat status {};
  EXPECT_NE(::stat(path.c_str(), &status), 0) << "removed at the end";
}

TEST(SensorServer, FileInThePlaceOfTheSocketIsKept) {
  const SmallSensor sensor(0, 1);
  const TemporaryDirectory directory;
  const std::string path = directory / "precious";
  std::ofstream(path) << "x";
  std::string error;
  EXPECT_EQ(SensorServer::start(sensor.state, at("unix:" + path), std::nullopt, error), nullptr);
  EXPECT_TRUE(has(error, "not a socket")) << error;
  EXPECT_TRUE(std::ifstream(path).good());
}

TEST(SensorServer, MissingDirectoryIsSaid) {
  const SmallSensor sensor(0, 1);
  std::string error;
  EXPECT_EQ(SensorServer::start(sensor.state, at("unix:/nonexistent/grpc.sock"), std::nullopt, error), nullptr);
  EXPECT_TRUE(has(error, "does its directory exist")) << error;
}

TEST(SensorServer, TcpWithoutTlsIsRefused) {
  const SmallSensor sensor(0, 1);
  std::string error;
  EXPECT_EQ(SensorServer::start(sensor.state, at("127.0.0.1:0"), std::nullopt, error), nullptr);
  EXPECT_TRUE(has(error, "mutual TLS")) << error;
}

TEST(SensorServer, TcpAnswersOnlyClientsOfTheAuthority) {
  const TemporaryDirectory directory;
  if (!test::make_certificates(directory)) GTEST_SKIP() << "needs openssl to make certificates: apt-get install openssl";
  const SmallSensor sensor(0, 1);
  v1::ApiConfig config = at("127.0.0.1:0");
  config.set_tls_certificate(directory / "localhost.crt");
  config.set_tls_key(directory / "localhost.key");
  config.set_tls_client_ca(directory / "ca.crt");
  std::string error;
  const auto server = SensorServer::start(sensor.state, config, std::nullopt, error);
  ASSERT_NE(server, nullptr) << error;
  // Numbers, since the resolver behind gRPC leaks.
  const std::string target = "ipv4:127.0.0.1:" + std::to_string(server->port());

  ClientOutcome outcome;
  v1::Status status;
  const auto client = SensorClient::make({target, directory / "ca.crt", directory / "anna.crt", directory / "anna.key"}, outcome);
  ASSERT_NE(client, nullptr) << outcome.error;
  EXPECT_EQ(client->status(status).error, "");
  EXPECT_EQ(status.sensor(), "test");

  std::ifstream ca_file(directory / "ca.crt");
  grpc::SslCredentialsOptions anonymous;
  anonymous.pem_root_certs.assign(std::istreambuf_iterator<char>(ca_file), {});
  const auto stub = v1::Sensor::NewStub(grpc::CreateChannel(target, grpc::SslCredentials(anonymous)));
  grpc::ClientContext context;
  EXPECT_FALSE(stub->GetStatus(&context, {}, &status).ok()) << "without a certificate";
}

TEST(SensorClient, DaemonThatIsNotThereIsSaid) {
  ClientOutcome outcome;
  const auto client =
      SensorClient::make({.target = "unix:/nonexistent/grpc.sock", .tls_ca = {}, .tls_cert = {}, .tls_key = {}}, outcome);
  ASSERT_NE(client, nullptr);
  v1::Status status;
  outcome = client->status(status);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.error, "no parallaxd answers at unix:/nonexistent/grpc.sock: No such file or directory");
}

// gRPC's own client in another language, which knows the service by reflection alone.
TEST_F(SensorServiceTest, IndependentClientFindsServiceAndHealth) {
  if (std::system("/usr/bin/python3 -c 'import grpc' 2>/dev/null") != 0)
    GTEST_SKIP() << "needs a client of another language: apt-get install python3-grpcio python3-protobuf";
  test::ChildProcess client(
      {"/usr/bin/python3", PARALLAX_SOURCE_DIR "/tests/daemon/api/reflection_client.py", "unix:" + socket_});
  EXPECT_EQ(client.wait(std::chrono::seconds(30)), 0) << client.err();
  EXPECT_EQ(client.out(),
            "services: grpc.health.v1.Health grpc.reflection.v1alpha.ServerReflection parallax.v1.Sensor\n"
            "methods: GetStatus ListFindings WatchFindings GetFinding ListConnections GetConnection ListDevices PullSlice\n"
            "health: SERVING\n"
            "status: test, 2 ports\n");
}

}  // namespace
}  // namespace parallax
