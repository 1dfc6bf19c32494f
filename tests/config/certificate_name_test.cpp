// Which names of a certificate a pattern of api.roles covers.
#include "config/certificate_name.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

TEST(CertificateName, CoversItselfOrOneLabelMore) {
  struct Case {
    const char *pattern, *name;
    bool covers;
  };
  const Case cases[] = {
      {"anna", "anna", true},
      {"anna", "Anna", false},
      {"anna", "anna.example.net", false},
      {"anna", "", false},
      {"*", "whoever", true},
      {"*", "", false},
      {"*.example.net", "anna.example.net", true},
      {"*.example.net", "example.net", false},
      {"*.example.net", ".example.net", false},
      {"*.example.net", "a.b.example.net", false},
      {"*.example.net", "annaexample.net", false},
      {"*.example.net", "anna.example.net.evil.org", false},
      {"*.example.net", "anna@mail.example.net", false},
      {"*.example.net", "spiffe://anna.example.net", false},
      {"*.example.net", "*.example.net", false},
      {"spiffe://example.net/soc", "spiffe://example.net/soc", true},
  };
  for (const Case& one : cases)
    EXPECT_EQ(covers_certificate_name(one.pattern, one.name), one.covers) << one.pattern << " and " << one.name;
  EXPECT_FALSE(covers_certificate_name("anna", std::string_view("anna\0.evil.org", 14)));
}

TEST(CertificateName, WhatCanCoverNothingOrTooMuchIsRefused) {
  for (const char* right : {"*", "anna", "Anna Muster", "*.example.net", "anna@example.net", "spiffe://example.net/soc"})
    EXPECT_EQ(why_not_a_certificate_name(right), "") << right;
  for (const char* wrong : {"", "*.", "**", "a*", "*a", "anna.*.net", "*.*.net", " anna", "anna ", "an\tna", "\n"})
    EXPECT_NE(why_not_a_certificate_name(wrong), "") << wrong;
}

}  // namespace
}  // namespace parallax
