#include "daemon/client/listen_socket.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "daemon/api/listen_address.h"

namespace parallax {
namespace {

bool is_loopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET)
    return ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
  return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
}

}  // namespace

std::string socket_address_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(v4.sin_port));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  return fmt::format("[{}]:{}", text, ntohs(v6.sin6_port));
}

Result<ListenSocket> ListenSocket::open(const std::string& address) {
  const bool is_port =
      !address.empty() && std::all_of(address.begin(), address.end(), [](char c) { return c >= '0' && c <= '9'; });
  const std::optional<HostPort> parsed = parse_host_port(is_port ? "127.0.0.1:" + address : address);
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV;
  if (!parsed || ::getaddrinfo(parsed->host.c_str(), std::to_string(parsed->port).c_str(), &hints, &found) != 0)
    return Error{fmt::format("--listen {}: want a port, or ADDRESS:PORT, such as 127.0.0.1:57012 or [::1]:57012", address)};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, ::freeaddrinfo);
  const int handle = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;  // a connection in TIME_WAIT is no hindrance
  if (handle < 0 || ::setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(handle, found->ai_addr, found->ai_addrlen) != 0 || ::listen(handle, SOMAXCONN) != 0) {
    const std::string error = std::strerror(errno);
    if (handle >= 0) ::close(handle);
    return Error{fmt::format("cannot listen on {}: {}", is_port ? "127.0.0.1:" + address : address, error)};
  }
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  ::getsockname(handle, reinterpret_cast<sockaddr*>(&bound), &length);
  return ListenSocket(handle, socket_address_text(bound), parallax::is_loopback(bound));
}

ListenSocket::ListenSocket(ListenSocket&& other) noexcept
    : handle_(std::exchange(other.handle_, -1)), text_(std::move(other.text_)), is_loopback_(other.is_loopback_) {}

ListenSocket::~ListenSocket() {
  if (handle_ >= 0) ::close(handle_);
}

}  // namespace parallax
