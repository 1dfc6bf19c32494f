// `systemctl reload` of who may do what on TCP: certificates, roles and limits change under a running daemon, and wrong ones are
// refused whole.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>

#include <thread>

#include "parallax/v1/sensor.grpc.pb.h"
#include "tests/support/certificates.h"
#include "tests/support/command.h"
#include "tests/support/nat_daemon_fixture.h"

namespace parallax::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class ReloadAccessTest : public NatDaemonTest {
 protected:
  void SetUp() override {
    NatDaemonTest::SetUp();
    if (!make_certificates(directory_)) GTEST_SKIP() << "needs openssl to make certificates: apt-get install openssl";
  }

  // `api`: further keys of the section, with their commas.
  std::string configured(const std::string& api = "", const std::string& further = "") const {
    const std::string config = write_config("nat", tap_ports(), spool() + further);
    std::string text = text_of_file(config);
    const size_t section = text.find("api:");
    text.replace(section, text.find('\n', section) - section,
                 "api: { address: \"" + address_ + "\", tls_certificate: \"" + (directory_ / "localhost.crt") +
                     "\", tls_key: \"" + (directory_ / "localhost.key") + "\", tls_client_ca: \"" + (directory_ / "ca.crt") +
                     "\"" + api + " }");
    std::ofstream(config) << text;
    return config;
  }
  static size_t times_said(ChildProcess& daemon, const std::string& text) {
    const std::string all = daemon.err();
    size_t times = 0;
    for (size_t at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) ++times;
    return times;
  }
  // Until it is said once more.
  static void reload(ChildProcess& daemon, const std::string& said) {
    const size_t before = times_said(daemon, said);
    daemon.signal(SIGHUP);
    for (int i = 0; i < 200 && times_said(daemon, said) == before; ++i) std::this_thread::sleep_for(50ms);
    EXPECT_GT(times_said(daemon, said), before) << daemon.err();
  }
  void copy(const std::string& from, const std::string& to) const {
    std::ofstream(directory_ / to) << text_of_file(directory_ / from);
  }

  // The serial number of the certificate that a new connection meets.
  std::string serial_met() const {
    const CommandResult met = run("openssl s_client -connect " + address_ + " -cert '" + (directory_ / "anna.crt") + "' -key '" +
                                  (directory_ / "anna.key") + "' < /dev/null 2> /dev/null | openssl x509 -noout -serial");
    EXPECT_EQ(met.status, 0);
    return met.output;
  }
  std::string serial_of(const std::string& file) const {
    return run("openssl x509 -noout -serial -in '" + (directory_ / file) + "'").output;
  }
  std::vector<std::string> as(const std::string& who, std::vector<std::string> words, const std::string& ca = "ca.crt") const {
    words.insert(words.begin(), program("parallax"));
    words.insert(words.end(), {"--target", address_, "--tls-ca", directory_ / ca, "--tls-cert", directory_ / (who + ".crt"),
                               "--tls-key", directory_ / (who + ".key")});
    return words;
  }
  int status_as(const std::string& who, const std::string& ca = "ca.crt") const {
    ChildProcess client(as(who, {"status"}, ca));
    return client.wait(30s);
  }
  // One connection for all calls of a test.
  std::unique_ptr<v1::Sensor::Stub> connection_of_anna() const {
    const auto channel = grpc::CreateChannel(
        address_, grpc::SslCredentials({text_of_file(directory_ / "ca.crt"), text_of_file(directory_ / "anna.key"),
                                        text_of_file(directory_ / "anna.crt")}));
    return v1::Sensor::NewStub(channel);
  }
  static grpc::Status pull(v1::Sensor::Stub& stub) {
    grpc::ClientContext context;
    v1::PullSliceRequest request;
    request.mutable_time_range()->mutable_from()->set_seconds(kStartSeconds);
    request.mutable_time_range()->mutable_to()->set_seconds(kStartSeconds + 20);
    const auto reader = stub.PullSlice(&context, request);
    for (v1::SliceChunk chunk; reader->Read(&chunk);) {
    }
    return reader->Finish();
  }

  const std::string address_ = "127.0.0.1:" + std::to_string(free_port());
};

TEST_F(ReloadAccessTest, NewConnectionsMeetTheNewCertificateAndStreamsGoOn) {
  ChildProcess daemon({program("parallaxd"), "--config", configured()});
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  const std::string before = serial_of("localhost.crt");
  EXPECT_EQ(serial_met(), before);
  ChildProcess watcher(as("anna", {"findings", "--follow"}));
  std::this_thread::sleep_for(1s);
  ASSERT_TRUE(make_certificate(directory_, "localhost", "localhost", "DNS:localhost,IP:127.0.0.1"));
  ASSERT_NE(serial_of("localhost.crt"), before);
  EXPECT_EQ(serial_met(), before) << "not before it is told to";
  reload(daemon, "is in effect");
  EXPECT_TRUE(has(daemon.err(), "api: new connections meet the certificates as they are now")) << daemon.err();
  EXPECT_EQ(serial_met(), serial_of("localhost.crt"));
  EXPECT_EQ(status_as("anna"), 0);
  EXPECT_EQ(watcher.wait(500ms), -1) << "it goes on: " << watcher.err();
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kStopTimeout), 0);
  EXPECT_EQ(watcher.wait(5s), 1);
  EXPECT_THAT(watcher.err(), HasSubstr("the daemon is stopping"));
}

