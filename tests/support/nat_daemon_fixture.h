// parallaxd on files of a TAP on each side of a NAT that lost one request; and a home for a Wireshark that knows the sensor.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/captures.h"
#include "tests/support/daemon_fixture.h"
#include "tests/support/packet_builder.h"

namespace parallax::test {

// 198.51.100.7 asks 203.0.113.1:80, which inside is 10.0.0.1 asking 10.0.0.80:8080. Each packet takes 120 us through the device.
class NatDaemonTest : public DaemonTest {
 protected:
  static constexpr int64_t kTransitNs = 120'000, kStartNs = kStartSeconds * 1'000'000'000LL;
  static constexpr uint16_t kPort = 40'000, kPortWithLoss = 40'001;

  void SetUp() override {
    connections();
    for (size_t i = 0; i < kTaps; ++i) write_tap(i);
    std::filesystem::create_directories(home_ / "config/parallax");
    std::ofstream(home_ / "config/parallax/sensors") << "edge_1  unix:" << socket_ << "  # of the test\n";
  }

  virtual void connections() {
    connection(kPort, false);
    connection(kPortWithLoss, true);
    now_ns_ += 10'000'000'000;
    connection(kPortWithLoss + 1, false);
  }

  std::string tap_ports() const {
    std::string ports = "ports:\n";
    for (size_t i = 0; i < kTaps; ++i) {
      ports += "  - { name: tap" + std::to_string(i) + ", point: " + (i < 2 ? "outside" : "inside") +
               ", source: \"file:" + tap_file(i) + "\", direction: " + (i % 2 == 0 ? "toward_inside" : "toward_outside") + " }\n";
    }
    return ports;
  }
  // `api`: the lines of that section; empty: on the socket.
  ChildProcess start(const std::string& api = "") const {
    const std::string config = write_config("nat", tap_ports(), spool());
    if (!api.empty()) {
      std::string text = text_of_file(config);
      const size_t section = text.find("api:");
      std::ofstream(config) << text.replace(section, text.find('\n', section) - section, api);
    }
    return ChildProcess({program("parallaxd"), "--config", config});
  }
  // The finding that tells of the lost request.
  static bool is_ready(ChildProcess& daemon) {
    const bool ready = daemon.wait_for_error_text("segment_loss", kStartTimeout);
    usleep(600'000);  // the spool shows a packet a quarter of a second after it was seen
    return ready;
  }
  std::string finding_id(const std::string& kind = "segment_loss") const {
    std::string out;
    EXPECT_EQ(ask({"findings", "--format", "json", "--kind", kind}, &out), 0);
    const size_t place = out.find("\"id\":");
    return place == std::string::npos ? "" : std::to_string(std::stoull(out.substr(place + 5)));
  }

  // What a person's shell would do, with `home_` for a home.
  CommandResult run_at_home(const std::string& command) const {
    return run("unset WIRESHARK_CONFIG_DIR WIRESHARK_EXTCAP_DIR WIRESHARK_PLUGIN_DIR; export HOME='" + home_.path() +
               "' XDG_CONFIG_HOME='" + (home_ / "config") + "' TZ=UTC LC_ALL=C.UTF-8; " + command);
  }
  CommandResult run_parallax(const std::string& arguments) const {
    return run_at_home("'" + program("parallax") + "' " + arguments);
  }

  enum class Crossing { forwarded, lost, injected };
  void segment(bool from_client, uint16_t port, Tcp outer, const std::string& text = "",
               Crossing crossing = Crossing::forwarded) {
    now_ns_ += 20'000'000;
    const std::vector<uint8_t> payload(text.begin(), text.end());
    Ip outside{address("198.51.100.7"), address("203.0.113.1"), 60, ++ip_id_};
    Ip inside{address("10.0.0.1"), address("10.0.0.80"), 59, ip_id_};
    Tcp inner = outer;
    outer.source_port = port, outer.destination_port = 80;
    inner.source_port = static_cast<uint16_t>(port + 20'000), inner.destination_port = 8080;
    if (!from_client) {
      std::swap(outside.source, outside.destination), std::swap(inside.source, inside.destination);
      std::swap(outside.ttl, inside.ttl);
      std::swap(outer.source_port, outer.destination_port), std::swap(inner.source_port, inner.destination_port);
    }
    const int64_t later_ns = now_ns_ + kTransitNs;
    const Crossing not_outside = from_client ? Crossing::injected : Crossing::lost;
    const Crossing not_inside = from_client ? Crossing::lost : Crossing::injected;
    if (crossing != not_outside)
      taps_[from_client ? 0 : 1].push_back({from_client ? now_ns_ : later_ns, tcp_frame(outside, outer, payload)});
    if (crossing != not_inside)
      taps_[from_client ? 2 : 3].push_back({from_client ? later_ns : now_ns_, tcp_frame(inside, inner, payload)});
  }

  // Ten packets; where the request is lost eleven. Instead of the response the device may reset both sides: six, or seven.
  enum class End { closed, reset_by_device };
  void connection(uint16_t port, bool with_loss, End end = End::closed) {
    using tcp_flag::ack, tcp_flag::fin, tcp_flag::psh, tcp_flag::syn;
    const std::string request = "GET /report HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    const std::string response = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    const uint32_t c = port * 1000u, s = port * 2000u;
    const auto c_end = static_cast<uint32_t>(c + 1 + request.size()), s_end = static_cast<uint32_t>(s + 1 + response.size());
    segment(true, port, {.seq = c, .flags = syn, .mss = 1460});
    segment(false, port, {.seq = s, .ack = c + 1, .flags = syn | ack, .mss = 1460});
    segment(true, port, {.seq = c + 1, .ack = s + 1, .flags = ack});
    if (with_loss) {
      segment(true, port, {.seq = c + 1, .ack = s + 1, .flags = ack | psh}, request, Crossing::lost);
      now_ns_ += 300'000'000;
    }
    segment(true, port, {.seq = c + 1, .ack = s + 1, .flags = ack | psh}, request);
    segment(false, port, {.seq = s + 1, .ack = c_end, .flags = ack});
    if (end == End::reset_by_device) {
      using tcp_flag::rst;
      segment(false, port, {.seq = s + 1, .ack = c_end, .flags = rst | ack}, "", Crossing::injected);
      segment(true, port, {.seq = c_end, .ack = s + 1, .flags = rst | ack}, "", Crossing::injected);
      return;
    }
    segment(false, port, {.seq = s + 1, .ack = c_end, .flags = ack | psh}, response);
    segment(true, port, {.seq = c_end, .ack = s_end, .flags = ack});
    segment(true, port, {.seq = c_end, .ack = s_end, .flags = fin | ack});
    segment(false, port, {.seq = s_end, .ack = c_end + 1, .flags = fin | ack});
    segment(true, port, {.seq = c_end + 1, .ack = s_end + 1, .flags = ack});
  }

  TemporaryDirectory home_;
  int64_t now_ns_ = kStartNs;

 private:
  static constexpr size_t kTaps = 4;  // outside in and out, inside in and out
  struct Stamped {
    int64_t time_ns;
    Frame frame;
  };

  std::string tap_file(size_t tap) const { return directory_ / ("tap" + std::to_string(tap) + ".pcap"); }
  void write_tap(size_t tap) const {
    std::ofstream file(tap_file(tap), std::ios::binary);
    const auto put = [&](uint32_t value) { file.write(reinterpret_cast<const char*>(&value), 4); };
    for (const uint32_t value : {0xa1b23c4du, 0x00040002u, 0u, 0u, 65535u, 1u}) put(value);
    for (const Stamped& packet : taps_[tap]) {
      const auto length = static_cast<uint32_t>(packet.frame.size());
      put(static_cast<uint32_t>(packet.time_ns / 1'000'000'000));
      put(static_cast<uint32_t>(packet.time_ns % 1'000'000'000));
      put(length), put(length);
      file.write(reinterpret_cast<const char*>(packet.frame.data()), length);
    }
  }

  std::array<std::vector<Stamped>, kTaps> taps_;
  uint16_t ip_id_ = 100;
};

}  // namespace parallax::test
