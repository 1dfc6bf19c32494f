// The names in a certificate.
#include "analysis/protocol/x509_names.h"

#include <gtest/gtest.h>

#include "tests/support/message_bytes.h"

namespace parallax::test {
namespace {

Wire usual() {
  return x509_certificate(
      der_name_part(6, 0x13, "DE") + der_name_part(3, 0x0c, "outer") + der_name_part(3, 0x13, "www.example.com"),
      x509_basic_constraints() + der_dns_names({"a.example", "b.example", "c.example", "d.example", "*.example"}));
}

TEST(X509Names, AreTheSubjectsCommonNameAndItsDnsNames) {
  const Wire bytes = usual();
  X509Names names;
  ASSERT_EQ(parse_x509_names(bytes, names), ParseStatus::done);
  EXPECT_EQ(names.common_name, "www.example.com");
  EXPECT_EQ(names.dns_name_count, 5u);
  ASSERT_EQ(names.kept_dns_names().size(), 4u);
  EXPECT_EQ(names.kept_dns_names()[0], "a.example");
  EXPECT_EQ(names.kept_dns_names()[3], "d.example");
}

TEST(X509Names, OfAVersion1CertificateAreTheSubjectAlone) {
  const Wire bytes = x509_certificate(der_name_part(3, 0x16, "old.example"), {});
  X509Names names;
  EXPECT_EQ(parse_x509_names(bytes, names), ParseStatus::done);
  EXPECT_EQ(names.common_name, "old.example");
  EXPECT_EQ(names.dns_name_count, 0u);
}

TEST(X509Names, MayBeMissing) {
  const Wire bytes = x509_certificate({}, x509_basic_constraints());
  X509Names names;
  EXPECT_EQ(parse_x509_names(bytes, names), ParseStatus::done);
  EXPECT_EQ(names.common_name, "");
  EXPECT_EQ(names.dns_name_count, 0u);
}

TEST(X509Names, ShortBytesAskForMore) {
  const Wire bytes = usual();
  const size_t names_end = bytes.size() - 12 - 72;  // signature algorithm and signature
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Wire exact = first(bytes, size);
    X509Names names;
    EXPECT_EQ(parse_x509_names(exact, names), size < names_end ? ParseStatus::more : ParseStatus::done) << size;
  }
}

TEST(X509Names, LengthsThatLeaveTheirElementAreBroken) {
  X509Names names;
  Wire bytes = usual();
  bytes[7] = 0xff;  // the to-be-signed part, longer than the certificate
  EXPECT_EQ(parse_x509_names(bytes, names), ParseStatus::broken);
  EXPECT_EQ(parse_x509_names(Wire{0x30, 0x80, 0x30}, names), ParseStatus::broken) << "a length left open";
  EXPECT_EQ(parse_x509_names(Wire{0x30, 0x85, 1, 0, 0, 0, 0}, names), ParseStatus::broken) << "a length of five bytes";
  EXPECT_EQ(parse_x509_names(Wire{0x30, 4, 0x31, 2, 0x30, 0}, names), ParseStatus::broken) << "no sequence";
  EXPECT_EQ(parse_x509_names(Wire{0x30, 4, 0x30, 2, 0x1f, 1}, names), ParseStatus::broken) << "a tag of several bytes";
  EXPECT_EQ(parse_x509_names(text("-----BEGIN"), names), ParseStatus::foreign);
}

}  // namespace
}  // namespace parallax::test
