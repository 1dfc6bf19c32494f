// What TLS says in the clear, as it should be, cut anywhere, and wrong.
#include "analysis/protocol/tls_hello.h"

#include <gtest/gtest.h>

#include "tests/support/message_bytes.h"

namespace parallax::test {
namespace {

struct ClientResult {
  ParseStatus status;
  TlsClientHello hello;
};
// From a heap buffer of exactly the size, so that the address sanitizer sees a read beyond it.
ClientResult client(const Wire& bytes) {
  const Wire exact(bytes.begin(), bytes.end());
  ClientResult result;
  result.status = parse_tls_client_hello(exact, result.hello);
  return result;
}

struct ServerResult {
  Wire bytes;  // what the views of the certificate point into
  ParseStatus status;
  TlsServerFlight flight;
};
ServerResult server(const Wire& bytes) {
  ServerResult result{Wire(bytes.begin(), bytes.end()), {}, {}};
  result.status = parse_tls_server_flight(result.bytes, result.flight);
  return result;
}

// A message cut into records of `size` bytes.
Wire in_records(const Wire& message, size_t size) {
  Wire records;
  for (size_t at = 0; at < message.size(); at += size) {
    records = records + tls_record(22, first(after(message, at), std::min(size, message.size() - at)));
  }
  return records;
}

Wire modern_hello() {
  return tls_client_hello(tls_extension(0x2a2a, {}) + tls_server_name("www.example.com") + tls_extension(10, be16(2) + be16(29)) +
                          tls_alpn({"\x1a\x1a", "h2", "http/1.1"}) + tls_versions_offered({0x3a3a, 0x0304, 0x0303}) +
                          tls_extension(51, zeros(40)));
}

Wire leaf() {
  return x509_certificate(der_name_part(10, 0x0c, "Example Ltd") + der_name_part(3, 0x0c, "www.example.com"),
                          x509_basic_constraints() + der_dns_names({"www.example.com", "example.com"}));
}

TEST(TlsClientHello, SaysWhereToAndWhatIsOffered) {
  const auto [status, hello] = client(tls_record(22, modern_hello()));
  EXPECT_EQ(status, ParseStatus::done);
  EXPECT_EQ(hello.legacy_version, 0x0303);
  EXPECT_EQ(hello.version, 0x0304);
  EXPECT_EQ(tls_version_name(hello.version), "TLS 1.3");
  EXPECT_EQ(hello.random[0], 0xc1);
  EXPECT_EQ(hello.random[31], 0xc1);
  EXPECT_EQ(hello.session_id.length, 32);
  EXPECT_EQ(hello.session_id.bytes[31], 0xc2);
  EXPECT_EQ(hello.sni.view(), "www.example.com");
  EXPECT_EQ(hello.alpn.view(), "h2");
  EXPECT_EQ(hello.alpn_count, 2);
  EXPECT_EQ(hello.cipher_suite_count, 2);
  EXPECT_FALSE(hello.ssl2_format);
}

TEST(TlsClientHello, MayBeCutIntoRecordsOfAnySize) {
  const ClientResult whole = client(tls_record(22, modern_hello()));
  for (size_t size = 1; size < modern_hello().size(); ++size) {
    const auto [status, hello] = client(in_records(modern_hello(), size));
    ASSERT_EQ(status, ParseStatus::done) << size;
    EXPECT_EQ(hello.sni.view(), "www.example.com") << size;
    EXPECT_EQ(hello.alpn.view(), "h2") << size;
    EXPECT_EQ(hello.version, 0x0304) << size;
    EXPECT_EQ(hello.random, whole.hello.random) << size;
  }
}

TEST(TlsClientHello, CutAnywhereAsksForMoreAndKeepsWhatItHas) {
  const Wire bytes = tls_record(22, modern_hello());
  size_t with_name = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto [status, hello] = client(first(bytes, size));
    ASSERT_EQ(status, ParseStatus::more) << size;
    EXPECT_TRUE(hello.sni.empty() || hello.sni.view() == "www.example.com");
    with_name += !hello.sni.empty();
  }
  EXPECT_EQ(with_name, bytes.size() - (5 + 4 + 2 + 32 + 33 + 6 + 2 + 2 + 4 + 4 + 5 + 15));
}

TEST(TlsClientHello, WithoutExtensionsOffersItsOwnVersion) {
  const auto [status, hello] = client(tls_record(22, tls_client_hello({}, 0x0301)));
  EXPECT_EQ(status, ParseStatus::done);
  EXPECT_EQ(tls_version_name(hello.version), "TLS 1.0");
  EXPECT_TRUE(hello.sni.empty());
  EXPECT_TRUE(hello.alpn.empty());
}

TEST(TlsClientHello, DraftOfTls13IsMoreThanTls12AndLessThanTls13) {
  EXPECT_EQ(client(tls_record(22, tls_client_hello(tls_versions_offered({0x7f1c, 0x0303})))).hello.version, 0x7f1c);
  EXPECT_EQ(client(tls_record(22, tls_client_hello(tls_versions_offered({0x7f1c, 0x7f17})))).hello.version, 0x7f1c);
  EXPECT_EQ(client(tls_record(22, tls_client_hello(tls_versions_offered({0x7f1c, 0x0304})))).hello.version, 0x0304);
}

TEST(TlsClientHello, LengthsThatContradictEachOtherAreBroken) {
  EXPECT_EQ(client(tls_record(22, tls_handshake(1, be16(0x0303) + zeros(20)))).status, ParseStatus::broken)
      << "no room for the random";
  EXPECT_EQ(client(tls_record(22, tls_handshake(1, be16(0x0303) + zeros(32) + counted8(zeros(33))))).status, ParseStatus::broken)
      << "session id too long";
  EXPECT_EQ(client(tls_record(22, tls_client_hello(tls_extension(0, be16(9) + zeros(3))))).status, ParseStatus::broken)
      << "list beyond its extension";
  EXPECT_EQ(client(tls_record(22, tls_client_hello(be16(0) + be16(5)))).status, ParseStatus::broken)
      << "extension beyond its list";
  EXPECT_EQ(client(tls_record(22, first(modern_hello(), 60)) + tls_record(23, zeros(20))).status, ParseStatus::broken)
      << "another record within the message";
}

TEST(TlsClientHello, NameLongerThanTheDnsAllowsIsNone) {
  const auto [status, hello] = client(tls_record(22, tls_client_hello(tls_server_name(std::string(256, 'a')))));
  EXPECT_EQ(status, ParseStatus::done);
  EXPECT_TRUE(hello.sni.empty());
  EXPECT_EQ(client(tls_record(22, tls_client_hello(tls_server_name(std::string(255, 'a'))))).hello.sni.view(),
            std::string(255, 'a'));
}

TEST(TlsClientHello, OtherProtocolsAreForeign) {
  for (const char* other :
       {"GET / HTTP/1.1\r\n", "SSH-2.0-x", "\x16\x01\x01", "\x16\x03\x05", "\x17\x03\x03", "\x16\x03\x01\x49\x01"}) {
    EXPECT_EQ(client(text(other)).status, ParseStatus::foreign) << other;
  }
  EXPECT_EQ(client(tls_record(22, tls_server_hello({}))).status, ParseStatus::foreign) << "a server's";
}

TEST(TlsClientHello, OldWrappingTellsTheVersion) {
  const Wire hello = Wire{1} + be16(0x0301) + be16(6) + be16(0) + be16(16) + zeros(6) + zeros(16);
  const auto [status, found] = client(Wire{0x80, static_cast<uint8_t>(hello.size())} + hello);
  EXPECT_EQ(status, ParseStatus::done);
  EXPECT_TRUE(found.ssl2_format);
  EXPECT_EQ(found.version, 0x0301);
  EXPECT_EQ(found.cipher_suite_count, 2);
  EXPECT_EQ(client(Wire{0x80, 99} + hello).status, ParseStatus::foreign) << "a length that does not fit";
  EXPECT_EQ(client(Wire{0x80, 46, 1, 3}).status, ParseStatus::more);
}

TEST(TlsServerFlight, OfTls13EndsWithTheHello) {
  const auto [bytes, status, flight] =
      server(tls_record(22, tls_server_hello(tls_extension(51, zeros(36)) + tls_version_chosen(0x0304))) + tls_record(20, {1}) +
             tls_record(23, zeros(50)));
  EXPECT_EQ(status, ParseStatus::done);
  EXPECT_TRUE(flight.has_hello);
  EXPECT_EQ(flight.legacy_version, 0x0303);
  EXPECT_EQ(flight.version, 0x0304);
  EXPECT_EQ(flight.random[0], 0x51);
  EXPECT_EQ(flight.session_id.bytes[0], 0x52);
  EXPECT_EQ(flight.cipher_suite, 0xc02f);
  EXPECT_FALSE(flight.has_certificate);
  EXPECT_FALSE(flight.retry_request);
}

TEST(TlsServerFlight, OfTls12GoesOnToTheLeaf) {
  const Wire hello = tls_server_hello(tls_alpn({"http/1.1"}));
  for (const Wire& bytes : {tls_record(22, hello) + tls_record(22, tls_certificate(leaf())),
                            tls_record(22, hello + tls_certificate(leaf()) + tls_handshake(14, {}))}) {
    const auto [kept, status, flight] = server(bytes);
    EXPECT_EQ(status, ParseStatus::done);
    EXPECT_EQ(flight.version, 0x0303);
    EXPECT_EQ(flight.alpn.view(), "http/1.1");
    ASSERT_TRUE(flight.has_certificate);
    EXPECT_EQ(flight.certificate.common_name, "www.example.com");
    EXPECT_EQ(flight.certificate.dns_name_count, 2u);
  }
}

TEST(TlsServerFlight, CertificateGoingOnInAnotherRecordGivesTheNamesOfTheFirst) {
  const Wire messages = tls_server_hello({}) + tls_certificate(leaf());
  const auto [bytes, status, flight] = server(in_records(messages, messages.size() - 180));
  EXPECT_EQ(status, ParseStatus::done);
  EXPECT_EQ(flight.certificate.common_name, "www.example.com");
  EXPECT_EQ(flight.certificate.dns_name_count, 0u);
}

TEST(TlsServerFlight, ResumedSessionHasNoCertificate) {
  for (const Wire& next :
       {tls_record(20, {1}), tls_record(22, tls_handshake(4, zeros(40))), tls_record(22, tls_handshake(14, {}))}) {
    const auto [bytes, status, flight] = server(tls_record(22, tls_server_hello({})) + next);
    EXPECT_EQ(status, ParseStatus::done);
    EXPECT_TRUE(flight.has_hello);
    EXPECT_FALSE(flight.has_certificate);
  }
  EXPECT_EQ(server(tls_record(22, tls_server_hello({}))).status, ParseStatus::more) << "a certificate may follow";
}

TEST(TlsServerFlight, RetryRequestIsToldFromTheHelloAfterIt) {
  const Wire retry =
      tls_record(22, tls_server_hello(tls_version_chosen(0x0304) + tls_extension(51, be16(29)), 0x0303, tls_retry_random()));
  const auto [bytes, status, flight] = server(retry);
  EXPECT_EQ(status, ParseStatus::more);
  EXPECT_TRUE(flight.retry_request);
  EXPECT_EQ(flight.version, 0x0304);
  EXPECT_FALSE(flight.has_hello);
  EXPECT_FALSE(flight.has_random);
  const ServerResult both = server(retry + tls_record(20, {1}) + tls_record(22, tls_server_hello(tls_version_chosen(0x0304))));
  EXPECT_EQ(both.status, ParseStatus::done);
  EXPECT_TRUE(both.flight.retry_request);
  EXPECT_TRUE(both.flight.has_hello);
  EXPECT_EQ(both.flight.random[0], 0x51);
  EXPECT_EQ(server(retry + retry).status, ParseStatus::broken) << "one is all there may be";
}

TEST(TlsServerFlight, RefusalIsAnAlert) {
  const auto [bytes, status, flight] = server(tls_record(21, {2, 40}));
  EXPECT_EQ(status, ParseStatus::done);
  ASSERT_TRUE(flight.has_alert);
  EXPECT_EQ(flight.alert.level, 2);
  EXPECT_EQ(tls_alert_name(flight.alert.description), "handshake_failure");
  EXPECT_FALSE(flight.has_hello);
}

TEST(TlsServerFlight, WarningDoesNotHideTheHello) {
  const auto [bytes, status, flight] =
      server(tls_record(21, {1, 112}) + tls_record(22, tls_server_hello({}) + tls_certificate(leaf())));
  EXPECT_EQ(status, ParseStatus::done);
  EXPECT_EQ(tls_alert_name(flight.alert.description), "unrecognized_name");
  EXPECT_TRUE(flight.has_hello);
  EXPECT_EQ(flight.certificate.common_name, "www.example.com");
}

TEST(TlsServerFlight, CutAnywhereAsksForMore) {
  const Wire bytes = tls_record(22, tls_server_hello({})) + tls_record(22, tls_certificate(leaf()));
  const size_t names_end = bytes.size() - 12 - 72;  // signature algorithm and signature
  for (size_t size = 0; size < bytes.size(); ++size) {
    const ServerResult result = server(first(bytes, size));
    EXPECT_EQ(result.status, size < names_end ? ParseStatus::more : ParseStatus::done) << size;
  }
}

TEST(TlsServerFlight, WhatIsNoHelloIsForeign) {
  EXPECT_EQ(server(text("HTTP/1.1 400 Bad Request\r\n")).status, ParseStatus::foreign);
  EXPECT_EQ(server(tls_record(22, tls_client_hello({}))).status, ParseStatus::foreign);
  EXPECT_EQ(server(tls_record(21, zeros(26))).status, ParseStatus::foreign) << "nothing is encrypted yet";
  EXPECT_EQ(server(tls_record(22, tls_server_hello({}) + tls_certificate(zeros(9)))).status, ParseStatus::broken) << "no DER";
}

TEST(TlsAlert, IsReadInTheClearAndKnownWhenEncrypted) {
  TlsAlert alert;
  EXPECT_EQ(parse_tls_alert(tls_record(21, {1, 0}), alert), ParseStatus::done);
  EXPECT_EQ(alert.level, 1);
  EXPECT_EQ(tls_alert_name(alert.description), "close_notify");
  EXPECT_FALSE(alert.encrypted);
  EXPECT_EQ(parse_tls_alert(tls_record(21, zeros(26)), alert), ParseStatus::done);
  EXPECT_TRUE(alert.encrypted);
  EXPECT_EQ(parse_tls_alert(first(tls_record(21, {2, 40}), 6), alert), ParseStatus::more);
  EXPECT_EQ(parse_tls_alert(tls_record(21, {7, 40}), alert), ParseStatus::broken);
  EXPECT_EQ(parse_tls_alert(tls_record(23, zeros(26)), alert), ParseStatus::foreign);
}

TEST(TlsRecordHeader, TellsTypeAndLength) {
  TlsRecordHeader header;
  EXPECT_EQ(parse_tls_record_header(tls_record(23, zeros(300), 0x0303), header), ParseStatus::done);
  EXPECT_EQ(header.type, 23);
  EXPECT_EQ(header.version, 0x0303);
  EXPECT_EQ(header.length, 300);
  EXPECT_EQ(parse_tls_record_header(Wire{23, 3, 3, 0}, header), ParseStatus::more);
  EXPECT_EQ(parse_tls_record_header(Wire{25}, header), ParseStatus::foreign);
  EXPECT_EQ(parse_tls_record_header(Wire{22, 3, 3, 0xff, 0xff}, header), ParseStatus::foreign) << "longer than a record may be";
}

}  // namespace
}  // namespace parallax::test
