// Every label of every TCP packet against Wireshark's, on captures that nobody here made (PARALLAX_CAPTURES; skipped without
// them), and, where tshark is installed, on any file that PARALLAX_COMPARE_WITH_TSHARK names (several with colons).
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/captures.h"

namespace parallax {
namespace {

using test::analyzed;
using test::captures_directory;
using test::split;
using test::text_of_file;

constexpr int kWiresharkLabels = static_cast<int>(PacketLabel::tfo_ignored) + 1;

using Labels = std::set<std::string>;
using ByFrame = std::map<uint32_t, Labels>;

// Frame in the first column, labels with commas in the eighth.
ByFrame oracle_of(const std::string& path) {
  ByFrame labels;
  for (const std::string& line : split(text_of_file(path), '\n')) {
    if (line.empty() || line[0] < '0' || line[0] > '9') continue;
    const auto cells = split(line, '\t');
    Labels& own = labels[static_cast<uint32_t>(std::stoul(cells[0]))];
    if (cells.size() > 7) {
      for (const std::string& label : split(cells[7], ',')) own.insert(label);
    }
  }
  return labels;
}

// What tshark says of a file now. Empty: no tshark.
ByFrame tshark_of(const std::string& file) {
  std::string command = "tshark -n -r '" + file + "' -Y tcp -T fields -e frame.number";
  for (int i = 0; i < kWiresharkLabels; ++i) command += " -e tcp.analysis." + std::string(name_of(static_cast<PacketLabel>(i)));
  ByFrame labels;
  for (const std::string& line : split(run(command).output, '\n')) {
    if (line.empty()) continue;
    const auto cells = split(line, '\t');
    Labels& own = labels[static_cast<uint32_t>(std::stoul(cells[0]))];
    for (size_t i = 1; i < cells.size(); ++i) {
      if (!cells[i].empty()) own.insert(std::string(name_of(static_cast<PacketLabel>(i - 1))));
    }
  }
  return labels;
}

// Only Wireshark's labels; what Parallax says besides is its own.
ByFrame ours_of(const std::string& file) {
  ByFrame labels;
  const auto pipeline = analyzed(file, true);
  if (!pipeline) return labels;
  for (const PacketRecord& packet : pipeline->engine().packets()) {
    Labels& own = labels[packet.frame];
    for (int i = 0; i < kWiresharkLabels; ++i) {
      if (packet.labels & bit(static_cast<PacketLabel>(i))) own.insert(std::string(name_of(static_cast<PacketLabel>(i))));
    }
  }
  return labels;
}

std::string text_of(const Labels& labels) {
  std::string text;
  for (const std::string& label : labels) text += (text.empty() ? "" : ",") + label;
  return text.empty() ? "-" : text;
}

struct Counts {
  size_t both = 0, only_theirs = 0, only_ours = 0;
  double precision() const {
    return both + only_ours == 0 ? 1 : static_cast<double>(both) / static_cast<double>(both + only_ours);
  }
  double recall() const {
    return both + only_theirs == 0 ? 1 : static_cast<double>(both) / static_cast<double>(both + only_theirs);
  }
};

struct Comparison {
  size_t packets = 0, labelled = 0, same = 0, unlabelled = 0, falsely = 0;
  std::map<std::string, Counts> by_label;
  std::vector<std::string> differences;  // "file frame: Wireshark's; ours"

  void add(const std::string& name, const ByFrame& theirs, const ByFrame& ours) {
    for (const auto& [frame, expected] : theirs) {
      ++packets;
      const auto it = ours.find(frame);
      const Labels got = it == ours.end() ? Labels{} : it->second;
      if (!expected.empty() || !got.empty()) ++labelled, same += expected == got;
      if (expected.empty()) ++unlabelled, falsely += !got.empty();
      for (const std::string& label : expected) got.contains(label) ? ++by_label[label].both : ++by_label[label].only_theirs;
      for (const std::string& label : got) by_label[label].only_ours += !expected.contains(label);
      if (expected != got)
        differences.push_back(name + " " + std::to_string(frame) + ": " + text_of(expected) + "; " + text_of(got));
    }
  }

