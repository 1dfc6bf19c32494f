// Posts to one URL, one at a time, through libcurl.
//
// The receiver may be anything: slow, silent, endless. A post takes no longer than its time; of an answer its status counts, and
// no more than kAnswerMax bytes of it are read; a redirect is not followed. post() blocks; cancel() is for another thread.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "capture/core/result.h"

namespace parallax {

struct HttpPostOptions {
  std::string url;
  std::string bearer_token_file;  // read before each post; empty: none
  std::string tls_ca;             // empty: the system's
  std::chrono::milliseconds timeout{10'000};
};

enum class PostFailure : uint8_t { connect, tls, timeout, unavailable, refused, answer, token };
inline constexpr std::array<const char*, 7> kPostFailureNames{"connect", "tls",    "timeout", "unavailable",
                                                              "refused", "answer", "token"};

struct PostOutcome {
  bool is_taken = false, is_cancelled = false;
  PostFailure failure{};
  std::string error;  // a sentence; empty: it was taken, or cancelled
  // Whether it is of use to send the same again: not where the receiver has understood and wants it not.
  bool may_be_repeated() const { return !is_taken && failure != PostFailure::refused; }
};

// Without the line's end; an error where it cannot be read, is empty, or is none.
Result<std::string> read_bearer_token(const std::string& path);

// Scheme, host and port: what may be shown, for the path may be a secret.
std::string receiver_of(const std::string& url);

class HttpPost {
 public:
  static constexpr size_t kAnswerMax = 64 << 10;

  explicit HttpPost(HttpPostOptions options);
  ~HttpPost();
  HttpPost(const HttpPost&) = delete;
  HttpPost& operator=(const HttpPost&) = delete;

  // By the thread that posts.
  void set(HttpPostOptions options) { options_ = std::move(options); }
  PostOutcome post(const std::string& json, std::chrono::milliseconds at_most);
  void cancel();  // the post that is under way, and each later one until resume()
  void resume() { is_cancelled_ = false; }
  std::string receiver() const { return receiver_of(options_.url); }

 private:
  HttpPostOptions options_;
  void* multi_;  // CURLM
  std::atomic<bool> is_cancelled_{false};
};

}  // namespace parallax
