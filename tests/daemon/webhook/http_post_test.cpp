// A post comes to its end whatever the receiver does, and says what became of it.
#include "daemon/webhook/http_post.h"

#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <thread>

#include "tests/support/child_process.h"
#include "tests/support/hook_server.h"

namespace parallax {
namespace {

using test::HookServer;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

HttpPostOptions to(const std::string& url, std::chrono::milliseconds timeout = 1s) {
  HttpPostOptions options;
  options.url = url;
  options.timeout = timeout;
  return options;
}

TEST(HttpPost, TheBodyArrivesAsItIsWithTheToken) {
  const test::TemporaryDirectory directory;
  std::ofstream(directory / "token") << "abc.def\n";
  HookServer server;
  HttpPostOptions options = to(server.url());
  options.bearer_token_file = directory / "token";
  HttpPost post(options);
  EXPECT_TRUE(post.post("{\"a\":1}", 10s).is_taken);
  ASSERT_EQ(server.requests().size(), 1u);
  const HookServer::Request request = server.requests().front();
  EXPECT_EQ(request.body, "{\"a\":1}");
  for (const char* part : {"POST /hook?key=secret HTTP/1.1\r\n", "Content-Type: application/json\r\n", "User-Agent: parallax/",
                           "Authorization: Bearer abc.def\r\n"})
    EXPECT_NE(request.head.find(part), std::string::npos) << request.head;
  EXPECT_EQ(post.receiver(), "http://127.0.0.1:" + std::to_string(server.port()));
}

struct Misbehaviour {
  const char* name;
  HookServer::Manner manner;
  bool is_taken;
  PostFailure failure;
  bool may_be_repeated;
};
void PrintTo(const Misbehaviour& one, std::ostream* out) { *out << one.name; }
class HttpPostTo : public ::testing::TestWithParam<Misbehaviour> {};

TEST_P(HttpPostTo, EndsInTime) {
  HookServer server;
  server.behave(GetParam().manner);
  HttpPost post(to(server.url()));
  const Clock::time_point begin = Clock::now();
  const PostOutcome outcome = post.post("{}", 10s);
  EXPECT_LT(Clock::now() - begin, 4s);
  EXPECT_EQ(outcome.is_taken, GetParam().is_taken) << outcome.error;
  if (!outcome.is_taken) {
    EXPECT_EQ(outcome.failure, GetParam().failure) << outcome.error;
  }
  EXPECT_EQ(outcome.may_be_repeated(), GetParam().may_be_repeated);
  EXPECT_EQ(outcome.error.empty(), outcome.is_taken);
  EXPECT_LE(server.requests().size(), 2u);  // a redirect is not followed
}

using Manner = HookServer::Manner;
INSTANTIATE_TEST_SUITE_P(Receivers, HttpPostTo,
                         ::testing::Values(Misbehaviour{"Status500", Manner::status_500, false, PostFailure::unavailable, true},
                                           Misbehaviour{"Status400", Manner::status_400, false, PostFailure::refused, false},
                                           Misbehaviour{"RedirectLoop", Manner::redirects, false, PostFailure::refused, false},
                                           Misbehaviour{"EndlessBody", Manner::endless_body, true, {}, false},
                                           Misbehaviour{"EndlessHeads", Manner::endless_heads, false, PostFailure::answer, true},
                                           Misbehaviour{"Silence", Manner::says_nothing, false, PostFailure::timeout, true},
                                           Misbehaviour{"Drips", Manner::drips, true, {}, false},
                                           Misbehaviour{"NoHttp", Manner::speaks_no_http, false, PostFailure::answer, true},
                                           Misbehaviour{"HangsUp", Manner::hangs_up, false, PostFailure::answer, true}),
                         [](const auto& info) { return info.param.name; });

TEST(HttpPost, NobodyListensThere) {
  int port = 0;
  { port = HookServer().port(); }
  HttpPost post(to("http://127.0.0.1:" + std::to_string(port) + "/"));
  const PostOutcome outcome = post.post("{}", 10s);
  EXPECT_EQ(outcome.failure, PostFailure::connect);
  EXPECT_TRUE(outcome.may_be_repeated());
}

TEST(HttpPost, PlainTextIsNoTls) {
  HookServer server;
  HttpPost post(to("https://127.0.0.1:" + std::to_string(server.port()) + "/", 3s));
  EXPECT_FALSE(post.post("{}", 3s).is_taken);
}

TEST(HttpPost, IsCancelledAtOnce) {
  HookServer server;
  server.behave(Manner::says_nothing);
  HttpPost post(to(server.url(), 60s));
  auto outcome = std::async(std::launch::async, [&] { return post.post("{}", 60s); });
  ASSERT_TRUE(server.wait_for(1));
  const Clock::time_point begin = Clock::now();
  post.cancel();
  EXPECT_TRUE(outcome.get().is_cancelled);
  EXPECT_LT(Clock::now() - begin, 500ms);
  EXPECT_TRUE(post.post("{}", 60s).is_cancelled);
  post.resume();
  server.behave(Manner::takes);
  EXPECT_TRUE(post.post("{}", 10s).is_taken);
}

TEST(HttpPost, ATokenFileHoldsATokenAlone) {
  const test::TemporaryDirectory directory;
  const auto token = [&](const std::string& text) {
    std::ofstream(directory / "token") << text;
    return read_bearer_token(directory / "token");
  };
  EXPECT_EQ(*token("abc\r\n"), "abc");
  EXPECT_NE(token("").error().find("is empty"), std::string::npos);
  EXPECT_NE(token("a\nX-Evil: 1").error().find("is no token"), std::string::npos);
  EXPECT_NE(token(std::string(9000, 'a')).error().find("more than 8192"), std::string::npos);
  EXPECT_NE(read_bearer_token(directory / "none").error().find("cannot read"), std::string::npos);
  HttpPostOptions options = to("http://127.0.0.1:1/");
  options.bearer_token_file = directory / "none";
  EXPECT_EQ(HttpPost(options).post("{}", 1s).failure, PostFailure::token);
}

}  // namespace
}  // namespace parallax
