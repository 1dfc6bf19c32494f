// POINT=FILE[,FILE...], as `parallax analyze` takes it.
#include "daemon/client/point_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/child_process.h"

namespace parallax {
namespace {

using testing::HasSubstr;

TEST(PointFiles, WhatIsWrongAndWhatWouldBeRight) {
  const auto error = [](const std::string& argument) { return parse_point_files({argument}).error(); };
  EXPECT_EQ(error("a.pcap"), "\"a.pcap\" names no point; say where it was captured: POINT=FILE, such as outside=a.pcap");
  EXPECT_THAT(error("=a.pcap"), HasSubstr("the name is empty"));
  EXPECT_THAT(error("a="), HasSubstr("a file name is empty"));
  EXPECT_THAT(error("a=x,"), HasSubstr("a file name is empty"));
  EXPECT_THAT(error("a=x,x"), HasSubstr("x stands there twice"));
  EXPECT_THAT(parse_point_files({}).error(), HasSubstr("no input"));
  EXPECT_THAT(parse_point_files(std::vector<std::string>(1, "1a=x")).error(), HasSubstr("\"1a\" is no name"));
  std::vector<std::string> nine;
  for (char c = 'a'; c <= 'i'; ++c) nine.push_back(std::string(1, c) + "=f");
  EXPECT_EQ(parse_point_files(nine).error(), "9 points; at most 8");
}

TEST(PointFiles, FilesMayHoldEqualsSigns) {
  const auto points = parse_point_files({"a=x=y.pcap,z#1"});
  ASSERT_TRUE(points.ok());
  EXPECT_EQ(points->at(0).files, (std::vector<std::string>{"x=y.pcap", "z#1"}));
}

TEST(PointFiles, APatternStandsForTheFilesThatMatchInTheOrderOfTheirNames) {
  const test::TemporaryDirectory directory;
  for (const char* name : {"out.pcap10", "out.pcap09", "in.pcap"}) std::ofstream(directory / name) << 'x';
  const auto points = parse_point_files({"a=" + (directory / "out.pcap*") + "," + (directory / "in.pcap")});
  ASSERT_TRUE(points.ok()) << points.error();
  EXPECT_EQ(points->at(0).files, (std::vector{directory / "out.pcap09", directory / "out.pcap10", directory / "in.pcap"}));
  EXPECT_THAT(parse_point_files({"a=" + (directory / "no*")}).error(), HasSubstr("no file matches"));
  EXPECT_THAT(parse_point_files({"a=" + (directory / "in*") + "," + (directory / "in.pcap")}).error(),
              HasSubstr("stands there twice"));
  std::ofstream(directory / "in*.pcap") << 'x';
  EXPECT_EQ(parse_point_files({"a=" + (directory / "in*.pcap")})->at(0).files, std::vector{directory / "in*.pcap"});
}

TEST(PointFiles, StandardInputIsReadOnce) {
  EXPECT_TRUE(parse_point_files({"a=-", "b=x"}).ok());
  EXPECT_THAT(parse_point_files({"a=-", "b=-"}).error(), HasSubstr("another point has it already"));
}

}  // namespace
}  // namespace parallax
