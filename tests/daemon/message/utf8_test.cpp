// What strangers wrote, made fit to be shown.
#include "daemon/message/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace parallax {
namespace {

const std::string kReplaced = "\xef\xbf\xbd";

TEST(Utf8, WhatIsValidStaysAsItIs) {
  for (const std::string text : {"", "www.example.com",
                                 "b\xc3\xbc"
                                 "cher.example",
                                 "\xe2\x82\xac", "\xf0\x9f\x98\x80"})
    EXPECT_EQ(sanitised(text), text);
}

TEST(Utf8, ControlCharactersAreReplaced) {
  EXPECT_EQ(sanitised("a\x1b[31mb"), "a" + kReplaced + "[31mb");
  EXPECT_EQ(sanitised("a\r\nb\x7f"), "a" + kReplaced + kReplaced + "b" + kReplaced);
  EXPECT_EQ(sanitised(std::string("\0", 1)), kReplaced);
  EXPECT_EQ(sanitised("\xc2\x9b"
                      "31m"),
            kReplaced + "31m")
      << "a C1 control";
}

TEST(Utf8, BytesThatAreNoUtf8AreReplaced) {
  EXPECT_EQ(sanitised("\xff\xfe"), kReplaced + kReplaced);
  EXPECT_EQ(sanitised("caf\xe9"), "caf" + kReplaced);
  EXPECT_EQ(sanitised("\xc3"), kReplaced) << "cut";
  EXPECT_EQ(sanitised("\xed\xa0\x80"), kReplaced + kReplaced + kReplaced) << "a surrogate";
  EXPECT_EQ(sanitised("\xc0\xaf"), kReplaced + kReplaced) << "overlong";
}

}  // namespace
}  // namespace parallax
