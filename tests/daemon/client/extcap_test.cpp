// `parallax` as an extcap: what it answers Wireshark, and that a capture by the real tshark is the slice.
#include "daemon/client/extcap.h"

#include <gmock/gmock.h>

#include "daemon/client/extcap_dialog.h"
#include "tests/support/certificates.h"
#include "tests/support/nat_daemon_fixture.h"

namespace parallax {
namespace {

using namespace std::chrono_literals;
using test::ChildProcess;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ExtcapTest : public test::NatDaemonTest {
 protected:
  // Of all that makes a packet of a slice: bytes, stamp, interface, id, what is said of it.
  std::string packets_of(const std::string& file) const {
    const CommandResult tshark =
        run("tshark -n -r '" + file +
            "' -T fields -e frame.time_epoch -e frame.interface_name -e frame.interface_description -e frame.packet_id "
            "-e frame.comment -e frame.len -e ip.src -e ip.id -e tcp.seq_raw -e tcp.checksum");
    EXPECT_EQ(tshark.status, 0);
    EXPECT_EQ(tshark.errors, "");
    return tshark.output;
  }
  static long lines_of(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }
  void install() const { ASSERT_EQ(run_parallax("wireshark install").status, 0); }
};

TEST_F(ExtcapTest, EverySensorIsAnInterfaceOfTsharkOnce) {
  NEEDS_COMMAND("tshark");
  install();
  const CommandResult tshark = run_at_home("tshark -D");
  EXPECT_EQ(tshark.status, 0);
  EXPECT_EQ(tshark.errors, "");
  EXPECT_THAT(tshark.output, HasSubstr(". parallax (Parallax sensor)\n"));
  EXPECT_THAT(tshark.output, HasSubstr(". parallax-edge_1 (Parallax sensor edge_1)\n"));
  const size_t first = tshark.output.find(" parallax (");
  EXPECT_EQ(tshark.output.find(" parallax (", first + 1), std::string::npos) << tshark.output;
}

TEST_F(ExtcapTest, CaptureIsTheSliceOfTheFinding) {
  NEEDS_COMMAND("tshark");
  install();
  ChildProcess daemon = start();
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  const std::string id = finding_id(), slice = directory_ / "slice.pcapng", capture = directory_ / "capture.pcapng";
  ASSERT_EQ(ask({"slice", "--finding", id, "-o", slice}), 0);
  const CommandResult tshark =
      run_at_home("tshark -i parallax-edge_1 -o extcap.parallax_edge_1.finding:" + id + " -w " + capture);
  EXPECT_EQ(tshark.status, 0);
  EXPECT_THAT(tshark.errors, Not(HasSubstr("extcap"))) << "nothing to complain of";
  const std::string packets = packets_of(capture);
  EXPECT_EQ(packets, packets_of(slice));
  EXPECT_EQ(lines_of(packets), 21);
  EXPECT_THAT(packets, HasSubstr("parallax: lost in device: seen at outside, never at inside"));
}

TEST_F(ExtcapTest, CaptureTakesATimeAndBothFilters) {
  NEEDS_COMMAND("tshark");
  install();
  ChildProcess daemon = start();
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  const std::string slice = directory_ / "slice.pcapng", capture = directory_ / "capture.pcapng";
  const std::string from = "2023-11-14T22:13:20Z", to = "2023-11-14T22:13:40Z";
  ASSERT_EQ(ask({"slice", "--from", from, "--to", to, "--filter", "host 203.0.113.1 and tcp[13] == 2", "-o", slice}), 0);
  const std::string option = " -o extcap.parallax_edge_1.";
  const CommandResult tshark = run_at_home("tshark -i parallax-edge_1" + option + "from:" + from + option + "to:" + to + option +
                                           "filter:'host 203.0.113.1' -f 'tcp[13] == 2' -w " + capture);
  EXPECT_EQ(tshark.status, 0) << tshark.errors;
  EXPECT_EQ(packets_of(capture), packets_of(slice));
  EXPECT_EQ(lines_of(packets_of(capture)), 3);
}

TEST_F(ExtcapTest, DialogListsFindingsAndReloadsThem) {
  ChildProcess daemon = start();
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  const std::string value = "value {arg=0}{value=" + finding_id() + "}{display=" + finding_id() + "  2023-11-14T22:13:20Z  " +
                            "segment_loss: The device between outside and inside lost 1 data segment";
  const CommandResult dialog = run_parallax("--extcap-config --extcap-interface parallax-edge_1");
  EXPECT_EQ(dialog.status, 0);
  EXPECT_EQ(dialog.errors, "");
  EXPECT_THAT(dialog.output, StartsWith("arg {number=0}{call=--finding}{display=Finding}{type=selector}{reload=true}"));
  EXPECT_THAT(dialog.output, HasSubstr("{call=--target}{display=Address}{type=string}{default=unix:" + socket_ + "}"));
  EXPECT_THAT(dialog.output, HasSubstr(value));
  for (const std::string name : {"finding", "--finding"}) {
    const CommandResult reload = run_parallax("--extcap-config --extcap-interface parallax-edge_1 --extcap-reload-option " +
                                              name + " --from 10m --target 'unix:" + socket_ + "'");
    EXPECT_EQ(reload.status, 0);
    EXPECT_THAT(reload.output, StartsWith("value {arg=0}{value=0}{display=None: by connection or time}{default=true}\n"));
    EXPECT_THAT(reload.output, HasSubstr(value));
    EXPECT_THAT(reload.output, Not(HasSubstr("arg {")));
  }
}

TEST_F(ExtcapTest, SensorsThatDoNotAnswerHoldNothingUp) {
  std::ofstream(home_ / "config/parallax/sensors") << "gone unix:/nonexistent/grpc.sock\n"
                                                   << "far 192.0.2.1:9465 ca.pem client.pem client.key\n";
  const auto before = std::chrono::steady_clock::now();
  for (const std::string name : {"gone", "far"}) {
    const CommandResult dialog = run_parallax("--extcap-config --extcap-interface parallax-" + name);
    EXPECT_EQ(dialog.status, 0) << dialog.errors;
    EXPECT_EQ(dialog.errors, "");
    EXPECT_THAT(dialog.output, HasSubstr("{value=0}"));
  }
  EXPECT_EQ(run_parallax("--extcap-interfaces --extcap-version=4.0").output,
            "extcap {version=" PARALLAX_VERSION
            "}{display=Parallax}\n"
            "interface {value=parallax}{display=Parallax sensor}\n"
            "interface {value=parallax-gone}{display=Parallax sensor gone}\n"
            "interface {value=parallax-far}{display=Parallax sensor far}\n");
  EXPECT_LT(std::chrono::steady_clock::now() - before, 10s);  // a sanitizer build takes its time
}

TEST_F(ExtcapTest, BadLineOfTheListIsToldWithTheInterfacesAlone) {
  std::ofstream(home_ / "config/parallax/sensors", std::ios::app) << "nowhere\n";
  const CommandResult list = run_parallax("--extcap-interfaces");
  EXPECT_EQ(list.status, 0);
  EXPECT_EQ(list.errors,
            "parallax: " + (home_ / "config/parallax/sensors") + ":2: want NAME ADDRESS, or NAME ADDRESS CA CERTIFICATE KEY\n");
  EXPECT_THAT(list.output, HasSubstr("interface {value=parallax-edge_1}"));
  EXPECT_EQ(run_parallax("--extcap-config --extcap-interface parallax-edge_1").errors, "");
}

TEST_F(ExtcapTest, SensorOnTcpIsAskedWithTheCertificatesOfTheListOrOfTheDialogue) {
  if (!test::make_certificates(directory_)) GTEST_SKIP() << "needs openssl to make certificates: apt-get install openssl";
  const std::string address = "127.0.0.1:" + std::to_string(test::free_port());
  const std::string ca = directory_ / "ca.crt", certificate = directory_ / "anna.crt", key = directory_ / "anna.key";
  std::ofstream(home_ / "config/parallax/sensors")
      << "far " << address << ' ' << ca << ' ' << certificate << ' ' << key << "\nplain " << address << '\n';
  ChildProcess daemon = start("api: { address: \"" + address + "\", tls_certificate: \"" + (directory_ / "localhost.crt") +
                              "\", tls_key: \"" + (directory_ / "localhost.key") + "\", tls_client_ca: \"" + ca + "\" }");
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  const CommandResult dialog = run_parallax("--extcap-config --extcap-interface parallax-far");
  EXPECT_THAT(dialog.output,
              HasSubstr("{call=--tls-ca}{display=Authority}{type=fileselect}{mustexist=true}{default=" + ca + "}"));
  EXPECT_THAT(dialog.output, Not(HasSubstr("segment_loss"))) << "not when Wireshark starts";
  const std::string reload = "--extcap-config --extcap-reload-option finding --extcap-interface parallax-";
  EXPECT_THAT(run_parallax(reload + "far").output, HasSubstr("segment_loss"));
  EXPECT_THAT(run_parallax(reload + "plain").errors, HasSubstr("wants --tls-ca, --tls-cert and --tls-key"));
  const CommandResult typed =
      run_parallax(reload + "plain --tls-ca '" + ca + "' --tls-cert '" + certificate + "' --tls-key '" + key + "'");
  EXPECT_THAT(typed.output, HasSubstr("segment_loss")) << typed.errors;
}

TEST_F(ExtcapTest, WhatFailsIsOneSentence) {
  const std::string fifo = directory_ / "fifo", capture = "--capture --fifo '" + fifo + "' --extcap-interface ";
  const auto expect = [&](const std::string& arguments, const std::string& sentence) {
    const CommandResult result = run_parallax(arguments);
    EXPECT_EQ(result.status, 1) << arguments;
    EXPECT_EQ(result.output, "");
    EXPECT_EQ(lines_of(result.errors), 1) << result.errors;
    EXPECT_THAT(result.errors, StartsWith("parallax: " + sentence));
  };
  expect(capture + "parallax-edge_1", "cannot write " + fifo + ": No such file or directory");
  std::ofstream(fifo).close();
  expect(capture + "parallax-edge_1", "no parallaxd answers at unix:" + socket_);
  expect("--extcap-config --extcap-reload-option finding --extcap-interface parallax-edge_1", "no parallaxd answers at unix:");
  expect(capture + "parallax-none",
         "there is no interface \"parallax-none\": sensors are named in " + (home_ / "config/parallax"));
  expect(capture + "parallax --finding seven", "--finding: \"seven\" is no id");
  expect(capture + "parallax --from yesterday", "--from yesterday: want a time such as");
  expect(capture + "parallax --target 192.0.2.1:9465", "--target 192.0.2.1:9465: a daemon on TCP wants --tls-ca");
  expect("--extcap-interface parallax", "want one of --extcap-interfaces");

  ChildProcess daemon = start();
  ASSERT_TRUE(is_ready(daemon)) << daemon.err();
  expect(capture + "parallax-edge_1 --finding 999", "there is no finding 999");
  expect(capture + "parallax-edge_1 --from 1971-01-01T00:00:00Z --to 1971-01-01T00:00:01Z", "the spool holds packets from");
  NEEDS_COMMAND("tshark");
  install();
  const CommandResult tshark = run_at_home("tshark -i parallax-edge_1 -o extcap.parallax_edge_1.finding:999");
  EXPECT_THAT(tshark.errors, HasSubstr("parallax: there is no finding 999"));
}

TEST_F(ExtcapTest, FilterIsCheckedWhereverWiresharkAsks) {
  const std::string call = "--extcap-interface parallax --extcap-capture-filter ";
  EXPECT_EQ(run_parallax(call + "'tcp port 443'").output, "");
  EXPECT_EQ(run_parallax(call + "'tcp prot 443'").status, 0);
  EXPECT_THAT(run_parallax(call + "'tcp prot 443'").output, HasSubstr("prot"));
  EXPECT_THAT(run_parallax(call + "'host www.example'").output, HasSubstr("host names are not looked up: give an address"));
}

TEST(Extcap, IsCalledByItsOptionsAlone) {
  EXPECT_TRUE(is_extcap_call({"--extcap-interfaces", "--extcap-version=4.0"}));
  EXPECT_TRUE(is_extcap_call({"--capture", "--extcap-interface", "parallax", "--fifo", "/tmp/x"}));
  EXPECT_FALSE(is_extcap_call({"slice", "--finding", "7"}));
  EXPECT_FALSE(is_extcap_call({}));
}

TEST(Extcap, ListHasTheNewestFindingsFirstAndNoBraces) {
  std::vector<v1::Finding> findings(kDialogFindingsMax + 1);
  for (size_t i = 0; i < findings.size(); ++i) {
    findings[i].set_id(i + 1);
    findings[i].set_kind(v1::FINDING_KIND_SEGMENT_LOSS);
    findings[i].mutable_last_seen()->set_seconds(static_cast<int64_t>(i));
    findings[i].set_summary("a {b}\n");
  }
  const std::string text = finding_values(findings);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), static_cast<long>(kDialogFindingsMax + 1)) << "with None";
  EXPECT_THAT(text, Not(HasSubstr("{value=1}")));
  EXPECT_LT(text.find("{value=201}{display=201  1970-01-01T00:03:20Z  segment_loss: a (b)?}"), text.find("{value=200}"));
}

TEST(Extcap, FindingsOfEarlierRunsAreMarkedAndNotPushedOutByNewerOnes) {
  std::vector<v1::Finding> findings(kDialogFindingsMax + 50);
  for (size_t i = 0; i < findings.size(); ++i) {
    findings[i].set_id(i + 1);
    findings[i].mutable_last_seen()->set_seconds(static_cast<int64_t>(i));
    if (i < 2) findings[i].mutable_earlier_run();
  }
  const std::string text = finding_values(findings);
  EXPECT_THAT(text, HasSubstr("{value=1}{display=1  1970-01-01T00:00:00Z  [earlier run]  "));
  EXPECT_THAT(text, HasSubstr("{value=2}"));
  EXPECT_THAT(text, Not(HasSubstr("{value=3}")));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), static_cast<long>(1 + kDialogFindingsMax + 2));
}

}  // namespace
}  // namespace parallax
