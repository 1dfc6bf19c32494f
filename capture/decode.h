// Decoding: the bytes of a frame into a sighting.
//
// Pure and stateless; called by rx workers for each packet. Never reads outside the frame, never trusts a length it has
// not checked, every loop is bounded. What only the capture knows (time, frame, port, point) is left to the caller, as is
// the ports of later fragments (capture/fragment_table.h).
#pragma once

#include <cstdint>
#include <string_view>

#include "capture/link_type.h"
#include "capture/sighting.h"

namespace parallax {

enum class DecodeError : uint8_t {
#define X(name, text) name,
#include "capture/decode_errors.def"
#undef X
};
inline constexpr int kDecodeErrorCount = 0
#define X(name, text) +1
#include "capture/decode_errors.def"
#undef X
    ;
std::string_view decode_error_name(DecodeError error);
std::string_view decode_error_text(DecodeError error);

struct FrameView {
  const uint8_t* data;
  uint32_t captured_length;
  uint32_t wire_length;  // >= captured_length
  LinkType link_type;
};

// What a frame was decoded to: the sighting, and where the transport's payload stands in the frame. A type of its own, so that the
// sighting that travels stays two lines.
struct DecodedFrame : Sighting {
  const uint8_t* payload;    // into the frame; null where `payload_captured` is 0
  uint32_t payload_captured;  // at most payload_length. 0: none captured, neither TCP nor UDP, or a fragment's without a header
};

// Whether the outer VLAN belongs to a leg's identity. Not by default: the two directions of a leg, or the two sides of a
// transparent device, may well have different ones.
enum class KeyFrom : uint8_t { nothing, vlan };

// Fills all of `decoded` but time_ns, order_ns, frame, stamp_uncertainty_ns, port and point, which keep their values;
// includes flow_hash. On an error the contents are unspecified and must not be used.
// ARP, ICMP (errors and others) and protocols without ports are sightings too. A TCP option that is malformed is not an error:
// the rest of the options is ignored and options_malformed set.
DecodeError decode(const FrameView& frame, DecodedFrame& decoded, KeyFrom key_from = KeyFrom::nothing);
// The same where nobody asks for the payload.
DecodeError decode(const FrameView& frame, Sighting& sighting, KeyFrom key_from = KeyFrom::nothing);

// The symmetric flow hash over addresses, ports, protocol and key of `sighting`: CRC32C, both directions alike. Of ICMP it takes
// the echo identifier as port, of ARP the addresses alone.
uint32_t flow_hash(const Sighting& sighting);

}  // namespace parallax
