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

// U+202E and its like: "gpj.exe" would be read as "exe.jpg".
TEST(Utf8, CharactersThatTurnTheDirectionOfWritingAreReplaced) {
  for (const std::string turn : {"\xd8\x9c", "\xe2\x80\x8e", "\xe2\x80\x8f", "\xe2\x80\xa8", "\xe2\x80\xaa", "\xe2\x80\xae",
                                 "\xe2\x81\xa6", "\xe2\x81\xa9"})
    EXPECT_EQ(sanitised("www." + turn + "gpj.exe"), "www." + kReplaced + "gpj.exe");
  for (const std::string other :
       {"\xd8\x9d", "\xe2\x80\x8d", "\xe2\x80\x90", "\xe2\x80\xaf", "\xe2\x81\xa5", "\xe2\x81\xaa", "\xd7\x90"})
    EXPECT_EQ(sanitised(other), other);
}

TEST(Utf8, WhatReplacesThemMayBeChosen) { EXPECT_EQ(sanitised("a\x1b\xff", "?"), "a??"); }

TEST(Utf8, BytesThatAreNoUtf8AreReplaced) {
  EXPECT_EQ(sanitised("\xff\xfe"), kReplaced + kReplaced);
  EXPECT_EQ(sanitised("caf\xe9"), "caf" + kReplaced);
  EXPECT_EQ(sanitised("\xc3"), kReplaced) << "cut";
  EXPECT_EQ(sanitised("\xed\xa0\x80"), kReplaced + kReplaced + kReplaced) << "a surrogate";
  EXPECT_EQ(sanitised("\xc0\xaf"), kReplaced + kReplaced) << "overlong";
}

}  // namespace
}  // namespace parallax
