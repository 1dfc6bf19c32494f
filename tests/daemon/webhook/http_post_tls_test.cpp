// A receiver over TLS: taken with the authority of its certificate, and with any other certificate nothing is sent to it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "daemon/webhook/http_post.h"
#include "tests/support/certificates.h"

namespace parallax {
namespace {

using namespace std::chrono_literals;
using test::ChildProcess;

constexpr const char* kReceiver = R"(
import http.server, os, ssl, sys
class Hook(http.server.BaseHTTPRequestHandler):
  def do_POST(self):
    open("received", "ab").write(self.rfile.read(int(self.headers["Content-Length"])))
    self.send_response(200)
    self.end_headers()
  def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + ".crt", sys.argv[1] + ".key")
server.socket = context.wrap_socket(server.socket, server_side=True)
open("port.new", "w").write(str(server.server_address[1]))
os.rename("port.new", "port")
server.timeout, parent = 0.1, os.getppid()
while os.getppid() == parent: server.handle_request()
)";

class HttpPostTlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!test::make_certificates(directory_)) GTEST_SKIP() << "there is no openssl";
  }
  // What becomes of a post to a receiver that has this certificate, with these authorities.
  PostOutcome post_to(const std::string& certificate, const std::string& authorities) {
    std::filesystem::remove(directory_ / "port");
    const ChildProcess receiver(
        {"sh", "-c", R"(cd "$0" && exec /usr/bin/python3 -c "$1" "$2")", directory_.path(), kReceiver, certificate});
    std::string port;
    for (int i = 0; i < 1000 && port.empty(); ++i, usleep(10'000)) port = text_of("port");
    EXPECT_NE(port, "");
    HttpPostOptions options;
    options.url = "https://127.0.0.1:" + port + "/hook";
    options.tls_ca = authorities;
    return HttpPost(options).post("{}", 10s);
  }
  std::string text_of(const std::string& file) const {
    std::ostringstream text;
    text << std::ifstream(directory_ / file).rdbuf();
    return text.str();
  }
  void expect_refused(const PostOutcome& outcome, const std::string& word) const {
    EXPECT_FALSE(outcome.is_taken);
    EXPECT_EQ(outcome.failure, PostFailure::tls);
    EXPECT_TRUE(outcome.may_be_repeated());  // the certificate may be mended
    EXPECT_NE(outcome.error.find(word), std::string::npos) << outcome.error;
    EXPECT_EQ(text_of("received"), "");
  }

  test::TemporaryDirectory directory_;
};

TEST_F(HttpPostTlsTest, IsTakenWithTheRightAuthority) {
  const PostOutcome outcome = post_to("localhost", directory_ / "ca.crt");
  EXPECT_TRUE(outcome.is_taken) << outcome.error;
  EXPECT_EQ(text_of("received"), "{}");
}

TEST_F(HttpPostTlsTest, ACertificateOfAnUnknownAuthorityIsRefused) {
  expect_refused(post_to("localhost", ""), "unable to get local issuer certificate");
}

TEST_F(HttpPostTlsTest, ACertificateOfAnotherNameIsRefused) {
  ASSERT_TRUE(test::make_certificate(directory_, "other", "other", "DNS:other.example.net"));
  expect_refused(post_to("other", directory_ / "ca.crt"), "no alternative certificate subject name matches target host name");
}

TEST_F(HttpPostTlsTest, ACertificateThatHasExpiredIsRefused) {
  ASSERT_TRUE(test::make_certificate(directory_, "old", "localhost", "DNS:localhost,IP:127.0.0.1", -1));
  expect_refused(post_to("old", directory_ / "ca.crt"), "certificate has expired");
}

TEST_F(HttpPostTlsTest, AFileOfAuthoritiesWithoutOneIsRefused) {
  std::ofstream(directory_ / "empty.crt") << "none\n";
  expect_refused(post_to("localhost", directory_ / "empty.crt"), "certificate");
}

}  // namespace
}  // namespace parallax
