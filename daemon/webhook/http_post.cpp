#include "daemon/webhook/http_post.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <new>

namespace parallax {
namespace {

constexpr size_t kTokenMax = 8192;
constexpr int kPollMs = 1000;

// Enough is enough: libcurl ends the transfer, and the status has been read.
struct Answer {
  size_t bytes = 0;
  size_t take(size_t size) {
    bytes += size;
    return bytes <= HttpPost::kAnswerMax ? size : 0;
  }
};
size_t take_answer(char*, size_t size, size_t count, void* answer) { return static_cast<Answer*>(answer)->take(size * count); }

struct Request {
  CURL* easy = curl_easy_init();
  curl_slist* headers = nullptr;
  std::array<char, CURL_ERROR_SIZE> error{};

  Request() = default;
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  ~Request() {
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
  }
  void add_header(const std::string& header) { headers = curl_slist_append(headers, header.c_str()); }
  template <typename Value>
  void set(CURLoption option, Value value) {
    curl_easy_setopt(easy, option, value);
  }
};

PostFailure failure_of(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return PostFailure::timeout;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_USE_SSL_FAILED:
      return PostFailure::tls;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
      return PostFailure::connect;
    default:
      return PostFailure::answer;
  }
}

PostOutcome failed(PostFailure failure, std::string error) {
  PostOutcome outcome;
  outcome.failure = failure;
  outcome.error = std::move(error);
  return outcome;
}

// The status decides, also where what follows it is cut off or never ends.
PostOutcome outcome_of(const Request& request, CURLcode code) {
  long status = 0;
  curl_easy_getinfo(request.easy, CURLINFO_RESPONSE_CODE, &status);
  if (status >= 200 && status < 300) {
    PostOutcome taken;
    taken.is_taken = true;
    return taken;
  }
  if (status >= 500 || status == 429 || status == 408)
    return failed(PostFailure::unavailable, fmt::format("it answers with status {}", status));
  if (status >= 300)
    return failed(PostFailure::refused,
                  fmt::format("it answers with status {}{}", status, status < 400 ? ": a redirect, which is not followed" : ""));
  const bool is_said = request.error[0] != '\0';
  return failed(failure_of(code), is_said ? request.error.data() : curl_easy_strerror(code));
}

}  // namespace

Result<std::string> read_bearer_token(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{fmt::format("cannot read {}: {}", path, std::strerror(errno))};
  std::string token(kTokenMax + 1, '\0');
  file.read(token.data(), static_cast<std::streamsize>(token.size()));
  if (file.bad()) return Error{fmt::format("cannot read {}: {}", path, std::strerror(errno))};
  token.resize(static_cast<size_t>(file.gcount()));
  if (token.size() > kTokenMax) return Error{fmt::format("{} has more than {} bytes, and is no token", path, kTokenMax)};
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
  if (token.empty()) return Error{fmt::format("{} is empty; a token stands alone on its first line", path)};
  if (std::any_of(token.begin(), token.end(), [](char c) { return c <= ' ' || c >= 0x7f; }))
    return Error{fmt::format("{} holds a blank, a second line or a control character, and so is no token", path)};
  return token;
}

std::string receiver_of(const std::string& url) {
  const size_t host = url.find("://");
  return host == std::string::npos ? std::string() : url.substr(0, url.find_first_of("/?#", host + 3));
}

HttpPost::HttpPost(HttpPostOptions options) : options_(std::move(options)) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  multi_ = curl_multi_init();
  if (multi_ == nullptr) throw std::bad_alloc();
}

HttpPost::~HttpPost() {
  curl_multi_cleanup(multi_);
  curl_global_cleanup();
}

void HttpPost::cancel() {
  is_cancelled_ = true;
  curl_multi_wakeup(multi_);
}

PostOutcome HttpPost::post(const std::string& json, std::chrono::milliseconds at_most) {
  Request request;
  if (request.easy == nullptr) throw std::bad_alloc();
  request.add_header("Content-Type: application/json");
  request.add_header("Expect:");  // or else a second passes before a receiver that knows no "100 Continue" gets the body
  if (!options_.bearer_token_file.empty()) {
    const Result<std::string> token = read_bearer_token(options_.bearer_token_file);
    if (!token) return failed(PostFailure::token, token.error());
    request.add_header("Authorization: Bearer " + *token);
  }
  Answer answer, headers;
  request.set(CURLOPT_URL, options_.url.c_str());
  request.set(CURLOPT_PROTOCOLS_STR, "http,https");
  request.set(CURLOPT_PROXY, "");  // what stands in somebody's environment is no setting of the sensor's
  request.set(CURLOPT_FOLLOWLOCATION, 0L);
  request.set(CURLOPT_NOSIGNAL, 1L);
  request.set(CURLOPT_QUICK_EXIT, 1L);  // a look-up of a name that hangs holds up nobody
  request.set(CURLOPT_TIMEOUT_MS, static_cast<long>(std::min(options_.timeout, at_most).count()));
  request.set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  request.set(CURLOPT_USERAGENT, "parallax/" PARALLAX_VERSION);
  request.set(CURLOPT_HTTPHEADER, request.headers);
  request.set(CURLOPT_POST, 1L);
  request.set(CURLOPT_POSTFIELDS, json.c_str());
  request.set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(json.size()));
  request.set(CURLOPT_ERRORBUFFER, request.error.data());
  request.set(CURLOPT_WRITEFUNCTION, &take_answer);
  request.set(CURLOPT_WRITEDATA, &answer);
  request.set(CURLOPT_HEADERFUNCTION, &take_answer);
  request.set(CURLOPT_HEADERDATA, &headers);
  if (!options_.tls_ca.empty()) request.set(CURLOPT_CAINFO, options_.tls_ca.c_str());

  curl_multi_add_handle(multi_, request.easy);
  PostOutcome outcome;
  for (bool is_done = false; !is_done;) {
    int running = 0;
    CURLMcode result = curl_multi_perform(multi_, &running);
    int left = 0;
    if (const CURLMsg* message = curl_multi_info_read(multi_, &left); message != nullptr && message->msg == CURLMSG_DONE) {
      outcome = outcome_of(request, message->data.result);
      is_done = true;
    } else if (is_cancelled_) {
      outcome.is_cancelled = is_done = true;
    } else {
      if (result == CURLM_OK) result = curl_multi_poll(multi_, nullptr, 0, kPollMs, nullptr);
      if (result != CURLM_OK) {
        outcome = failed(PostFailure::connect, curl_multi_strerror(result));
        is_done = true;
      }
    }
  }
  curl_multi_remove_handle(multi_, request.easy);
  return outcome;
}

}  // namespace parallax
