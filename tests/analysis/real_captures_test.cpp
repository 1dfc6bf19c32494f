// Packets that nobody here made: the reader and the decoder against the manifest and Wireshark's own reading of them.
// The captures are not part of the project (PARALLAX_CAPTURES); without them these tests are skipped.
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "capture/decode/decode.h"
#include "capture/source/file_source.h"
#include "tests/support/captures.h"

namespace parallax {

namespace {

using test::captures_directory;
using test::split;
using test::text_of_file;

// Tabs and line ends of a file, plain or gzip; comments left out.
std::vector<std::vector<std::string>> table(const std::string& path) {
  std::vector<std::vector<std::string>> rows;
  for (const std::string& line : split(text_of_file(path), '\n')) {
    if (!line.empty() && line[0] != '#') rows.push_back(split(line, '\t'));
  }
  return rows;
}

struct Capture {
  std::string file, format;
  uint32_t packets;
};

std::vector<Capture> manifest() {
  auto rows = table(captures_directory() + "/manifest.tsv");
  std::vector<Capture> captures;
  if (rows.empty()) return captures;
  const auto column = [&](const std::string& name) {
    return static_cast<size_t>(std::find(rows[0].begin(), rows[0].end(), name) - rows[0].begin());
  };
  const size_t file = column("file"), format = column("format"), packets = column("packets");
  for (size_t i = 1; i < rows.size(); ++i) {
    captures.push_back({rows[i].at(file), rows[i].at(format), static_cast<uint32_t>(std::stoul(rows[i].at(packets)))});
  }
  return captures;
}

struct Seen {
  RawPacket packet;  // its bytes are gone
  DecodeError error;
  Sighting sighting;
  Sighting carrier;  // where the sighting is that of a outer_fragment
};

struct Reading {
  std::string error, warning;
  std::vector<Seen> packets;
};

Reading read(const std::string& name) {
  Reading reading;
  auto source = FileSource::open(captures_directory() + "/" + name);
  if (!source.ok()) {
    reading.error = source.error();
    return reading;
  }
  RawPacket burst[32];
  while (!(*source)->finished()) {
    const size_t count = (*source)->poll(burst);
    for (size_t i = 0; i < count; ++i) {
      Seen seen{burst[i], DecodeError::none, {}, {}};
      const FrameView frame{burst[i].data, burst[i].captured_length, burst[i].wire_length, burst[i].link_type};
      seen.error = decode(frame, seen.sighting);
      if (seen.sighting.has(SightingFlag::outer_fragment)) decode_outer(frame, seen.carrier);
      reading.packets.push_back(seen);
    }
  }
  reading.warning = (*source)->warning();
  return reading;
}

std::string what_else(const Seen& seen) {
  if (seen.error != DecodeError::none) return std::string(decode_error_name(seen.error));
  if (seen.sighting.has(SightingFlag::icmp_quote)) return "quoted by ICMP";
  if (seen.sighting.has(SightingFlag::later_fragment)) return "later fragment";
  return seen.sighting.protocol == ip_protocol::udp ? "UDP" : "protocol " + std::to_string(seen.sighting.protocol);
}

// Wireshark shows the packet in a fragmented outer packet where the last fragment has completed it; we, where the first has its
// headers. So that the two can be compared, the first is moved there. One that was never completed is left out: Wireshark has
// nothing of it.
std::vector<Seen> with_carriers_where_wireshark_has_them(const std::vector<Seen>& packets, const std::vector<uint32_t>& frames) {
  std::map<std::tuple<Address, Address, uint16_t>, Seen> waiting;
  std::vector<Seen> moved;
  for (const Seen& seen : packets) {
    const Sighting& s = seen.sighting;
    if (seen.error == DecodeError::none && s.has(SightingFlag::outer_fragment)) {
      waiting[{seen.carrier.source, seen.carrier.destination, seen.carrier.ip_id}] = seen;
      continue;
    }
    moved.push_back(seen);
    const auto first = waiting.find({s.source, s.destination, s.ip_id});
    if (!s.has(SightingFlag::later_fragment) || first == waiting.end()) continue;
    if (!std::binary_search(frames.begin(), frames.end(), seen.packet.frame)) continue;
    first->second.packet.frame = seen.packet.frame;
    moved.back() = first->second;
    waiting.erase(first);
  }
  return moved;
}

class RealCaptures : public testing::Test {
 protected:
  void SetUp() override { NEEDS_CAPTURES(); }
};

}  // namespace

TEST_F(RealCaptures, PacketCountsAreThoseOfTheManifest) {
  // Where tshark, which made the manifest, counts otherwise.
  const std::map<std::string, uint32_t> others = {
      {"tcpdump__dsa.pcap", 8},      // a link type that it refuses
      {"ng-le__test017.pcapng", 0},  // custom blocks, which it counts as packets
      {"ng-be__test017.pcapng", 0}, {"ng-le__test102.pcapng", 5}, {"ng-be__test102.pcapng", 5},
  };
  const std::map<std::string, std::string> warnings = {
      {"ndpi__fuzz-2021-10-13.pcap", "cut in the middle of packet 2, which begins at byte 237"},
      {"tcpdump__dsa.pcap", "has 8 packets of link type 284, which Parallax does not read"},
      {"tcpdump__kday4.pcap",
       "is not in time order: 3 packets are stamped up to 2097151.9 s away from those around, the first of them packet 2; taken "
       "by the place in the file"},
      {"ndpi__avast.pcap",
       "is not in time order: the time goes back once by up to 252.1 s, first at packet 103; the order of the file was kept, and "
       "sorting it (reordercap) may show more"},
  };
  for (const Capture& capture : manifest()) {
    const Reading reading = read(capture.file);
    EXPECT_EQ(reading.error, "") << capture.file;
    const auto other = others.find(capture.file);
    EXPECT_EQ(reading.packets.size(), other != others.end() ? other->second : capture.packets)
        << capture.file << ' ' << reading.warning;
    const auto warning = warnings.find(capture.file);
    EXPECT_EQ(reading.warning, warning != warnings.end() ? warning->second : "") << capture.file;
  }
}

TEST_F(RealCaptures, ConformanceFilesHaveTheBlocksThatTheirListsSay) {
  int files = 0;
  for (const Capture& capture : manifest()) {
    std::ifstream list(captures_directory() + "/oracle/" + capture.file + ".blocks.txt");
    if (!list) continue;
    ++files;
    size_t packets = 0, interfaces = 0;
    for (std::string line; std::getline(list, line);) {
      std::istringstream words(line);
      std::string kind;
      size_t count = 0;
      if (!(words >> kind >> count)) continue;
      if (kind == "EPB:" || kind == "SPB:" || kind == "PB:") packets += count;
      if (kind == "IDB:") interfaces += count;
    }
    auto source = FileSource::open(captures_directory() + "/" + capture.file);
    ASSERT_TRUE(source.ok()) << capture.file << ' ' << source.error();
    RawPacket burst[32];
    size_t read_packets = 0;
    while (!(*source)->finished()) read_packets += (*source)->poll(burst);
    EXPECT_EQ(read_packets, packets) << capture.file;
    EXPECT_EQ((*source)->file().interfaces().size(), interfaces) << capture.file;
    EXPECT_EQ((*source)->warning(), "") << capture.file;
  }
  EXPECT_EQ(files, 24);
}

// Compared are sequence, acknowledgement, length and flags. Wireshark's numbers are relative: what it takes away must be one
// number for each direction of a stream, until a SYN sets another.
TEST_F(RealCaptures, TcpIsDecodedAsWiresharkDoes) {
  // What Wireshark reads as TCP and we do not, as many times as it occurs.
  const std::map<std::string, int> known = {
      {"zeek__smtp.pcap: quoted by ICMP", 4},            // Wireshark shows the quoted header as a TCP layer
      {"zeek__fragmented-syn.pcap: later fragment", 1},  // Wireshark reassembles
      {"tcpdump__kday4.pcap: IP length", 1},             // 820 in a frame of 66: Wireshark takes the frame's
  };
  std::map<std::string, int> differences;
  size_t compared = 0;
  for (const Capture& capture : manifest()) {
    const auto rows = table(captures_directory() + "/oracle/" + capture.file + ".tshark-tcp.tsv.gz");
    std::map<uint32_t, std::vector<std::string>> expected;  // by frame; the first row names the columns
    for (size_t i = 1; i < rows.size(); ++i) expected[static_cast<uint32_t>(std::stoul(rows[i][0]))] = rows[i];
    if (expected.empty()) continue;
    std::map<std::pair<std::string, bool>, uint32_t> bases;
    std::vector<uint32_t> frames;
    for (const auto& row : expected) frames.push_back(row.first);
    for (const Seen& seen : with_carriers_where_wireshark_has_them(read(capture.file).packets, frames)) {
      const auto row = expected.find(seen.packet.frame);
      const Sighting& s = seen.sighting;
      if (seen.error != DecodeError::none || !s.is_tcp()) {
        if (row != expected.end()) ++differences[capture.file + ": " + what_else(seen)];
        continue;
      }
      ASSERT_TRUE(row != expected.end()) << capture.file << ' ' << seen.packet.frame << " is no TCP for Wireshark";
      ++compared;
      const std::vector<std::string>& cells = row->second;
      const std::string where = capture.file + " frame " + cells[0];
      const uint32_t flags = s.tcp_flags | (s.has(SightingFlag::accurate_ecn) ? 0x100u : 0u);
      EXPECT_EQ(flags, std::stoul(cells[2], nullptr, 16) & 0x1ff) << where;
      if (seen.packet.captured_length == seen.packet.wire_length && s.has(SightingFlag::cut_short)) {
        ++differences[capture.file + ": IP length"];
      } else {
        EXPECT_EQ(std::to_string(s.payload_length), cells[5]) << where;
      }
      const bool up = std::pair(s.source, s.source_port) < std::pair(s.destination, s.destination_port);
      const uint32_t seq_base = s.seq - static_cast<uint32_t>(std::stoul(cells[3]));
      if (s.tcp_flags & tcp_flag::syn) bases[{cells[1], up}] = seq_base;
      EXPECT_EQ(bases.emplace(std::pair(cells[1], up), seq_base).first->second, seq_base) << where << " seq " << s.seq;
      if (!(s.tcp_flags & tcp_flag::ack)) continue;
      const uint32_t ack_base = s.ack - static_cast<uint32_t>(std::stoul(cells[4]));
      EXPECT_EQ(bases.emplace(std::pair(cells[1], !up), ack_base).first->second, ack_base) << where << " ack " << s.ack;
    }
  }
  EXPECT_EQ(differences, known);
  EXPECT_EQ(compared, 17812u);
}

}  // namespace parallax
