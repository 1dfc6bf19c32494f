// Header and first question of DNS messages.
#include "analysis/protocol/dns_message.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/message_bytes.h"

namespace parallax::test {
namespace {

struct Result {
  Wire bytes;
  ParseStatus status;
  DnsMessage message;
};
Result parsed(const Wire& bytes) {
  Result result{Wire(bytes.begin(), bytes.end()), {}, {}};
  result.status = parse_dns_message(result.bytes, result.message);
  return result;
}

Wire question() { return dns_header(0x1234, 0x0100, 1, 0) + dns_name({"www", "example", "com"}) + be16(28) + be16(1); }

TEST(DnsMessage, QuestionHasNameAndType) {
  const Result r = parsed(question());
  ASSERT_EQ(r.status, ParseStatus::done);
  EXPECT_EQ(r.message.id, 0x1234);
  EXPECT_FALSE(r.message.response);
  EXPECT_EQ(r.message.opcode, 0);
  EXPECT_EQ(r.message.question_count, 1);
  ASSERT_TRUE(r.message.has_question);
  EXPECT_EQ(dns_name_text(r.message.name), "www.example.com");
  EXPECT_EQ(r.message.name.size(), 17u);
  EXPECT_EQ(dns_type_name(r.message.type), "AAAA");
  EXPECT_EQ(r.message.question_class, 1);
}

TEST(DnsMessage, AnswerHasItsCode) {
  const Result r = parsed(dns_header(0x1234, 0x8383, 1, 0) + dns_name({"a"}) + be16(1) + be16(1));
  ASSERT_EQ(r.status, ParseStatus::done);
  EXPECT_TRUE(r.message.response);
  EXPECT_TRUE(r.message.truncated);
  EXPECT_EQ(dns_rcode_name(r.message.rcode), "NXDOMAIN");
}

TEST(DnsMessage, AnnouncementOfMulticastDnsHasNoQuestion) {
  const Result r = parsed(dns_header(0, 0x8400, 0, 3));
  EXPECT_EQ(r.status, ParseStatus::done);
  EXPECT_FALSE(r.message.has_question);
  EXPECT_EQ(r.message.answer_count, 3);
}

TEST(DnsMessage, CutAnywhereAsksForMore) {
  for (size_t size = 0; size < question().size(); ++size) {
    const Result r = parsed(first(question(), size));
    EXPECT_EQ(r.status, ParseStatus::more) << size;
    EXPECT_EQ(r.message.has_header, size >= 12);
    EXPECT_FALSE(r.message.has_question);
  }
}

TEST(DnsMessage, NamesEndAt255Bytes) {
  const std::string label(63, 'a');
  const std::string_view rest(label.data(), 61);
  const Wire header = dns_header(1, 0x0100, 1, 0);
  EXPECT_EQ(parsed(header + dns_name({label, label, label, rest}) + be16(1) + be16(1)).message.name.size(), kDnsNameBytesMax);
  EXPECT_EQ(parsed(header + dns_name({label, label, label, label}) + be16(1) + be16(1)).status, ParseStatus::broken);
  EXPECT_EQ(parsed(header + dns_name({}) + be16(2) + be16(1)).message.name.size(), 1u) << "the root";
}

TEST(DnsMessage, PointerInTheFirstNameIsBroken) {
  EXPECT_EQ(parsed(dns_header(1, 0x0100, 1, 0) + Wire{1, 'a', 0xc0, 12} + be32(0)).status, ParseStatus::broken);
  EXPECT_EQ(parsed(dns_header(1, 0x0100, 1, 0) + Wire{0x41, 'a', 0} + be32(0)).status, ParseStatus::broken);
}

TEST(DnsMessage, WhatNoServerUnderstandsIsForeign) {
  EXPECT_EQ(parsed(dns_header(1, 0x1800, 1, 0)).status, ParseStatus::foreign) << "opcode 3";
  EXPECT_EQ(parsed(dns_header(1, 0x7800, 1, 0)).status, ParseStatus::foreign) << "opcode 15";
  EXPECT_EQ(parsed(dns_header(1, 0x0100, 0, 0)).status, ParseStatus::foreign) << "asks nothing";
  EXPECT_EQ(parsed(text("GET / HTTP/1.1")).status, ParseStatus::foreign);
}

TEST(DnsStream, HasTheLengthBeforeTheMessage) {
  DnsMessage message;
  uint16_t length = 0;
  const Wire bytes = counted16(question()) + counted16(question());
  EXPECT_EQ(parse_dns_stream(bytes, message, length), ParseStatus::done);
  EXPECT_EQ(length, question().size());
  EXPECT_EQ(dns_name_text(message.name), "www.example.com");
  EXPECT_EQ(parse_dns_stream(first(bytes, 20), message, length), ParseStatus::more);
  EXPECT_EQ(length, question().size());
  EXPECT_EQ(parse_dns_stream(be16(20) + question(), message, length), ParseStatus::broken) << "the message ends in its question";
  EXPECT_EQ(parse_dns_stream(be16(11) + question(), message, length), ParseStatus::foreign);
  EXPECT_EQ(parse_dns_stream(Wire{0}, message, length), ParseStatus::more);
}

TEST(DnsName, IsFitToPrint) {
  const auto printed = [](const Wire& name) { return dns_name_text({reinterpret_cast<const char*>(name.data()), name.size()}); };
  EXPECT_EQ(printed(dns_name({})), ".");
  EXPECT_EQ(printed(dns_name({"a.b", std::string_view("\0\n\xff", 3), "x_y-Z"})), "a\\046b.\\000\\010\\255.x_y-Z");
  EXPECT_EQ(printed(Wire{9, 'a'}), "a") << "cut short";
}

}  // namespace
}  // namespace parallax::test
