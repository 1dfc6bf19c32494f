// A receiver of webhooks on 127.0.0.1, which keeps what is posted to it, and misbehaves as it is told.
#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace parallax::test {

class HookServer {
 public:
  enum class Manner {
    takes,
    status_500,
    status_400,
    redirects,      // to itself, for ever
    endless_body,   // after "200"
    endless_heads,  // a status line that never comes to its end
    says_nothing,
    drips,  // "200", and then a byte a second
    speaks_no_http,
    hangs_up,
  };
  struct Request {
    std::string head, body;
  };

  HookServer() {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), length);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    ::listen(listener_, 16);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~HookServer() {
    stopping_ = true;
    thread_.join();
    ::close(listener_);
  }

  int port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/hook?key=secret"; }
  void behave(Manner manner) { manner_ = manner; }
  std::vector<Request> requests() const {
    const std::lock_guard guard(mutex_);
    return requests_;
  }
  // Whether so many have come, after a while at the most.
  bool wait_for(size_t count, std::chrono::seconds timeout = std::chrono::seconds(20)) const {
    const auto end = std::chrono::steady_clock::now() + timeout;
    while (requests().size() < count) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
  }

 private:
  bool is_readable(int handle) const {
    pollfd wanted{handle, POLLIN, 0};
    return ::poll(&wanted, 1, 50) > 0;
  }
  static bool say(int handle, const std::string& text) {
    return ::send(handle, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }

  void run() {
    while (!stopping_) {
      if (!is_readable(listener_)) continue;
      const int handle = ::accept(listener_, nullptr, nullptr);
      if (handle < 0) continue;
      serve(handle);
      ::close(handle);
    }
  }

  void serve(int handle) {
    if (manner_ == Manner::hangs_up) return;
    Request request;
    std::string text;
    size_t wanted = std::string::npos;
    while (!stopping_ && (wanted == std::string::npos || text.size() < wanted)) {
      if (!is_readable(handle)) continue;
      char buffer[65536];
      const ssize_t count = ::recv(handle, buffer, sizeof buffer, 0);
      if (count <= 0) return;
      text.append(buffer, static_cast<size_t>(count));
      const size_t end = text.find("\r\n\r\n"), length = text.find("Content-Length: ");
      if (end != std::string::npos && length != std::string::npos) wanted = end + 4 + std::stoul(text.substr(length + 16));
    }
    if (text.size() < wanted) return;
    const size_t end = text.find("\r\n\r\n") + 4;
    {
      const std::lock_guard guard(mutex_);
      requests_.push_back({text.substr(0, end), text.substr(end)});
    }
    answer(handle);
  }

  void answer(int handle) {
    const std::string empty = "Content-Length: 0\r\nConnection: close\r\n\r\n";
    switch (manner_.load()) {
      case Manner::takes:
        say(handle, "HTTP/1.1 200 OK\r\n" + empty);
        return;
      case Manner::status_500:
        say(handle, "HTTP/1.1 500 Oops\r\n" + empty);
        return;
      case Manner::status_400:
        say(handle, "HTTP/1.1 400 No\r\n" + empty);
        return;
      case Manner::redirects:
        say(handle, "HTTP/1.1 307 There\r\nLocation: " + url() + "\r\n" + empty);
        return;
      case Manner::endless_body:
        say(handle, "HTTP/1.1 200 OK\r\n\r\n");
        while (!stopping_ && say(handle, std::string(4096, 'x'))) continue;
        return;
      case Manner::endless_heads:
        while (!stopping_ && say(handle, "HTTP/1.1 100 Continue\r\nX: " + std::string(4096, 'x') + "\r\n\r\n")) continue;
        return;
      case Manner::drips:
        say(handle, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        [[fallthrough]];
      case Manner::says_nothing:
        while (!stopping_ && !is_readable(handle)) continue;
        return;
      case Manner::speaks_no_http:
        say(handle, "220 mail.example.net ESMTP\r\n");
        return;
      case Manner::hangs_up:
        return;
    }
  }

  int listener_ = -1, port_ = 0;
  std::atomic<Manner> manner_{Manner::takes};
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
  std::thread thread_;
};

}  // namespace parallax::test
