// What `parallax wireshark install` writes, where, and what it leaves alone; the profile and the Lua script in the real tshark.
#include "daemon/client/wireshark/install.h"

#include <gmock/gmock.h>

#include "daemon/client/wireshark/wireshark_assets.h"
#include "tests/support/nat_daemon_fixture.h"

namespace parallax {
namespace {

namespace fs = std::filesystem;
using test::ChildProcess;
using testing::HasSubstr;
using testing::Not;

class WiresharkInstallTest : public test::NatDaemonTest {
 protected:
  const std::string profile_ = home_ / "config/wireshark/profiles/Parallax/";
  const std::string lua_ = home_ / ".local/lib/wireshark/plugins/parallax.lua";

  // The finding's slice, which the daemon no longer needs to be there for.
  void pull_slice() {
    ChildProcess daemon = start();
    ASSERT_TRUE(is_ready(daemon)) << daemon.err();
    ASSERT_EQ(ask({"slice", "--finding", finding_id(), "-o", slice_}), 0);
  }
  CommandResult tshark(const std::string& arguments) const {
    return run_at_home("tshark -n -C Parallax -r " + slice_ + " " + arguments);
  }

  const std::string slice_ = directory_ / "slice.pcapng";
};

TEST_F(WiresharkInstallTest, WritesProfileScriptAndLinksAndSaysSo) {
  const CommandResult install = run_parallax("wireshark install");
  EXPECT_EQ(install.status, 0);
  EXPECT_EQ(install.errors, "");
  for (const char* name : {"preferences", "colorfilters", "dfilter_buttons", "enabled_protos"})
    EXPECT_THAT(install.output, HasSubstr("wrote " + profile_ + name + "\n"));
  EXPECT_THAT(install.output, HasSubstr("wrote " + lua_ + "\n"));
  EXPECT_EQ(test::text_of_file(lua_), kLuaScript);
  for (const std::string folder : {"config/wireshark/extcap", ".local/lib/wireshark/extcap"}) {
    EXPECT_EQ(fs::read_symlink(home_ / (folder + "/parallax")), fs::canonical(test::program("parallax")));
  }
}

TEST_F(WiresharkInstallTest, WhatIsChangedIsLeftUnlessForced) {
  ASSERT_EQ(run_parallax("wireshark install").status, 0);
  const CommandResult again = run_parallax("wireshark install");
  EXPECT_EQ(again.status, 0);
  EXPECT_THAT(again.output, HasSubstr("unchanged: " + profile_ + "preferences\n"));
  EXPECT_THAT(again.output, Not(HasSubstr("wrote")));

  std::ofstream(profile_ + "colorfilters") << "# mine\n";
  const std::string extcap = home_ / ".local/lib/wireshark/extcap/parallax";
  fs::remove(extcap);
  std::ofstream(extcap) << "#!/bin/sh\n";
  const CommandResult refused = run_parallax("wireshark install");
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.errors, HasSubstr(profile_ + "colorfilters has been changed, or is of another version: left as it is"));
  EXPECT_THAT(refused.errors, HasSubstr(extcap + " has been changed"));
  EXPECT_EQ(test::text_of_file(profile_ + "colorfilters"), "# mine\n");
  EXPECT_FALSE(fs::is_symlink(extcap));

