// parallaxd on two files, with a socket, a metrics port and a spool of its own, and `parallax` to ask it.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/http_get.h"
#include "tests/support/wire.h"

namespace parallax::test {

inline constexpr std::chrono::seconds kStartTimeout{30};  // a sanitizer build takes its time
inline constexpr std::chrono::seconds kStopTimeout{5};
inline constexpr uint32_t kStartSeconds = 1'700'000'000;

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

struct Timed {
  uint32_t seconds;
  Wire frame;
};

inline void write_pcap(const std::string& path, const std::vector<Timed>& packets) {
  std::ofstream file(path, std::ios::binary);
  const auto put = [&](uint32_t value) { file.write(reinterpret_cast<const char*>(&value), 4); };
  for (const uint32_t value : {0xa1b2c3d4u, 0x00040002u, 0u, 0u, 65535u, 1u}) put(value);
  for (const Timed& packet : packets) {
    const auto length = static_cast<uint32_t>(packet.frame.size());
    for (const uint32_t value : {packet.seconds, 0u, length, length}) put(value);
    file.write(reinterpret_cast<const char*>(packet.frame.data()), length);
  }
}

inline Wire syn() { return ethernet(0x0800) + ipv4({.payload = 20}) + tcp(0x02); }
inline Wire arp() { return ethernet(0x0806) + zeros(28); }

inline int free_port() {
  const int handle = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ::bind(handle, reinterpret_cast<sockaddr*>(&address), length);
  ::getsockname(handle, reinterpret_cast<sockaddr*>(&address), &length);
  ::close(handle);
  return ntohs(address.sin_port);
}

// The value of a sample, by its name with labels; nullopt: not there.
inline std::optional<double> sample(const std::string& page, const std::string& name) {
  const size_t place = page.find("\n" + name + " ");
  if (place == std::string::npos) return std::nullopt;
  return std::stod(page.substr(place + name.size() + 2));
}

class DaemonTest : public ::testing::Test {
 protected:
  // A SYN that enters the device three times and never leaves it; at the other point something else.
  void SetUp() override {
    write_pcap(directory_ / "outside.pcap",
               {{kStartSeconds, syn()}, {kStartSeconds + 1, syn()}, {kStartSeconds + 3, syn()}, {kStartSeconds + 20, arp()}});
    write_pcap(directory_ / "inside.pcap", {{kStartSeconds - 1, arp()}, {kStartSeconds + 20, arp()}});
  }

  std::string file_ports() const {
    return "ports:\n  - { name: tap0, point: outside, source: \"file:" + (directory_ / "outside.pcap") +
           "\", direction: toward_inside }\n" +
           "  - { name: tap1, point: inside, source: \"file:" + (directory_ / "inside.pcap") + "\", direction: toward_inside }\n";
  }
  // What every daemon of a test gets; `more` is further YAML.
  std::string write_config(const std::string& name, const std::string& ports, const std::string& more = "") const {
    const std::string path = directory_ / (name + ".yaml");
    std::ofstream(path) << "sensor: { name: edge-1 }\npath: [outside, inside]\n"
                        << ports << "api: { address: \"unix:" << socket_ << "\" }\n"
                        << "metrics: { address: \"127.0.0.1:" << metrics_port_ << "\" }\n"
                        << more;
    // Root's temporary files are root's, also where the machine has a user "parallax".
    if (::geteuid() == 0 && !has(more, "service:")) std::ofstream(path, std::ios::app) << "service: { user: root }\n";
    return path;
  }
  std::string spool() const { return "spool: { directory: \"" + (directory_ / "spool") + "\", size: 256MiB }\n"; }

  int ask(const std::vector<std::string>& arguments, std::string* out = nullptr, std::string* err = nullptr) const {
    std::vector<std::string> all{program("parallax")};
    all.insert(all.end(), arguments.begin(), arguments.end());
    all.insert(all.end(), {"--target", "unix:" + socket_});
    ChildProcess client(all);
    const int code = client.wait(std::chrono::seconds(20));
    if (out != nullptr) *out = client.out();
    if (err != nullptr) *err = client.err();
    return code;
  }

  // Starts on a configuration that is to be refused; what it says.
  std::string refusal(const std::string& config, int exit_code) const {
    ChildProcess daemon({program("parallaxd"), "--config", config});
    EXPECT_EQ(daemon.wait(kStartTimeout), exit_code) << daemon.err();
    return daemon.err();
  }

  TemporaryDirectory directory_;
  const std::string socket_ = directory_ / "grpc.sock";
  const int metrics_port_ = free_port();
};

}  // namespace parallax::test
