// A TCP socket that listens at an address that a person has typed. Owned by one thread.
#pragma once

#include <netinet/in.h>

#include <string>

#include "capture/core/result.h"

namespace parallax {

// "127.0.0.1:57012", "[::1]:57012".
std::string socket_address_text(const sockaddr_storage& address);

class ListenSocket {
 public:
  // As SliceListen::address has it. The error says what would be right, or why the system refused.
  static Result<ListenSocket> open(const std::string& address);
  ListenSocket(ListenSocket&& other) noexcept;
  ~ListenSocket();
  ListenSocket& operator=(ListenSocket&&) = delete;

  int handle() const { return handle_; }
  const std::string& text() const { return text_; }  // with the port that it got
  bool is_loopback() const { return is_loopback_; }

 private:
  ListenSocket(int handle, std::string text, bool is_loopback)
      : handle_(handle), text_(std::move(text)), is_loopback_(is_loopback) {}

  int handle_;
  std::string text_;
  bool is_loopback_;
};

}  // namespace parallax
