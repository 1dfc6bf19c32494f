// Decoding: the bytes of a frame into a sighting.
//
// Pure and stateless; called by rx workers for each packet. Never reads outside the frame, never trusts a length it has
// not checked, every loop is bounded. What only the capture knows (time, frame, port, point) is left to the caller, as is
// the ports of later fragments (capture/decode/fragment_table.h).
#pragma once

#include <cstdint>

#include "capture/core/decode_errors.h"
#include "capture/core/link_type.h"
#include "capture/core/sighting.h"

namespace parallax {

struct FrameView {
  const uint8_t* data;
  uint32_t captured_length;
  uint32_t wire_length;  // >= captured_length
  LinkType link_type;
};

// Where a packet's transport payload stands in its frame: apart from the sighting, which travels without it and stays two lines.
struct CapturedPayload {
  const uint8_t* payload = nullptr;  // into the frame; null where `payload_captured` is 0
  uint32_t payload_captured =
      0;  // at most payload_length. 0: none captured, neither TCP nor UDP, or a fragment's without a header
  // Where the headers that decode() has read end: of TCP and UDP there is the payload, in an ICMP error it is behind the ports
  // that it quotes, of later fragments and other protocols behind the IP header. Also on an error, as far as it came; null:
  // nowhere.
  const uint8_t* headers_end = nullptr;
};

// What a frame was decoded to.
struct DecodedFrame : Sighting, CapturedPayload {};

// What of the outer headers belongs to a leg's identity, as Sighting::key: the outermost VLAN, or the identifiers of the tunnels,
// hashed together with their kinds. Not by default, because both directions of a leg must get the same key:
// - VLAN: the two directions, or the two sides of a transparent device, may well have different ones.
// - VNI (VXLAN, Geneve), VSID (NVGRE): the same both ways within a segment; but where each side routes before it encapsulates
//   (distributed routers, EVPN with asymmetric routing), a packet bears the VNI of the segment that it goes to. With
//   the VNI in the identity each such connection would be two halves that never answer each other. Without it, two
//   tenants with overlapping addresses are taken for one only while they use the same two ports as well.
// - GRE key, PPPoE session: the same both ways, as a rule; few address spaces overlap there.
// Switched on where the path is known to be symmetric and address spaces overlap. Never part of the key: what differs by
// direction by its nature (MPLS labels, TEID of GTP, tunnel and session of L2TP, call of PPTP), and the mere presence of a
// tunnel: penultimate hops pop labels, and load balancers reach their servers through IP in IP or GRE while the answer goes
// straight. Across points a leg with another key may still be the same connection's, since a tunnel may end in the device.
enum class KeyFrom : uint8_t { nothing = 0, vlan = 1, tunnel = 2, vlan_and_tunnel = 3 };
constexpr bool includes(KeyFrom from, KeyFrom what) { return (static_cast<int>(from) & static_cast<int>(what)) != 0; }

// Of a packet in tunnels the innermost IP packet that can be read is what is decoded: addresses, TTL, fragment and all
// that follows. See capture/decode/decode_layers.h for what is read and where the outer packet stands instead.
//
// Fills all of `sighting` but time_ns, order_ns, frame, stamp_uncertainty_ns, port and point, which keep their values;
// includes flow_hash. On an error the contents are unspecified and must not be used.
// ARP, ICMP (errors and others) and protocols without ports are sightings too. A TCP option that is malformed is not an error:
// the rest of the options is ignored and options_malformed set.
DecodeError decode(const FrameView& frame, Sighting& sighting, CapturedPayload& captured, KeyFrom key_from = KeyFrom::nothing);
inline DecodeError decode(const FrameView& frame, DecodedFrame& decoded, KeyFrom key_from = KeyFrom::nothing) {
  return decode(frame, decoded, decoded, key_from);
}
// The same where nobody asks for the payload.
DecodeError decode(const FrameView& frame, Sighting& sighting, KeyFrom key_from = KeyFrom::nothing);

// The outer packet: the first fragment that encloses a packet of which decode() said outer_fragment, as a sighting of its own, by
// which its later fragments are known (capture/decode/fragment_table.h).
DecodeError decode_outer(const FrameView& frame, Sighting& sighting);

// The symmetric, keyed flow hash over addresses, ports, protocol and key of `sighting`, both directions alike. Of ICMP it takes
// the echo identifier as port, of ARP the addresses alone.
uint32_t flow_hash(const Sighting& sighting);

}  // namespace parallax
