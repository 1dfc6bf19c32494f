#include "daemon/api/listen_address.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <memory>

namespace parallax {

std::optional<HostPort> parse_host_port(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  HostPort result;
  result.host = text.substr(0, colon);
  if (result.host.front() == '[') {
    if (result.host.back() != ']' || result.host.size() < 3) return std::nullopt;
    result.host = result.host.substr(1, result.host.size() - 2);
  } else if (result.host.find(':') != std::string::npos) {
    return std::nullopt;  // an IPv6 address without brackets: which colon is the port's?
  }
  const char* const first = text.data() + colon + 1;
  const char* const last = text.data() + text.size();
  const auto [end, failure] = std::from_chars(first, last, result.port);
  if (failure != std::errc{} || end != last) return std::nullopt;
  return result;
}

std::string why_not_listen(const std::string& address) {
  const std::optional<HostPort> parsed = parse_host_port(address);
  if (!parsed) return address + ": not of the form host:port (an IPv6 address in brackets)";
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int failure = ::getaddrinfo(parsed->host.c_str(), std::to_string(parsed->port).c_str(), &hints, &found);
      failure != 0) {
    return address + ": " + ::gai_strerror(failure);
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, ::freeaddrinfo);
  const int handle = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (handle < 0) return address + ": " + std::strerror(errno);
  const int on = 1;
  ::setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &on,
               sizeof on);  // as the libraries do: a connection in TIME_WAIT is no hindrance
  std::string result;
  if (::bind(handle, found->ai_addr, found->ai_addrlen) != 0 || ::listen(handle, 1) != 0)
    result = address + ": " + std::strerror(errno);
  ::close(handle);
  return result;
}

}  // namespace parallax
