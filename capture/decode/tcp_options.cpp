// TCP options (RFC 9293, 3.1): one that is broken ends the reading, and what was read before it stands.
#include "capture/core/bytes.h"
#include "capture/decode/decode_layers.h"

namespace parallax::layers {

namespace {

enum Kind : uint8_t {
  kEnd = 0,
  kNop = 1,
  kMss = 2,
  kWindowScale = 3,
  kSackPermitted = 4,
  kSack = 5,
  kTimestamps = 8,
  kFastOpen = 34,
  kExperiment = 254,  // fast open before RFC 7413, with the magic number f989
};

// One option of `length` bytes at `p`, all of them there. False: not what its kind should be.
bool read_option(const uint8_t* p, uint32_t length, Sighting& sighting) {
  switch (p[0]) {
    case kMss:
      if (length != 4) return false;
      sighting.mss = load16(p + 2);
      sighting.options |= tcp_option::mss;
      return true;
    case kWindowScale:
      if (length != 3) return false;
      sighting.window_scale = p[2];
      sighting.options |= tcp_option::window_scale;
      return true;
    case kSackPermitted:
      if (length != 2) return false;
      sighting.options |= tcp_option::sack_permitted;
      return true;
    case kSack: {
      constexpr uint32_t kBlock = 8;
      if (length < 2 + kBlock || (length - 2) % kBlock != 0) return false;
      const uint32_t edges = (length - 2) / 4;  // a fourth block, possible without timestamps, is not kept
      for (uint32_t i = 0; i < edges && i < sighting.sack.size(); ++i) sighting.sack[i] = load32(p + 2 + i * 4);
      sighting.options |= tcp_option::sack;
      return true;
    }
    case kTimestamps:
      if (length != 10) return false;
      sighting.tsval = load32(p + 2);
      sighting.tsecr = load32(p + 6);
      sighting.options |= tcp_option::timestamps;
      set(sighting, SightingFlag::has_timestamps);
      return true;
    case kFastOpen:
      sighting.options |= tcp_option::fast_open;
      return true;
    case kExperiment:
      sighting.options |= length >= 4 && load16(p + 2) == 0xf989 ? tcp_option::fast_open : tcp_option::other;
      return true;
    default:
      sighting.options |= tcp_option::other;
      return true;
  }
}

// The capture ends within the options: what follows is not known.
void cut_here(Sighting& sighting) { sighting.options |= tcp_option::cut; }

}  // namespace

void read_tcp_options(Bytes options, Sighting& sighting) {
  while (options.wire > 0) {  // at most 40 bytes, and each round takes one or more
    if (options.captured == 0) return cut_here(sighting);
    const uint8_t* p = options.data;
    if (p[0] == kEnd) return;
    if (p[0] == kNop) {
      options = options.skip(1);
      continue;
    }
    if (options.captured < 2 && options.wire >= 2) return cut_here(sighting);
    if (options.wire < 2 || p[1] < 2 || p[1] > options.wire) return set(sighting, SightingFlag::options_malformed);
    const uint32_t length = p[1];
    if (length > options.captured) return cut_here(sighting);
    if (!read_option(p, length, sighting)) return set(sighting, SightingFlag::options_malformed);
    options = options.skip(length);
  }
}

}  // namespace parallax::layers
