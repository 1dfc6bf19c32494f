// What the picker hands on of a port's packets, and what it leaves.
#include "capture/decode/payload_prefix_picker.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace parallax {
namespace {

constexpr uint32_t kIsn = 0xfffffff0;  // the sequence wraps within the first bytes

// One direction of a TCP flow.
struct Stream {
  PayloadPrefixPicker& picker;
  uint16_t source_port = 40000, destination_port = 443;
  uint32_t flow_hash = 0x12345678;

  uint32_t send(uint32_t offset, const std::string& payload, uint8_t flags = tcp_flag::ack, size_t on_wire = 0) {
    DecodedFrame frame{};
    frame.protocol = ip_protocol::tcp;
    frame.tcp_flags = flags;
    frame.seq = kIsn + offset;
    frame.flow_hash = flow_hash;
    frame.source_port = source_port;
    frame.destination_port = destination_port;
    frame.payload = payload.empty() ? nullptr : reinterpret_cast<const uint8_t*>(payload.data());
    frame.payload_captured = static_cast<uint32_t>(payload.size());
    frame.payload_length = static_cast<uint32_t>(on_wire > 0 ? on_wire : payload.size());
    return picker.pick(frame, frame);
  }
  void syn() { send(0, "", tcp_flag::syn); }
};

std::string record(uint8_t type, size_t length) {
  return std::string{static_cast<char>(type), 3, 1, static_cast<char>(length >> 8), static_cast<char>(length)} +
         std::string(length, 'r');
}

class Picker : public testing::Test {
 protected:
  const std::unique_ptr<PayloadPrefixPicker> picker_ = std::make_unique<PayloadPrefixPicker>(false);
  Stream stream_{*picker_};
};

TEST_F(Picker, PlainDataIsLeftAlone) {
  EXPECT_EQ(stream_.send(1, std::string(1460, 'x')), 0u);
  EXPECT_EQ(stream_.send(1, std::string(1460, 'G')), 0u) << "begins as a method does, and is none";
  EXPECT_EQ(stream_.send(1, std::string("\x17\x03\x03\x01\x00", 5) + std::string(256, 'x')), 0u) << "TLS application data";
  EXPECT_EQ(stream_.send(1, ""), 0u);
  EXPECT_EQ(stream_.send(1, "\x16"), 0u);
}

TEST_F(Picker, BeginningsOfMessagesAreHandedOn) {
  const std::string request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n", proxy_v1 = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n";
  const std::string proxy_v2 =
      std::string("\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11\x00\x0c", 16) + std::string(12, 'a');
  for (const std::string& message :
       {request, proxy_v1, proxy_v2, record(22, 200), record(21, 2), proxy_v1 + request, proxy_v2 + record(22, 90)}) {
    EXPECT_EQ(stream_.send(1, message), message.size()) << message;
  }
  EXPECT_EQ(stream_.send(1, record(21, 26)), 0u) << "an encrypted alert";
  EXPECT_EQ(stream_.send(1, "\x16\x03\x09\x00\x05world"), 0u) << "no version of TLS";
  EXPECT_EQ(stream_.send(1, "GETTING THERE"), 0u);
}

TEST_F(Picker, OfAnAnswerTheHeadAlone) {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
  EXPECT_EQ(stream_.send(1, head + std::string(1000, 'b')), head.size());
  EXPECT_EQ(stream_.send(5000, std::string(1460, 'b')), 0u);
  const std::string two = head + "hello" + head + "world";
  EXPECT_EQ(stream_.send(9000, two), two.size()) << "unless another answer stands behind the body";
}

TEST_F(Picker, AHelloThatGoesOnIsFollowedToItsEnd) {
  const std::string hello = record(22, 1700);
  EXPECT_EQ(stream_.send(1, hello.substr(0, 1400)), 1400u);
  EXPECT_EQ(stream_.send(1401, hello.substr(1400)), hello.size() - 1400);
  EXPECT_EQ(stream_.send(1 + hello.size(), std::string(1400, 'x')), 0u);
  EXPECT_EQ(stream_.send(1401, std::string(300, 'x')), 0u) << "done: nothing is followed any more";
}

TEST_F(Picker, SegmentsOutOfOrderAreFollowedToo) {
  const std::string flight = record(22, 4000);
  EXPECT_EQ(stream_.send(1, flight.substr(0, 1000)), 1000u);
  EXPECT_EQ(stream_.send(2001, flight.substr(2000, 1000)), 1000u);
  EXPECT_EQ(stream_.send(3001, flight.substr(3000)), flight.size() - 3000);
  EXPECT_EQ(stream_.send(1001, flight.substr(1000, 1000)), 1000u);
}

TEST_F(Picker, TheFirstSegmentsOfADirectionMayComeInAnyOrder) {
  const std::string hello = record(22, 1700);
  stream_.syn();
  EXPECT_EQ(stream_.send(1401, hello.substr(1400)), hello.size() - 1400);
  EXPECT_EQ(stream_.send(1, hello.substr(0, 1400)), 1400u);
  Stream other{*picker_, 443, 40000};
  other.syn();
  EXPECT_EQ(other.send(1401, std::string(100, 'x')), 100u);
  EXPECT_EQ(other.send(1, std::string(1400, 'x')), kFirstBytes) << "nothing of interest but how it begins";
  EXPECT_EQ(other.send(1501, std::string(100, 'x')), 0u);
}

TEST_F(Picker, FirstBytesTooFewToTellAreHandedOn) {
  const std::string hello = record(22, 100);
  stream_.syn();
  EXPECT_EQ(stream_.send(1, hello.substr(0, 2)), 2u);
  EXPECT_EQ(stream_.send(3, hello.substr(2)), hello.size() - 2);
}

TEST_F(Picker, RecordsOfAFlightAreWalkedAcrossSegments) {
  const std::string flight = record(22, 80) + record(22, 3000) + record(22, 4) + record(20, 1) + std::string(500, 'e');
  const size_t wanted = flight.size() - 500 - 1;  // with the header of the record that ends it
  EXPECT_EQ(stream_.send(1, flight.substr(0, 1460)), 1460u);
  EXPECT_EQ(stream_.send(1461, flight.substr(1460, 1460)), 1460u);
  EXPECT_EQ(stream_.send(2921, flight.substr(2920)), wanted - 2920)
      << "the record behind the end of the long one, and no further";
  EXPECT_EQ(stream_.send(1 + flight.size(), std::string(1460, 'e')), 0u);
}

TEST_F(Picker, AHeadThatGoesOnIsFollowedToItsEmptyLine) {
  const std::string head = "POST /a HTTP/1.1\r\nCookie: " + std::string(2000, 'c') + "\r\nHost: b\r\n\r\n";
  EXPECT_EQ(stream_.send(1, head.substr(0, 1460)), 1460u);
  EXPECT_EQ(stream_.send(1461, head.substr(1460) + std::string(200, 'b')), head.size() - 1460);
  EXPECT_EQ(stream_.send(4000, std::string(1000, 'b')), 0u);
}

TEST_F(Picker, NoMessageIsFollowedFurtherThanItsBound) {
  EXPECT_EQ(stream_.send(1, "GET /" + std::string(1455, 'a')), 1460u);
  uint32_t handed_on = 1460;
  for (uint32_t offset = 1461; offset < 40'000; offset += 1460) handed_on += stream_.send(offset, std::string(1460, 'a'));
  EXPECT_EQ(handed_on, kPayloadPrefixBytesMax);
  EXPECT_EQ(stream_.send(50'000, record(22, 16'000) + std::string(50'000, 'x')), kPayloadPrefixBytesMax)
      << "a super-segment is cut";
}

TEST_F(Picker, DirectionsOfAFlowAreFollowedApart) {
  Stream server{*picker_, 443, 40000};
  EXPECT_EQ(stream_.send(1, record(22, 1700).substr(0, 1400)), 1400u);
  EXPECT_EQ(server.send(1401, std::string(100, 'x')), 0u);
  EXPECT_EQ(stream_.send(1401, std::string(100, 'x')), 100u);
}

TEST_F(Picker, WhatTheCaptureCutIsNotFollowed) {
  EXPECT_EQ(stream_.send(1, record(22, 1700).substr(0, 200), tcp_flag::ack, 1400), 200u);
  EXPECT_EQ(stream_.send(1401, std::string(200, 'x'), tcp_flag::ack, 305), 0u);
}

TEST_F(Picker, DnsOverTcpIsKnownByItsPort) {
  Stream query{*picker_, 40000, 53};
  const std::string message = std::string("\x00\x1d", 2) + std::string(29, 'q');
  EXPECT_EQ(query.send(1, message), message.size());
  EXPECT_EQ(query.send(100, message.substr(0, 2)), 2u) << "the length in a segment of its own";
  EXPECT_EQ(query.send(102, message.substr(2)), 29u);
  EXPECT_EQ(query.send(500, std::string("\x00\x01", 2) + std::string(40, 'q')), 0u) << "no message is so short";
  EXPECT_EQ(stream_.send(500, message), 0u);
}

TEST_F(Picker, DatagramsAreKnownByTheirPorts) {
  const std::string payload(600, 'd');
  DecodedFrame frame{};
  frame.protocol = ip_protocol::udp;
  frame.payload = reinterpret_cast<const uint8_t*>(payload.data());
  frame.payload_captured = frame.payload_length = static_cast<uint32_t>(payload.size());
  const auto picked = [&](uint16_t source, uint16_t destination) {
    frame.source_port = source;
    frame.destination_port = destination;
    return picker_->pick(frame, frame);
  };
  EXPECT_EQ(picked(40000, 53), 271u) << "as long as a header and a question can be";
  EXPECT_EQ(picked(53, 40000), 271u);
  EXPECT_EQ(picked(5353, 5353), 271u);
  EXPECT_EQ(picked(68, 67), 600u);
  EXPECT_EQ(picked(546, 547), 600u);
  EXPECT_EQ(picked(40000, 443), 0u);
  frame.payload = nullptr;
  frame.payload_captured = 0;
  EXPECT_EQ(picked(40000, 53), 0u);
}

TEST_F(Picker, OfQuicLongHeadersAndTheFirstShortOneOfAClientAreHandedOn) {
  DecodedFrame frame{};
  frame.protocol = ip_protocol::udp;
  const auto picked = [&](std::string payload, uint16_t source, uint16_t destination) {
    payload.resize(1200, 'q');
    frame.payload = reinterpret_cast<const uint8_t*>(payload.data());
    frame.payload_captured = frame.payload_length = static_cast<uint32_t>(payload.size());
    frame.source_port = source;
    frame.destination_port = destination;
    return picker_->pick(frame, frame);
  };
  EXPECT_EQ(picked("\x41 short", 40000, 443), 0u) << "nobody has spoken QUIC there";
  EXPECT_EQ(picked(std::string("\xc3\x00\x00\x00\x01", 5), 40000, 443), 47u) << "first byte, version, two IDs";
  EXPECT_EQ(picked("\xd3\x6b\x33\x43\xcf", 40000, 443), 47u) << "version 2";
  EXPECT_EQ(picked(std::string("\x80\x00\x00\x00\x00", 5), 443, 40000), 47u) << "version negotiation";
  EXPECT_EQ(picked(std::string("\x80\x60\x00\x00\x01", 5), 40000, 443), 0u) << "RTP";
  EXPECT_EQ(picked("\xc3Q043", 40000, 443), 0u);
  EXPECT_EQ(picked("\x41 short", 40000, 443), 47u);
  EXPECT_EQ(picked("\x41 short", 40000, 443), 0u) << "once is enough";
  EXPECT_EQ(picked("\x41 short", 40001, 443), 47u) << "another client";
  EXPECT_EQ(picked("\x41 short", 40001, 8443), 0u) << "another server";
  EXPECT_EQ(picked("\x01 short", 40002, 443), 47u) << "its second bit may be anything";
  frame.time_ns += 60'000'000'000;
  EXPECT_EQ(picked("\x41 short", 40000, 443), 47u) << "by now its leg may be another";
}

// Directions that were opened and have said nothing yet, and what is picked of their first bytes.
struct Openings {
  explicit Openings(bool may_grow) : picker(may_grow) {}
  Stream stream(uint32_t i) { return {picker, static_cast<uint16_t>(i), 9000, i * 0x9E3779B1u}; }
  size_t picked(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) stream(i).syn();
    size_t sum = 0;
    for (uint32_t i = 0; i < count; ++i) sum += stream(i).send(1, "hello") == 5;
    return sum;
  }
  PayloadPrefixPicker picker;
};

TEST(PickerTable, OfAFileEveryOpeningIsKnown) {
  const auto openings = std::make_unique<Openings>(true);
  EXPECT_EQ(openings->picked(20'000), 20'000u);
  EXPECT_EQ(openings->picker.given_up(), 0u);
}

TEST(PickerTable, LiveWhatFindsNoRoomIsCounted) {
  constexpr uint32_t kOpenings = 20'000;
  const auto openings = std::make_unique<Openings>(false);
  const size_t picked = openings->picked(kOpenings);
  EXPECT_GT(picked, 2 * PayloadPrefixPicker::kBucketsLeast);
  EXPECT_GE(picked + openings->picker.given_up(), kOpenings);  // two may have one hash
}

}  // namespace
}  // namespace parallax