  EXPECT_EQ(run_parallax("wireshark install --force").status, 0);
  EXPECT_EQ(test::text_of_file(profile_ + "colorfilters"), kProfileColorFilters);
  EXPECT_TRUE(fs::is_symlink(extcap));
}

TEST_F(WiresharkInstallTest, LinkToAProgramThatHasMovedIsRenewed) {
  const std::string extcap = home_ / "config/wireshark/extcap/parallax";
  fs::create_directories(home_ / "config/wireshark/extcap");
  fs::create_symlink("/nonexistent/parallax", extcap);
  EXPECT_EQ(run_parallax("wireshark install").status, 0);
  EXPECT_EQ(fs::read_symlink(extcap), fs::canonical(test::program("parallax")));
}

TEST_F(WiresharkInstallTest, DirectoryTakesAll) {
  const std::string folder = directory_ / "folder";
  EXPECT_EQ(run_parallax("wireshark install --directory '" + folder + "'").status, 0);
  for (const char* name : {"/profiles/Parallax/preferences", "/plugins/parallax.lua", "/extcap/parallax"})
    EXPECT_TRUE(fs::exists(folder + name)) << name;
  EXPECT_FALSE(fs::exists(home_ / "config/wireshark"));
}

TEST_F(WiresharkInstallTest, PointsHaveButtons) {
  EXPECT_EQ(run_parallax("wireshark install --points wan,dmz,lan").status, 0);
  const std::string buttons = test::text_of_file(profile_ + "dfilter_buttons");
  for (const char* point : {"wan", "dmz", "lan"})
    EXPECT_THAT(buttons, HasSubstr(std::string("\"TRUE\",\"") + point + R"(","parallax.point == \x22)" + point + R"(\x22")"));
  EXPECT_THAT(buttons, Not(HasSubstr("outside")));
  const CommandResult wrong = run_parallax("wireshark install --points 'a\"b'");
  EXPECT_EQ(wrong.status, 2);
  EXPECT_THAT(wrong.errors, HasSubstr("want a name without blanks, quotes and backslashes"));
}

TEST_F(WiresharkInstallTest, UnwritableFolderIsToldWithItsName) {
  std::ofstream(directory_ / "file").close();
  const CommandResult install = run_parallax("wireshark install --directory '" + (directory_ / "file") + "'");
  EXPECT_EQ(install.status, 1);
  EXPECT_THAT(install.errors, HasSubstr((directory_ / "file") + "/plugins cannot be made: Not a directory"));
}

TEST_F(WiresharkInstallTest, ListingShowsBothSidesAndMarksTheLostOne) {
  NEEDS_COMMAND("tshark");
  ASSERT_EQ(run_parallax("wireshark install").status, 0);
  pull_slice();
  const CommandResult listing = tshark("-2 -Y 'frame.number in {7..9}'");
  EXPECT_EQ(listing.status, 0);
  EXPECT_EQ(listing.errors, "");
  EXPECT_THAT(listing.output,
              HasSubstr("7 0.060000000 outside toward inside outside 0  lost 198.51.100.7 → 203.0.113.1  HTTP GET"));
  EXPECT_THAT(listing.output, HasSubstr("8 0.380000000 outside toward inside outside 0 0.000120000  198.51.100.7 → 203.0.113.1"));
  EXPECT_THAT(listing.output, HasSubstr("9 0.380120000 inside toward inside inside 1 0.000120000      10.0.0.1 → 10.0.0.80"));

  const CommandResult rules = tshark("--color -T fields -e frame.number -e frame.coloring_rule.name");
  EXPECT_EQ(rules.errors, "");
  EXPECT_THAT(rules.output, HasSubstr("\n7\tParallax: lost\n8\t\n"));
}

// Each sighting knows those before it, and in two passes all of them.
TEST_F(WiresharkInstallTest, ScriptHasItsFieldsInOnePassAndInTwo) {
  NEEDS_COMMAND("tshark");
  ASSERT_EQ(run_parallax("wireshark install").status, 0);
  pull_slice();
  const std::string fields =
      "-T fields -e frame.number -e parallax.point -e parallax.direction -e parallax.leg -e parallax.sightings "
      "-e parallax.transit -e parallax.fate";
  const CommandResult one = tshark(fields);
  EXPECT_EQ(one.status, 0);
  EXPECT_EQ(one.errors, "");
  EXPECT_THAT(one.output, HasSubstr("\n3\tinside\ttoward outside\tinside 1\t1\t\t\n"
                                    "4\toutside\ttoward outside\toutside 0\t2\t0.000120000\t\n"));
  const CommandResult two = tshark("-2 -Y frame " + fields);
  EXPECT_EQ(two.errors, "");
  EXPECT_THAT(two.output, HasSubstr("\n3\tinside\ttoward outside\tinside 1\t2\t0.000120000\t\n"
                                    "4\toutside\ttoward outside\toutside 0\t2\t0.000120000\t\n"));
  EXPECT_THAT(two.output, HasSubstr("\n7\toutside\ttoward inside\toutside 0\t1\t\tlost\n"));
  EXPECT_EQ(tshark("-2 -Y 'parallax.transit > 0.0001 and parallax.point == \"inside\"' | wc -l").output, "10\n");
  EXPECT_EQ(tshark("-Y 'parallax.transit > 0.0002' | wc -l").output, "0\n");
}

TEST_F(WiresharkInstallTest, FatesAreNamedAndColouredAsTheCommentsSay) {
  NEEDS_COMMAND("tshark");
  NEEDS_COMMAND("editcap");
  ASSERT_EQ(run_parallax("wireshark install").status, 0);
  pull_slice();
  const std::string plain = directory_ / "plain.pcapng";
  ASSERT_EQ(rename(slice_.c_str(), plain.c_str()), 0);
  const CommandResult editcap =
      run("editcap -a '2:parallax: injected by device: seen at inside, never at outside' "
          "-a '3:parallax: altered by device; parallax: reordered by device' -a '4:parallax: duplicated by device' "
          "-a '5:parallax: payload_altered: The device between outside and inside altered 1 payload.' " +
          plain + ' ' + slice_);
  ASSERT_EQ(editcap.status, 0) << editcap.errors;
  EXPECT_EQ(tshark("--color -T fields -e frame.number -e parallax.fate -e frame.coloring_rule.name | head -7").output,
            "1\t\t\n"
            "2\tinjected\tParallax: injected\n"
            "3\taltered, reordered\tParallax: altered\n"
            "4\tduplicated\tParallax: duplicated or reordered\n"
            "5\t\tParallax: decisive for a finding\n"
            "6\t\t\n"
            "7\tlost\tParallax: lost\n");
}

TEST_F(WiresharkInstallTest, ScriptIsQuietWhereAFileIsNoSlice) {
  NEEDS_COMMAND("tshark");
  ASSERT_EQ(run_parallax("wireshark install").status, 0);
  test::write_pcap(slice_, {{test::kStartSeconds, test::syn()}, {test::kStartSeconds + 1, test::syn()}});
  for (const char* passes : {"", "-2 -Y frame "}) {
    const CommandResult listing = tshark(std::string(passes) + "-T fields -e frame.number -e parallax.sightings");
    EXPECT_EQ(listing.output, "1\t\n2\t\n");
    EXPECT_EQ(listing.errors, "");
  }
}

// tshark says of a file that it does not understand, and of a filter in it.
TEST_F(WiresharkInstallTest, EveryRuleAndButtonIsAFilterThatFindsItsPackets) {
  NEEDS_COMMAND("tshark");
  ASSERT_EQ(run_parallax("wireshark install").status, 0);
  pull_slice();
  std::vector<std::string> filters;
  for (const std::string& line : test::split(std::string(kProfileColorFilters), '\n')) {
    if (line.starts_with('@')) filters.push_back(test::split(line, '@')[2]);
  }
  for (const std::string& line : test::split(test::text_of_file(profile_ + "dfilter_buttons"), '\n')) {
    if (!line.starts_with('"')) continue;
    std::string filter = test::split(line, '"')[5];
    for (size_t quote; (quote = filter.find("\\x22")) != std::string::npos;) filter.replace(quote, 4, "\"");
    filters.push_back(filter);
  }
  EXPECT_EQ(filters.size(), 13u);
  std::map<std::string, std::string> found;
  for (const std::string& filter : filters) {
    const CommandResult result = tshark("-T fields -e frame.number -Y '" + filter + "' | tr '\\n' ' '");
    EXPECT_EQ(result.errors, "") << filter;
    found[filter] = result.output;
  }
  EXPECT_EQ(found["frame.comment contains \"parallax: lost in device\""], "7 ");
  EXPECT_EQ(found["frame.comment contains \"parallax: \""], "7 ");
  EXPECT_EQ(found["parallax.point == \"inside\""], "2 3 6 9 10 12 15 17 18 21 ");
}

TEST_F(WiresharkInstallTest, CommunityIdsOfBothLegsAreInConnectionFindingAndProfile) {
  NEEDS_COMMAND("tshark");
  ASSERT_EQ(run_parallax("wireshark install").status, 0);
  ChildProcess daemon = start();
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  ASSERT_EQ(ask({"slice", "--finding", finding_id(), "-o", slice_}), 0);
  const std::string outside = tshark("-T fields -e communityid -Y 'parallax.point == \"outside\"' | sort -u").output;
  const std::string inside = tshark("-T fields -e communityid -Y 'parallax.point == \"inside\"' | sort -u").output;
  ASSERT_TRUE(outside.starts_with("1:") && inside.starts_with("1:")) << outside << inside;
  const std::string first = outside.substr(0, outside.size() - 1), second = inside.substr(0, inside.size() - 1);
  std::string findings, connections;
  ASSERT_EQ(ask({"findings", "--format", "json", "--kind", "segment_loss"}, &findings), 0);
  EXPECT_THAT(findings, HasSubstr("\"community_ids\":[\"" + first + "\",\"" + second + "\"]"));
  ASSERT_EQ(ask({"connections", "--format", "json"}, &connections), 0);
  for (const std::string& id : {first, second}) EXPECT_THAT(connections, HasSubstr("\"community_id\":\"" + id + '"'));
}

}  // namespace
}  // namespace parallax