TEST_F(ReloadAccessTest, ClientsOfTheFormerAuthorityAreRefused) {
  copy("anna.crt", "former.crt"), copy("anna.key", "former.key"), copy("ca.crt", "former_ca.crt");
  ChildProcess daemon({program("parallaxd"), "--config", configured()});
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  EXPECT_EQ(status_as("former"), 0);
  ASSERT_TRUE(make_certificates(directory_));  // all of it anew
  reload(daemon, "is in effect");
  EXPECT_EQ(status_as("anna"), 0);
  EXPECT_EQ(status_as("former"), 1);
  EXPECT_EQ(status_as("anna", "former_ca.crt"), 1) << "the daemon's own is of the new one, too";
}

TEST_F(ReloadAccessTest, WhatCannotServeIsRefusedWithAllElse) {
  ChildProcess daemon({program("parallaxd"), "--config", configured()});
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  const std::string before = serial_met();
  const std::string good = text_of_file(directory_ / "localhost.key"), with_roles = ", roles: [{ name: nobody, role: viewer }]";
  const auto refused = [&](const std::string& api, const std::string& why) {
    const std::string config = configured(api);
    reload(daemon, config + " is not taken");
    EXPECT_GT(times_said(daemon, why), 0u) << daemon.err();
    EXPECT_EQ(serial_met(), before);
    EXPECT_EQ(status_as("anna"), 0) << "the roles beside it are not taken either";
  };
  copy("anna.key", "localhost.key");
  refused(with_roles, "api.tls_key: " + (directory_ / "localhost.key") + " is not the key of the certificate");
  std::ofstream(directory_ / "localhost.key") << "no key";
  refused(with_roles, "holds no private key in PEM form");
  std::remove((directory_ / "localhost.key").c_str());
  refused(with_roles, "cannot be read: No such file or directory");
  std::ofstream(directory_ / "localhost.key") << good;
  refused(with_roles + ", limits: { watches: 0 }", "api.limits.watches");
  EXPECT_EQ(status_as("anna"), 0);
  configured(with_roles);
  reload(daemon, "is in effect");
  EXPECT_EQ(status_as("anna"), 1);
}

TEST_F(ReloadAccessTest, ARoleThatIsTakenAwayHoldsForTheNextCallOnTheSameConnectionAndEndsStreams) {
  ChildProcess daemon({program("parallaxd"), "--config", configured(", roles: [{ name: anna, role: puller }]")});
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  const auto stub = connection_of_anna();
  EXPECT_TRUE(pull(*stub).ok());
  grpc::ClientContext watching;
  const auto watch = stub->WatchFindings(&watching, {});
  v1::Finding finding;
  ASSERT_TRUE(watch->Read(&finding));

  configured(", roles: [{ name: anna, role: viewer }]");
  reload(daemon, "is in effect");
  EXPECT_EQ(pull(*stub).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  grpc::ClientContext asking;
  v1::Status status;
  EXPECT_TRUE(stub->GetStatus(&asking, {}, &status).ok());

  configured(", roles: [{ name: berta, role: viewer }]");
  reload(daemon, "is in effect");
  while (watch->Read(&finding)) {
  }
  const grpc::Status ended = watch->Finish();
  EXPECT_EQ(ended.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(ended.error_message(), HasSubstr("WatchFindings needs the role viewer"));
  configured(", roles: [{ name: anna, role: admin }]");
  reload(daemon, "is in effect");
  EXPECT_TRUE(pull(*stub).ok());
}

TEST_F(ReloadAccessTest, LimitsHoldForTheNextCall) {
  ChildProcess daemon({program("parallaxd"), "--config", configured(", limits: { watches: 1, slice_size: 1MiB }")});
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  const auto stub = connection_of_anna();
  grpc::ClientContext first_context, second_context, third_context;
  v1::Finding finding;
  const auto first = stub->WatchFindings(&first_context, {});
  ASSERT_TRUE(first->Read(&finding));
  const auto second = stub->WatchFindings(&second_context, {});
  EXPECT_FALSE(second->Read(&finding));
  EXPECT_EQ(second->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  configured(", limits: { watches: 2, watches_per_caller: 2, slice_size: 1MiB }");
  reload(daemon, "is in effect");
  const auto third = stub->WatchFindings(&third_context, {});
  EXPECT_TRUE(third->Read(&finding));
  first_context.TryCancel(), third_context.TryCancel();
}

}  // namespace
}  // namespace parallax::test
