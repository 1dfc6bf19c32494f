#include "daemon/slice/slice_packets.h"

#include "capture/decode/decode.h"

namespace parallax {

SlicePackets::SlicePackets(const SpoolSnapshot& snapshot, const SliceRequest& request,
                           std::vector<std::optional<PointIndex>> points, bool decode_all, const std::function<bool()>& go_on)
    : reader_(snapshot),
      go_on_(go_on),
      points_(std::move(points)),
      decode_all_(decode_all),
      stamp_uncertainty_ns_(request.stamp_uncertainty_ns),
      key_from_(request.key_from),
      numbers_(snapshot.interfaces().size()) {
  for (const SliceLeg& leg : request.legs) legs_.insert(leg_key(leg.point, leg.protocol, leg.client, leg.server));
}

SlicePackets::LegKey SlicePackets::leg_key(PointIndex point, uint8_t protocol, const Endpoint& one, const Endpoint& other) {
  return {point, protocol, std::min(one, other), std::max(one, other)};
}

bool SlicePackets::decode_packet(SlicePacket& packet) {
  const RawPacket& raw = packet.spooled.packet;
  Sighting& sighting = packet.sighting;
  const FrameView frame{raw.data, raw.captured_length, raw.wire_length, raw.link_type};
  if (decode(frame, sighting, key_from_) != DecodeError::none) {
    ++undecodable_;
    return false;
  }
  sighting.time_ns = sighting.order_ns = raw.time_ns;
  sighting.stamp_uncertainty_ns = stamp_uncertainty_ns_;
  sighting.port = packet.spooled.interface;
  sighting.point = *points_[packet.spooled.interface];
  if (sighting.has(SightingFlag::fragment) || sighting.has(SightingFlag::carrier_fragment)) {
    fragments_.attribute(frame, sighting);
  }
  return true;
}

bool SlicePackets::next(SlicePacket& packet) {
  while (!stopped_ && reader_.next(packet.spooled)) {
    if (++read_ % kPacketsPerQuestion == 0 && !go_on_()) {
      stopped_ = true;
      break;
    }
    const std::optional<PointIndex> point = points_[packet.spooled.interface];
    packet.decoded = point && (decode_all_ || !legs_.empty()) && decode_packet(packet);
    if (!legs_.empty()) {
      const Sighting& s = packet.sighting;
      if (!packet.decoded ||
          !legs_.contains(leg_key(*point, s.protocol, {s.source, s.source_port}, {s.destination, s.destination_port}))) {
        continue;
      }
    }
    packet.spooled.packet.frame = ++numbers_[packet.spooled.interface];
    packet.sighting.frame = packet.spooled.packet.frame;
    return true;
  }
  return false;
}

}  // namespace parallax
