// A slice that was cut, wherever, is resumed: what then is in the file is the whole slice, or the file is left as it was.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/nat_daemon_fixture.h"
#include "tests/support/random.h"

namespace parallax {
namespace {

namespace fs = std::filesystem;
using test::ChildProcess;
using test::has;
using test::kStartTimeout;

class SliceResumeTest : public test::NatDaemonTest {
 protected:
  std::string file(const std::string& name) const { return directory_ / (name + ".pcapng"); }
  static std::string bytes_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // What is left of a pull whose receiver goes after so many bytes.
  void cut(const std::vector<std::string>& what, uint64_t bytes) const {
    std::string command = "'" + test::program("parallax") + "' slice --target unix:" + socket_;
    for (const std::string& word : what) command += " '" + word + "'";
    run(command + " 2> /dev/null | head -c " + std::to_string(bytes) + " > '" + file("cut") + "'");
    ASSERT_EQ(fs::file_size(file("cut")), bytes);
  }
  int resume(std::vector<std::string> what, std::string& err) const {
    what.insert(what.begin(), "slice");
    what.insert(what.end(), {"--resume", file("cut")});
    return ask(what, nullptr, &err);
  }
  // The whole slice; then cut at bytes of chance, and resumed, the same.
  void expect_resumes(const std::vector<std::string>& what, size_t times, uint64_t seed) const {
    std::vector<std::string> all{"slice", "-o", file("whole")};
    all.insert(all.end(), what.begin(), what.end());
    std::string err, whole_err;
    ASSERT_EQ(ask(all, nullptr, &whole_err), 0) << whole_err;
    const std::string whole = bytes_of(file("whole"));
    test::Random random(seed);
    for (size_t i = 0; i < times; ++i) {
      const uint64_t at = i == 0   ? 0
                          : i == 1 ? 1
                          : i == 2 ? whole.size() - 1
                          : i == 3 ? whole.size()
                                   : random.below(whole.size());
      cut(what, at);
      ASSERT_EQ(resume(what, err), 0) << "seed " << seed << ", cut at " << at << ": " << err;
      ASSERT_TRUE(bytes_of(file("cut")) == whole) << "seed " << seed << ", cut at " << at;
      EXPECT_EQ(err, whole_err) << "of the whole";
    }
  }
};

TEST_F(SliceResumeTest, ASliceOfTheRingThatWasCutAnywhereIsResumedToTheSameBytes) {
  for (const char* name : {"flood0", "flood1"}) {
    std::vector<test::Timed> packets;
    for (uint32_t i = 0; i < 5000; ++i) packets.push_back({test::kStartSeconds + i / 1000, test::syn()});
    write_pcap(directory_ / (std::string(name) + ".pcap"), packets);
  }
  const std::string ports =
      "ports:\n  - { name: tap0, point: outside, source: \"file:" + (directory_ / "flood0.pcap") +
      "\", direction: toward_inside }\n  - { name: tap2, point: inside, source: \"file:" + (directory_ / "flood1.pcap") +
      "\", direction: toward_inside }\n";
  ChildProcess daemon({test::program("parallaxd"), "--config", write_config("flood", ports, spool())});
  ASSERT_TRUE(daemon.wait_for_error_text("all files have been worked off", kStartTimeout)) << daemon.err();
  usleep(600'000);
  expect_resumes({"--from", "2023-11-14T22:13:00Z", "--to", "2023-11-14T22:14:00Z"}, 24, 20231114);
  expect_resumes({"--from", "2023-11-14T22:13:22Z", "--to", "2023-11-14T22:13:24Z", "--filter", "tcp"}, 8, 7);
}

TEST_F(SliceResumeTest, SlicesOfFindingsAndOfCommunityIdsAreResumedToo) {
  ChildProcess daemon = start();
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  expect_resumes({"--finding", finding_id()}, 8, 1);
  std::string out, err;
  ASSERT_EQ(ask({"connections", "--format", "json"}, &out), 0);
  const size_t key = out.find("\"community_id\":\"") + 16;
  const std::string community = out.substr(key, out.find('"', key) - key);
  expect_resumes({"--community-id", community}, 8, 2);
  ASSERT_EQ(ask({"slice", "--community-id", community, "-o", file("whole")}, nullptr, &err), 0) << err;
  EXPECT_TRUE(has(err, "parallax: 20 packets (outside 10, inside 10), ")) << err;
  expect_opens_without_warning(file("whole"), 20);
  EXPECT_EQ(ask({"slice", "--community-id", "1:AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "-o", file("none")}, nullptr, &err), 1);
  EXPECT_TRUE(has(err, "no connection that is kept has a leg of community ID 1:AAAA")) << err;
  EXPECT_EQ(ask({"slice", "--community-id", "7", "-o", file("none")}, nullptr, &err), 2);
  EXPECT_TRUE(has(err, "community_id: not one of version 1, such as 1:")) << err;
}

TEST_F(SliceResumeTest, WhatIsNotItsBeginningIsRefusedAndLeftAsItIs) {
  ChildProcess daemon = start();
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  const std::vector<std::string> what{"--finding", finding_id()};
  cut(what, 1000);
  std::string bytes = bytes_of(file("cut")), err;
  for (const size_t at : {size_t{0}, size_t{500}, size_t{999}}) {
    std::string other = bytes;
    other[at] = static_cast<char>(other[at] ^ 1);
    std::ofstream(file("cut"), std::ios::binary) << other;
    EXPECT_EQ(resume(what, err), 1);
    EXPECT_TRUE(has(err, "parallax: the slice does not begin with the 1000 bytes that are there")) << err;
    EXPECT_EQ(bytes_of(file("cut")), other);
  }
  std::ofstream(file("cut"), std::ios::binary) << std::string(1 << 20, 'x');  // more than the slice has
  EXPECT_EQ(resume(what, err), 1);
  EXPECT_TRUE(has(err, "does not begin with the 1048576 bytes")) << err;
  EXPECT_EQ(ask({"slice", "--finding", "1", "--resume", file("none")}, nullptr, &err), 2);
  EXPECT_TRUE(has(err, "none.pcapng cannot be read: No such file")) << err;
  EXPECT_EQ(ask({"slice", "--from", "10m", "--resume", file("cut")}, nullptr, &err), 2);
  EXPECT_TRUE(has(err, "give --from and --to as times")) << err;
}

}  // namespace
}  // namespace parallax
