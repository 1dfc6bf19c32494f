// A client of the metrics' server that hides nothing of the answer.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

namespace parallax::test {

// The whole answer: status line, headers, body; empty: nobody listens on that port of this machine. `headers`: each with its
// CRLF.
inline std::string http_get(int port, const std::string& path, const std::string& headers = {}) {
  const int handle = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (::connect(handle, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    const std::string request = "GET " + path + " HTTP/1.0\r\n" + headers + "\r\n";
    ::send(handle, request.data(), request.size(), MSG_NOSIGNAL);
    char buffer[65536];
    for (ssize_t count = 0; (count = ::recv(handle, buffer, sizeof buffer, 0)) > 0;)
      answer.append(buffer, static_cast<size_t>(count));
  }
  ::close(handle);
  return answer;
}

}  // namespace parallax::test