  void print() const {
    std::printf("%zu TCP packets, %zu with a label on either side, %zu alike (%.2f %%), %zu falsely labelled of %zu (%.3f %%)\n",
                packets, labelled, same, labelled ? 100.0 * static_cast<double>(same) / static_cast<double>(labelled) : 100.0,
                falsely, unlabelled, unlabelled ? 100.0 * static_cast<double>(falsely) / static_cast<double>(unlabelled) : 0.0);
    for (const auto& [label, counts] : by_label) {
      std::printf("%-24s both %4zu, only Wireshark %3zu, only Parallax %3zu, precision %.3f, recall %.3f\n", label.c_str(),
                  counts.both, counts.only_theirs, counts.only_ours, counts.precision(), counts.recall());
    }
  }

  void expect_good() const {
    EXPECT_GE(static_cast<double>(same), 0.98 * static_cast<double>(labelled));
    EXPECT_LT(static_cast<double>(falsely), 0.001 * static_cast<double>(unlabelled) + 1e-9);
    for (const auto& [label, counts] : by_label) {
      if (counts.both + counts.only_theirs < 20) continue;
      EXPECT_GE(counts.precision(), 0.97) << label;
      EXPECT_GE(counts.recall(), 0.97) << label;
    }
  }
};

}  // namespace

// Each difference that is left, and why.
TEST(Wireshark, LabelsAreTheSameOnRealCaptures) {
  NEEDS_CAPTURES();
  const std::map<std::string, std::string> known = {
      {"arkime__tcp_handshake_synthetic.pcap 50: duplicate_ack; -",
       "the SYN bears an acknowledgement number without the ACK flag, and the next packet repeats it: of a lone SYN only what is "
       "in the leg is kept"},
      {"tcpdump__kday4.pcap 5: -; retransmission",
       "the file is not in time order: frame 13 has the same bytes and an earlier stamp"},
      {"tcpdump__kday4.pcap 13: retransmission; -", "the same: by its stamp it is the first"},
      {"tcpdump__kday4.pcap 10: duplicate_ack; -", "its IP length says more than the frame holds: data, for us"},
  };
  Comparison comparison;
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(captures_directory() + "/oracle")) {
    constexpr std::string_view kEnd = ".tshark-tcp.tsv.gz";
    const std::string name = entry.path().filename();
    if (!name.ends_with(kEnd)) continue;
    const std::string capture = name.substr(0, name.size() - kEnd.size());
    ++files;
    comparison.add(capture, oracle_of(entry.path()), ours_of(captures_directory() + "/" + capture));
  }
  comparison.print();
  EXPECT_EQ(files, 88u);
  EXPECT_EQ(comparison.packets, 17817u);
  comparison.expect_good();
  for (const std::string& difference : comparison.differences) EXPECT_TRUE(known.contains(difference)) << difference;
  EXPECT_EQ(comparison.differences.size(), known.size());
}

TEST(Wireshark, LabelsAreTheSameOnFilesGiven) {
  const char* files = std::getenv("PARALLAX_COMPARE_WITH_TSHARK");
  if (!files) GTEST_SKIP() << "no files to compare: set PARALLAX_COMPARE_WITH_TSHARK to their paths, with colons between them";
  Comparison comparison;
  for (const std::string& file : split(files, ':')) {
    const ByFrame theirs = tshark_of(file);
    ASSERT_FALSE(theirs.empty()) << "tshark finds no TCP in " << file << ", or is not installed";
    comparison.add(file, theirs, ours_of(file));
  }
  comparison.print();
  for (const std::string& difference : comparison.differences) std::printf("%s\n", difference.c_str());
  comparison.expect_good();
}

}  // namespace parallax
