// A log of connections that is changed while connections end: each has one line, in whichever directory it is.
#include "daemon/connection_log/connection_log.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <utility>

#include "tests/support/child_process.h"
#include "tests/support/live_sensor.h"
#include "tests/support/packet_builder.h"

namespace parallax::test {
namespace {

using tcp_flag::ack, tcp_flag::fin, tcp_flag::syn;
constexpr int64_t kMs = LiveSensor::kMs, kSecond = 1000 * kMs;

class ConnectionLogTest : public ::testing::Test {
 protected:
  static EngineOptions telling(bool tells_ends) {
    EngineOptions options;
    options.tells_ends = tells_ends;
    return options;
  }
  void cross(Side from, uint16_t port, uint8_t flags, uint32_t seq, uint32_t acked) {
    Sighting s{};
    s.source = address("192.0.2.10");
    s.destination = address("198.51.100.1");
    s.source_port = port;
    s.destination_port = 443;
    if (from == Side::server) {
      std::swap(s.source, s.destination);
      std::swap(s.source_port, s.destination_port);
    }
    s.tcp_flags = flags;
    s.seq = seq;
    s.ack = acked;
    sensor_.show(from == Side::client ? 0 : 1, s);
    sensor_.show(from == Side::client ? 1 : 0, s);
    sensor_.advance(20 * kMs);
  }
  void end_connection(uint16_t port) {
    cross(Side::client, port, syn, 1000, 0);
    cross(Side::server, port, syn | ack, 5000, 1001);
    cross(Side::client, port, ack, 1001, 5001);
    cross(Side::client, port, ack | fin, 1001, 5001);
    cross(Side::server, port, ack | fin, 5001, 1002);
    cross(Side::client, port, ack, 1002, 5002);
  }
  void decide() { sensor_.advance(90 * kSecond, 100 * kMs); }
  bool wait_for_lines(uint64_t count) const {
    for (int i = 0; i < 500 && log_.state().written < count; ++i) usleep(10'000);
    return log_.state().written == count;
  }
  std::shared_ptr<LogFiles> files(const std::string& name, LogFileBounds bounds = {}) const {
    auto opened = std::make_shared<LogFiles>(directory_ / name, bounds);
    EXPECT_EQ(opened->open(), "");
    return opened;
  }
  // How many lines there are of the connection from each port.
  std::map<std::string, int> lines(const std::string& name) const {
    std::map<std::string, int> found;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ / name)) {
      if (entry.is_symlink()) continue;
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) {
        const size_t place = line.find("\"id.orig_p\":") + 12;
        ++found[line.substr(place, line.find(',', place) - place)];
      }
    }
    return found;
  }

  using Lines = std::map<std::string, int>;
  TemporaryDirectory directory_;
  LiveSensor sensor_{1, 4096, telling(false)};
  ConnectionLog log_{ConnectionLineSource{"edge-1", 1, {{"outside", "inside"}, {}, false}}, [](News, std::string_view) {}};
};

TEST_F(ConnectionLogTest, AnotherDirectoryGoesOnWhereTheFirstEnds) {
  sensor_.engine().tell_ends(true);
  log_.open(directory_ / "first", {});
  log_.start(sensor_.engine());
  end_connection(40000);
  decide();
  ASSERT_TRUE(wait_for_lines(1));
  end_connection(40001);
  log_.change(files("second"));
  end_connection(40002);
  decide();
  ASSERT_TRUE(wait_for_lines(3));
  EXPECT_EQ(log_.state().directory, directory_ / "second");
  log_.stop();
  EXPECT_EQ(lines("first"), (Lines{{"40000", 1}}));
  EXPECT_EQ(lines("second"), (Lines{{"40001", 1}, {"40002", 1}}));
  EXPECT_EQ(files("first")->files(), 1u);  // it is locked no more
}

TEST_F(ConnectionLogTest, IsTurnedOnAndOff) {
  log_.start(sensor_.engine());
  EXPECT_EQ(log_.state().directory, "");
  end_connection(40000);
  decide();
  log_.change(files("a", {.bytes = 1 << 29}));
  EXPECT_EQ(log_.state().limit_bytes, uint64_t{1} << 29);
  end_connection(40001);
  decide();
  ASSERT_TRUE(wait_for_lines(1));
  end_connection(40002);
  decide();
  log_.change(nullptr);  // which waits until it is written
  EXPECT_EQ(log_.state().directory, "");
  EXPECT_EQ(log_.state().limit_bytes, 0u);
  EXPECT_EQ(log_.state().written, 2u);
  end_connection(40003);
  decide();
  log_.change(files("b"));
  end_connection(40004);
  decide();
  ASSERT_TRUE(wait_for_lines(3));
  log_.stop();
  EXPECT_EQ(lines("a"), (Lines{{"40001", 1}, {"40002", 1}}));
  EXPECT_EQ(lines("b"), (Lines{{"40004", 1}}));
}

TEST_F(ConnectionLogTest, OtherBoundsAreKeptAtOnce) {
  std::filesystem::create_directory(directory_ / "log");
  for (const char* const day : {"01", "02", "03"})
    std::ofstream(directory_ / "log/conn-202601" + day + "T120000.123456Z.log") << "{}\n";
  sensor_.engine().tell_ends(true);
  log_.open(directory_ / "log", {});
  log_.start(sensor_.engine());
  ASSERT_EQ(log_.state().files, 3u);
  log_.change(LogFileBounds{.bytes = 1 << 29, .files = 2});
  for (int i = 0; i < 500 && log_.state().files > 2; ++i) usleep(10'000);
  EXPECT_EQ(log_.state().files, 2u);
  EXPECT_EQ(log_.state().limit_bytes, uint64_t{1} << 29);
}

}  // namespace
}  // namespace parallax::test
