#include "tests/fuzz/targets.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>
#include <string>

#include "analysis/protocol/access_log_reader.h"
#include "capture/decode/decode.h"
#include "capture/decode/decode_layers.h"
#include "capture/decode/fragment_table.h"
#include "capture/source/file_source.h"
#include "tests/fuzz/require.h"
#include "tests/support/tunnel_wire.h"

namespace parallax::fuzz {

namespace {

void decode_exactly(const uint8_t* data, uint32_t size, uint32_t wire_length, LinkType link_type) {
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[size]);
  if (size > 0) std::memcpy(exact.get(), data, size);
  DecodedFrame s;
  std::memset(static_cast<void*>(&s), 0xee, sizeof(s));
  s.time_ns = 7;
  const FrameView frame{exact.get(), size, wire_length, link_type};
  const DecodeError error = decode(frame, s, KeyFrom::vlan_and_tunnel);
  REQUIRE(static_cast<int>(error) < kDecodeErrorCount);
  if (error != DecodeError::none) return;
  REQUIRE(s.time_ns == 7);
  // By the IP length: a mirror may have cut the frame, and a fragment says how long the whole was.
  REQUIRE(s.payload_length <= std::max(wire_length, 0xffffu));
  REQUIRE(s.payload_captured <= s.payload_length && (s.payload == nullptr) == (s.payload_captured == 0));
  REQUIRE(s.payload_captured == 0 || (s.payload > exact.get() && s.payload + s.payload_captured <= exact.get() + size));
  REQUIRE(s.flow_hash == flow_hash(s));
  REQUIRE(!s.has(SightingFlag::later_fragment) ||
          (s.has(SightingFlag::fragment) && s.source_port == 0 && s.destination_port == 0));
  REQUIRE(s.has(SightingFlag::has_timestamps) == ((s.options & tcp_option::timestamps) != 0));
  REQUIRE(size >= wire_length || s.has(SightingFlag::cut_short));  // a mirror may have cut it before that
  REQUIRE(s.key <= 4095 || s.has(SightingFlag::tunnelled));
  REQUIRE(!s.has(SightingFlag::outer_fragment) || s.has(SightingFlag::tunnelled));
  Sighting again;
  decode(frame, again, KeyFrom::vlan_and_tunnel);
  REQUIRE(again.seq == s.seq && again.flags == s.flags && again.flow_hash == s.flow_hash && again.sack == s.sack &&
          again.key == s.key);
  static FragmentTable fragments(64);
  fragments.attribute(frame, s);
  if (!s.has(SightingFlag::outer_fragment)) return;
  Sighting carrier;
  REQUIRE(decode_outer(frame, carrier) == DecodeError::none);
  REQUIRE(carrier.has(SightingFlag::fragment) && !carrier.has(SightingFlag::later_fragment) &&
          !carrier.has(SightingFlag::outer_fragment));
}

}  // namespace

void decode_frame(const uint8_t* data, size_t size) {
  if (size < 2) return;
  const auto length = static_cast<uint32_t>(size - 2);
  decode_exactly(data + 2, length, length + data[1] * 13u, kLinkTypes[data[0] % std::size(kLinkTypes)]);
}

void read_tcp_options(const uint8_t* data, size_t size) {
  constexpr uint32_t kOptionBytesMax = 40;  // a header of 60 bytes without its fixed 20
  if (size < 1) return;
  const uint32_t captured = std::min(static_cast<uint32_t>(size - 1), kOptionBytesMax);
  const uint32_t wire = std::min(captured + data[0], kOptionBytesMax);
  uint8_t fewer = 0;
  for (uint32_t length = 0; length <= captured; ++length) {
    const std::unique_ptr<uint8_t[]> exact(new uint8_t[length]);
    if (length > 0) std::memcpy(exact.get(), data + 1, length);
    Sighting s;
    std::memset(static_cast<void*>(&s), 0, sizeof(s));
    layers::read_tcp_options({exact.get(), length, wire}, s);
    REQUIRE((fewer & ~s.options & ~tcp_option::cut) == 0);  // what fewer bytes told stands
    fewer = s.options;
    REQUIRE((s.flags & ~(bit(SightingFlag::has_timestamps) | bit(SightingFlag::options_malformed))) == 0);
    REQUIRE(s.has(SightingFlag::has_timestamps) == ((s.options & tcp_option::timestamps) != 0));
    REQUIRE(s.mss == 0 || (s.options & tcp_option::mss) != 0);
    REQUIRE(s.window_scale == 0 || (s.options & tcp_option::window_scale) != 0);
    REQUIRE(s.sack == decltype(s.sack){} || (s.options & tcp_option::sack) != 0);
  }
}

