// parallaxd's webhook: findings reach a receiver made for Alertmanager, and one that misbehaves holds up nobody.
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <csignal>

#include "tests/support/hook_server.h"
#include "tests/support/nat_daemon_fixture.h"

namespace parallax::test {
namespace {

using google::protobuf::Struct;
using Manner = HookServer::Manner;

class WebhookDaemonTest : public NatDaemonTest {
 protected:
  std::string hook(const std::string& more = "") const { return "webhook: { url: \"" + server_.url() + "\"" + more + " }\n"; }
  ChildProcess start_with(const std::string& more) const {
    return ChildProcess({program("parallaxd"), "--config", write_config("nat", tap_ports(), more)});
  }
  std::string page() const { return http_get(metrics_port_, "/metrics"); }
  bool wait_for_sample(const std::string& name, double value) const {
    for (int i = 0; i < 200; ++i, usleep(100'000)) {
      if (sample(page(), name) >= value) return true;
    }
    return false;
  }
  void stop_soon(ChildProcess& daemon) const {
    const auto begin = std::chrono::steady_clock::now();
    daemon.signal(SIGTERM);
    EXPECT_EQ(daemon.wait(kStopTimeout), 0) << daemon.err();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  }

  using Fields = google::protobuf::Map<std::string, google::protobuf::Value>;
  static Fields only_alert(const std::string& message) {
    Struct parsed;
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(message, &parsed).ok()) << message;
    EXPECT_EQ(parsed.fields().at("version").string_value(), "4");
    EXPECT_EQ(parsed.fields().at("alerts").list_value().values_size(), 1);
    return parsed.fields().at("alerts").list_value().values(0).struct_value().fields();
  }
  static std::string label(const Fields& alert, const std::string& name) {
    return alert.at("labels").struct_value().fields().at(name).string_value();
  }

  HookServer server_;
};

// The files have ended, and with them the finding.
TEST_F(WebhookDaemonTest, AFindingThatIsOverIsToldAsResolved) {
  ChildProcess daemon = start_with(hook());
  ASSERT_TRUE(server_.wait_for(1)) << daemon.err();
  ASSERT_TRUE(wait_for_sample("parallax_webhook_posts_total", 1)) << page();
  EXPECT_EQ(sample(page(), "parallax_webhook_alerts_total"), 1);
  EXPECT_EQ(sample(page(), "parallax_webhook_alerts_firing"), 0);
  std::string status;
  EXPECT_EQ(ask({"status"}, &status), 0);
  EXPECT_TRUE(has(status, "1 changes of findings told in 1 posts, 0 firing, 0 waiting")) << status;
  EXPECT_FALSE(has(status, "secret")) << status;
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kStopTimeout), 0) << daemon.err();
  EXPECT_FALSE(has(daemon.err(), "secret")) << daemon.err();
  ASSERT_EQ(server_.requests().size(), 1u);
  const auto alert = only_alert(server_.requests().front().body);
  EXPECT_EQ(alert.at("status").string_value(), "resolved");
  EXPECT_EQ(label(alert, "alertname"), "segment_loss");
  EXPECT_EQ(label(alert, "sensor"), "edge-1");
  EXPECT_EQ(label(alert, "where"), "between outside and inside");
}

