#include "capture/decode/bpf_filter.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

#include "tests/support/sanitized.h"
#include "tests/support/wire.h"

namespace parallax {

using namespace test;

namespace {

bool matches(const std::string& expression, const Wire& frame, LinkType link_type = LinkType::ethernet) {
  const Result<BpfFilter> filter = BpfFilter::compile(expression, link_type);
  EXPECT_TRUE(filter.ok()) << filter.error();
  const auto length = static_cast<uint32_t>(frame.size());
  return filter.ok() && filter->matches(frame.data(), length, length);
}

std::optional<size_t> position(const std::string& expression) {
  return BpfFilter::error_position(expression, LinkType::ethernet);
}

const Wire kSegment = ipv4_frame(6, tcp(tcp_flag::ack) + zeros(8));

}  // namespace

TEST(BpfFilter, MatchesAsLibpcapDoes) {
  EXPECT_TRUE(matches("tcp port 443", kSegment));
  EXPECT_TRUE(matches("src host 192.0.2.1 and dst net 198.51.100.0/24", kSegment));
  EXPECT_TRUE(matches("tcp[tcpflags] & tcp-ack != 0", kSegment));
  EXPECT_FALSE(matches("udp", kSegment));
  EXPECT_FALSE(matches("vlan", kSegment));
  EXPECT_TRUE(matches("vlan 7 and tcp", ethernet(0x8100) + vlan_tag(7, 0x0800) + ipv4({.payload = 20}) + tcp(2)));
  EXPECT_TRUE(matches("greater 60", kSegment));
}

TEST(BpfFilter, EmptyExpressionMatchesEverything) {
  EXPECT_TRUE(matches("", kSegment));
  EXPECT_TRUE(matches("", {}));
}

TEST(BpfFilter, IsCompiledForTheLinkType) {
  const Wire packet = ipv4({.payload = 20}) + tcp(2);
  EXPECT_TRUE(matches("tcp dst port 443", packet, LinkType::raw_ip));
  EXPECT_TRUE(matches("tcp dst port 443", packet, LinkType::ipv4));
  EXPECT_TRUE(matches("tcp dst port 443", Wire{2, 0, 0, 0} + packet, LinkType::null_loopback));
  EXPECT_TRUE(matches("tcp dst port 443", be32(2) + packet, LinkType::loop));
  EXPECT_TRUE(matches("tcp dst port 443", be16(0) + be16(1) + be16(6) + zeros(8) + be16(0x0800) + packet, LinkType::linux_sll));
  EXPECT_TRUE(matches("tcp dst port 443", be16(0x0800) + zeros(18) + packet, LinkType::linux_sll2));
  EXPECT_TRUE(matches("tcp dst port 443", ipv6(6, 20) + tcp(2), LinkType::ipv6));
}

TEST(BpfFilter, CutPacketsAreNotReadBeyondTheirEnd) {
  const Result<BpfFilter> filter = BpfFilter::compile("tcp port 443 and tcp[40] = 1", LinkType::ethernet);
  ASSERT_TRUE(filter.ok()) << filter.error();
  for (size_t cut = 0; cut < kSegment.size(); ++cut) {
    const Wire part(kSegment.begin(), kSegment.begin() + static_cast<ptrdiff_t>(cut));
    EXPECT_FALSE(filter->matches(part.data(), static_cast<uint32_t>(cut), 1500));
  }
}

TEST(BpfFilter, ErrorSaysWhatAndWhere) {
  const Result<BpfFilter> filter = BpfFilter::compile("tcp prot 80", LinkType::ethernet);
  ASSERT_FALSE(filter.ok());
  EXPECT_NE(filter.error().find("tcp prot 80"), std::string::npos);
  EXPECT_NE(filter.error().find("syntax error"), std::string::npos);
  EXPECT_NE(filter.error().find("at position 4"), std::string::npos);
}

TEST(BpfFilter, PositionOfTheError) {
  EXPECT_EQ(position("tcp prot 80"), 4u);
  EXPECT_EQ(position("tcp port 80 and and udp"), 16u);
  EXPECT_EQ(position("tcp port nosuchport"), 9u);
  EXPECT_EQ(position("host 1.2.3.4 or ) tcp"), 16u);
  EXPECT_EQ(position("(tcp or udp"), 11u);  // something is missing at the end
  EXPECT_EQ(position("tcp and"), 7u);
  EXPECT_EQ(position("tcp port 80"), std::nullopt);  // nothing is wrong
}

TEST(BpfFilter, OverlongAndZeroBytesAreRefused) {
  EXPECT_FALSE(BpfFilter::compile(std::string(5000, ' '), LinkType::ethernet).ok());
  EXPECT_FALSE(BpfFilter::compile(std::string("tcp\0udp", 7), LinkType::ethernet).ok());
}

std::string ports(size_t bytes) {
  std::string expression = "port 1";
  for (int i = 2; expression.size() + 14 < bytes; ++i) expression += " or port " + std::to_string(i);
  return expression;
}

// 4 KiB of ports took 6 s for each interface, and two points with files of several runs have many.
TEST(BpfFilter, LongExpressionsTakeNoLongTime) {
  const auto seconds_for = [](const std::string& expression) {
    const auto start = std::chrono::steady_clock::now();
    (void)BpfFilter::compile(expression, LinkType::ethernet).ok();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  for (const size_t bytes : {1024, 2048, 4096, 65536}) {
    EXPECT_LT(seconds_for(ports(bytes)), 2.0 * test::kTimesSlower) << bytes;
    EXPECT_LT(seconds_for(ports(bytes) + " or or"), 2.0 * test::kTimesSlower) << bytes;
    EXPECT_LT(seconds_for(std::string(bytes, '(') + "tcp"), 2.0 * test::kTimesSlower) << bytes;
  }
  EXPECT_TRUE(BpfFilter::compile(ports(2048), LinkType::ethernet).ok());
  const Result<BpfFilter> overlong = BpfFilter::compile(ports(4096), LinkType::ethernet);
  ASSERT_FALSE(overlong.ok());
  EXPECT_NE(overlong.error().find("position 2048"), std::string::npos) << overlong.error();
}

TEST(BpfFilter, LongExpressionsMatchAsShortOnesDo) {
  const std::string many = ports(1500);
  EXPECT_FALSE(matches(many, kSegment));
  EXPECT_TRUE(matches(many + " or port 443", kSegment));
}

TEST(BpfFilter, UnknownLinkTypeIsAnErrorAndNoCrash) {
  EXPECT_FALSE(BpfFilter::compile("tcp port 80", static_cast<LinkType>(0xfff0)).ok());
}

TEST(BpfFilter, ManyThreadsMayCompileAndMatch) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 50; ++i) EXPECT_TRUE(matches("tcp port 443 or udp port " + std::to_string(i), kSegment));
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace parallax