void decode_tunnelled(const uint8_t* data, size_t size) {
  if (size < 3) return;
  test::Wire frame = test::in_tunnel(data[0] % test::kTunnelKinds, test::Wire(data + 3, data + size));
  if (data[1] & 1 && frame[12] == 0x08) frame = test::as_first_fragment(frame);
  if (data[1] & 2) frame = test::in_tunnel(8, frame);
  if (data[1] & 4) frame = test::in_tunnel(1, frame);
  if (data[1] & 8 && frame[12] == 0x08) frame = test::as_first_fragment(frame);
  const auto length = static_cast<uint32_t>(frame.size());
  const uint32_t cut = data[1] & 16 ? data[2] % length : 0;
  decode_exactly(frame.data(), length - cut, length + (data[1] & 32 ? data[2] : 0u), LinkType::ethernet);
}

void read_capture_file(const uint8_t* data, size_t size) {
  const int fd = ::memfd_create("capture", MFD_CLOEXEC);
  REQUIRE(fd >= 0);
  for (size_t written = 0; written < size;) {
    const ssize_t count = ::write(fd, data + written, size - written);
    REQUIRE(count > 0);
    written += static_cast<size_t>(count);
  }
  auto source = FileSource::open("/proc/self/fd/" + std::to_string(fd) + (size % 4 == 3 ? "#1" : ""));
  ::close(fd);
  if (!source.ok()) {
    REQUIRE(!source.error().empty());
    return;
  }
  RawPacket burst[7];
  std::set<uint32_t> frames;
  int64_t watermark_ns = (*source)->watermark_ns();
  while (!(*source)->finished()) {
    const size_t count = (*source)->poll(burst);
    for (size_t i = 0; i < count; ++i) {
      REQUIRE(frames.insert(burst[i].frame).second);  // each once, in the order of time
      REQUIRE(burst[i].wire_length >= burst[i].captured_length);
      REQUIRE(burst[i].time_ns <= CaptureFile::kTimeNsMax && burst[i].time_ns >= -CaptureFile::kTimeNsMax);
      decode_exactly(burst[i].data, burst[i].captured_length, burst[i].wire_length, burst[i].link_type);
    }
    REQUIRE((*source)->watermark_ns() >= watermark_ns);
    watermark_ns = (*source)->watermark_ns();
  }
  REQUIRE(watermark_ns == kTimeMax);
  (void)(*source)->warning();
}

void read_access_log(const uint8_t* data, size_t size) {
  const std::unique_ptr<char[]> exact(new char[size]);
  if (size > 0) std::memcpy(exact.get(), data, size);
  const std::string_view text(exact.get(), size);
  AccessLogReader reader;
  for (size_t begin = 0; begin < size;) {
    const size_t end = std::min(text.find('\n', begin), size);
    reader.add(text.substr(begin, end - begin));
    begin = end + 1;
  }
  const AccessLog log = reader.finish();
  REQUIRE(log.entries.size() + log.without_request + log.malformed == log.lines);
  REQUIRE((log.first_malformed_line != 0) == (log.malformed != 0));
  for (const AccessLogEntry& entry : log.entries) {
    REQUIRE(entry.line > 0 && entry.from_ns <= entry.to_ns && entry.status >= 100 && entry.status <= 999);
    REQUIRE(!entry.method.empty() && !entry.target.empty() && entry.method.size() + entry.target.size() <= size);
    REQUIRE(entry.clients.size() <= 2 * AccessLogEntry::kClientsMax && (!entry.has_peer || !entry.clients.empty()));
  }
}

}  // namespace parallax::fuzz