// A port on the loopback interface, in a network of the daemon's own: a refusal that comes about while it runs.
TEST_F(WebhookDaemonTest, WhatGoesOnFiresAndIsResolvedAtTheStop) {
  if (::geteuid() != 0) GTEST_SKIP() << "captures: run as root";
  const std::string received = directory_ / "received";
  const std::string receiver =
      "import http.server, os, sys\n"
      "class Hook(http.server.BaseHTTPRequestHandler):\n"
      "  def do_POST(self):\n"
      "    body = self.rfile.read(int(self.headers[\"Content-Length\"]))\n"
      "    open(sys.argv[1], \"ab\").write(body + b\"\\n\")\n"
      "    self.send_response(200)\n"
      "    self.end_headers()\n"
      "server = http.server.HTTPServer((\"127.0.0.1\", 9095), Hook)\n"
      "server.timeout = 0.1\n"
      "parent = os.getppid()\n"
      "while os.getppid() == parent: server.handle_request()\n";
  std::ofstream(directory_ / "hook.py") << receiver;
  const std::string config = write_config(
      "live", "ports:\n  - { name: lo, point: outside, source: \"pcap:lo\" }\n",
      "webhook: { url: \"http://127.0.0.1:9095/\" }\nconnection_log: { directory: \"" + (directory_ / "log") + "\" }\n");
  ChildProcess daemon({"unshare", "--net", "sh", "-c",
                       "ip link set lo up; /usr/bin/python3 '" + (directory_ / "hook.py") + "' '" + received + "' & exec '" +
                           program("parallaxd") + "' --config '" + config + "'"});
  ASSERT_TRUE(daemon.wait_for_error_text("is ready", kStartTimeout)) << daemon.err();
  run("nsenter -t " + std::to_string(daemon.pid()) + " --net bash -c 'echo > /dev/tcp/127.0.0.1/7'");
  for (int i = 0; i < 100 && text_of_file(received).find('\n') == std::string::npos; ++i) usleep(100'000);
  const std::string first = text_of_file(received);
  ASSERT_NE(first, "") << daemon.err();
  const auto fired = only_alert(first);
  EXPECT_EQ(fired.at("status").string_value(), "firing");
  EXPECT_EQ(fired.at("endsAt").string_value(), "0001-01-01T00:00:00Z");
  EXPECT_EQ(label(fired, "alertname"), "syn_refused");
  stop_soon(daemon);
  const auto over = only_alert(text_of_file(received).substr(first.size()));
  EXPECT_EQ(over.at("status").string_value(), "resolved");
  EXPECT_EQ(over.at("fingerprint").string_value(), fired.at("fingerprint").string_value());
  EXPECT_TRUE(has(text_of_file(directory_ / "log/conn.log"), "\"conn_state\":\"REJ\""));
}

TEST_F(WebhookDaemonTest, WhatIsNotTakenIsToldAgainAndSaidOnce) {
  server_.behave(Manner::status_500);
  ChildProcess daemon = start_with(hook());
  ASSERT_TRUE(server_.wait_for(2)) << daemon.err();
  EXPECT_TRUE(wait_for_sample("parallax_webhook_posts_failed_total{reason=\"unavailable\"}", 2));
  EXPECT_EQ(sample(page(), "parallax_webhook_error"), 1);
  EXPECT_EQ(sample(page(), "parallax_webhook_alerts_waiting"), 1);
  server_.behave(Manner::takes);
  ASSERT_TRUE(wait_for_sample("parallax_webhook_posts_total", 1)) << page();
  EXPECT_TRUE(daemon.wait_for_error_text("takes findings again", kStartTimeout)) << daemon.err();
  EXPECT_EQ(sample(page(), "parallax_webhook_error"), 0);
  const std::string said = daemon.err();
  EXPECT_NE(said.find("does not take findings: it answers with status 500"), std::string::npos) << said;
  EXPECT_EQ(said.find("does not take findings"), said.rfind("does not take findings"));
}

TEST_F(WebhookDaemonTest, WhatIsRefusedIsDroppedAndCounted) {
  server_.behave(Manner::redirects);
  ChildProcess daemon = start_with(hook());
  ASSERT_TRUE(daemon.wait_for_error_text("status 307: a redirect, which is not followed", kStartTimeout)) << daemon.err();
  EXPECT_TRUE(wait_for_sample("parallax_webhook_dropped_alerts_total{reason=\"refused\"}", 1));
  EXPECT_EQ(server_.requests().size(), 1u);
}

TEST_F(WebhookDaemonTest, AReceiverThatSaysNothingHoldsUpNobody) {
  server_.behave(Manner::says_nothing);
  ChildProcess daemon = start_with(hook(", timeout_seconds: 300s"));
  ASSERT_TRUE(server_.wait_for(1)) << daemon.err();
  EXPECT_EQ(ask({"status"}), 0);
  stop_soon(daemon);
  EXPECT_TRUE(has(daemon.err(), "was not told of 1 changes of findings before the stop")) << daemon.err();
}

TEST_F(WebhookDaemonTest, KindsAndSeveritiesAreChosen) {
  ChildProcess daemon = start_with(hook(", kinds: [syn_refused]"));
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  sleep(2);
  stop_soon(daemon);
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(WebhookDaemonTest, WhatCannotBeIsRefusedWithItsPlace) {
  const auto said = [&](const std::string& section) {
    return refusal(write_config("bad", tap_ports(), "webhook: " + section), 2);
  };
  EXPECT_TRUE(has(said("{ url: \"ftp://a/\" }\n"), "webhook.url: \"ftp://a/\" begins with neither http:// nor https://"));
  EXPECT_TRUE(has(said("{ url: \"http://\" }\n"), "names no host"));
  EXPECT_TRUE(has(said("{ url: \"http://a:99999/\" }\n"), "no port that there is"));
  EXPECT_TRUE(has(said("{ url: \"http://u:p@a/\" }\n"), "bearer_token_file"));
  EXPECT_TRUE(has(said("{ url: \"http://a/ b\" }\n"), "has a blank"));
  EXPECT_TRUE(has(said("{ url: \"http://a/\", tls_ca: /ca.pem }\n"), "is not https:"));
  const std::string config = write_config("token", tap_ports(), hook(", bearer_token_file: \"" + (directory_ / "none") + "\""));
  ChildProcess check({program("parallaxd"), "--check-config", "--config", config});
  EXPECT_EQ(check.wait(kStartTimeout), 2);
  EXPECT_TRUE(has(check.err(), "webhook.bearer_token_file: cannot read")) << check.err();
  const std::string ca = "webhook: { url: \"https://a/\", tls_ca: \"" + config + "\" }\n";
  ChildProcess check_ca({program("parallaxd"), "--check-config", "--config", write_config("ca", tap_ports(), ca)});
  EXPECT_EQ(check_ca.wait(kStartTimeout), 2);
  EXPECT_TRUE(has(check_ca.err(), "webhook.tls_ca: " + config + " holds no certificate in PEM form")) << check_ca.err();
}

}  // namespace
}  // namespace parallax::test
