// Which tries of closed ports are the background of the Internet, and which are not.
#include "analysis/detect/closed_ports.h"

#include <gtest/gtest.h>

#include <vector>

#include "analysis/model/address_text.h"

namespace parallax {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

Endpoint end_of(std::string_view address, uint16_t port) {
  Endpoint end;
  EXPECT_TRUE(parse_address(address, end.address));
  end.port = port;
  return end;
}

class ClosedPortsTest : public testing::Test {
 protected:
  // How many observations the try has brought.
  size_t take(std::string_view source, uint16_t port, int64_t time_ns = 0) {
    Observation o;
    o.source = end_of(source, 40000);
    o.service = end_of("203.0.113.1", port);
    o.first_ns = time_ns;
    ports_.count(o.source.address, o.service, time_ns);
    if (!ports_.may_be_background(o.source.address, o.service)) return 0;
    std::vector<Observation> told;
    ports_.take(std::move(o), told);
    return told.size();
  }

  ClosedPorts ports_;
};

TEST_F(ClosedPortsTest, FourSourcesAtFourPortsAreToldWithThoseBefore) {
  EXPECT_EQ(take("198.51.100.1", 23), 0u);
  EXPECT_EQ(take("198.51.100.2", 23), 0u);
  EXPECT_EQ(take("198.51.100.3", 445), 0u);
  EXPECT_EQ(take("2001:db8::4", 3389), 0u);
  EXPECT_EQ(take("198.51.100.5", 8080), 5u);
  EXPECT_EQ(take("198.51.100.6", 8080), 1u) << "it goes on";
}

TEST_F(ClosedPortsTest, ManySourcesAtOnePortAreClientsOfIt) {
  for (int i = 1; i < 250; ++i) EXPECT_EQ(take("198.51.100." + std::to_string(i), 443), 0u);
}

TEST_F(ClosedPortsTest, OneSourceAtManyPortsIsNotMany) {
  for (uint16_t port = 1; port < 100; ++port) EXPECT_EQ(take("198.51.100.1", port), 0u);
}

TEST_F(ClosedPortsTest, WhoGoesOnTryingOrIsAClientOrPrivateIsNone) {
  for (uint32_t i = 0; i < ClosedPorts::kTriesMost; ++i) take("198.51.100.1", 23);
  EXPECT_TRUE(ports_.may_be_background(end_of("198.51.100.1", 0).address, end_of("203.0.113.1", 23)));
  take("198.51.100.1", 23);
  EXPECT_FALSE(ports_.may_be_background(end_of("198.51.100.1", 0).address, end_of("203.0.113.1", 23)));
  EXPECT_TRUE(ports_.may_be_background(end_of("198.51.100.1", 0).address, end_of("203.0.113.1", 24)));

  // Served six times as often as not, it is a client; if it found an open port among others, it is none; of FTP it is one.
  for (uint32_t i = 0; i < ClosedPorts::kServedTimes; ++i)
    ports_.served(end_of("198.51.100.2", 0).address, end_of("203.0.113.1", 80));
  EXPECT_EQ(take("198.51.100.2", 23), 0u);
  EXPECT_FALSE(ports_.may_be_background(end_of("198.51.100.2", 0).address, end_of("203.0.113.1", 24)));
  take("198.51.100.2", 24);
  EXPECT_TRUE(ports_.may_be_background(end_of("198.51.100.2", 0).address, end_of("203.0.113.1", 24)));
  ports_.served(end_of("198.51.100.2", 0).address, end_of("203.0.113.1", 21));
  take("198.51.100.2", 25);
  EXPECT_FALSE(ports_.may_be_background(end_of("198.51.100.2", 0).address, end_of("203.0.113.1", 24)));
  EXPECT_TRUE(ports_.may_be_background(end_of("198.51.100.2", 0).address, end_of("203.0.113.2", 23)));

  for (const char* address : {"10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "169.254.1.1", "fd00::1", "fe80::1"})
    EXPECT_FALSE(ports_.may_be_background(end_of(address, 0).address, end_of("203.0.113.1", 23))) << address;
  for (const char* address : {"11.1.2.3", "172.32.0.1", "192.169.1.1", "100.128.0.1", "2001:db8::1"})
    EXPECT_TRUE(ports_.may_be_background(end_of(address, 0).address, end_of("203.0.113.1", 23))) << address;
}

TEST_F(ClosedPortsTest, WhoTurnsOutToBeAClientIsNoBackground) {
  for (uint16_t i = 1; i < 4; ++i) EXPECT_EQ(take("198.51.100." + std::to_string(i), i), 0u);
  for (uint32_t i = 0; i < ClosedPorts::kServedTimes; ++i)
    ports_.served(end_of("198.51.100.3", 0).address, end_of("203.0.113.1", 80));
  EXPECT_EQ(take("198.51.100.4", 4), 0u);
  EXPECT_EQ(take("198.51.100.5", 5), 4u);
}

TEST_F(ClosedPortsTest, APortToWhichSourcesComeBackIsWanted) {
  for (const char* client : {"198.51.100.1", "198.51.100.2", "198.51.100.3"}) take(client, 8443);
  for (const char* client : {"198.51.100.1", "198.51.100.2"}) take(client, 8443);
  EXPECT_TRUE(ports_.may_be_background(end_of("198.51.100.1", 0).address, end_of("203.0.113.1", 8443)));
  take("198.51.100.3", 8443);
  for (const char* anybody : {"198.51.100.1", "198.51.100.3", "198.51.100.9"})
    EXPECT_FALSE(ports_.may_be_background(end_of(anybody, 0).address, end_of("203.0.113.1", 8443))) << anybody;
  EXPECT_TRUE(ports_.may_be_background(end_of("198.51.100.1", 0).address, end_of("203.0.113.2", 8443)));
  EXPECT_TRUE(ports_.may_be_background(end_of("198.51.100.1", 0).address, end_of("203.0.113.1", 8080)));
}

TEST_F(ClosedPortsTest, WhatIsMoreThanAnHourAgoDoesNotCount) {
  constexpr int64_t kLater = ClosedPorts::kWithinNs + kSecond;
  for (uint16_t i = 1; i < 4; ++i) EXPECT_EQ(take("198.51.100." + std::to_string(i), i), 0u);
  EXPECT_EQ(take("198.51.100.4", 4, kLater), 0u);
  for (uint16_t i = 5; i < 7; ++i) EXPECT_EQ(take("198.51.100." + std::to_string(i), i, kLater), 0u);
  EXPECT_EQ(take("198.51.100.7", 7, kLater), 4u);
  EXPECT_EQ(take("198.51.100.8", 8, 2 * kLater), 0u) << "it was quiet for so long";
}

}  // namespace
}  // namespace parallax
