#include "daemon/slice/slice_packets.h"

#include <algorithm>

#include "capture/decode/decode.h"

namespace parallax {

namespace {

using Gaps = std::vector<std::pair<int64_t, int64_t>>;

std::vector<Gaps> gaps_of(const SpoolSnapshot& snapshot) {
  std::vector<Gaps> gaps(snapshot.interfaces().size());
  for (const SpoolLoss& loss : snapshot.losses()) {
    if (loss.interface < gaps.size() && loss.count == 0) gaps[loss.interface].emplace_back(loss.from_ns, loss.to_ns);
  }
  for (Gaps& of_interface : gaps) {
    std::sort(of_interface.begin(), of_interface.end());
    Gaps apart;
    for (const auto& gap : of_interface) {
      if (apart.empty() || gap.first > apart.back().second) {
        apart.push_back(gap);
      } else {
        apart.back().second = std::max(apart.back().second, gap.second);
      }
    }
    of_interface = std::move(apart);
  }
  return gaps;
}

// What the spool's filters know these legs by; and fragments that may be of any.
std::vector<uint64_t> keys_of(const std::vector<SliceLeg>& legs) {
  std::vector<uint64_t> keys;
  for (const SliceLeg& leg : legs) {
    Sighting sighting{};
    sighting.protocol = leg.protocol;
    sighting.source = leg.client.address, sighting.source_port = leg.client.port;
    sighting.destination = leg.server.address, sighting.destination_port = leg.server.port;
    keys.push_back(spool_leg_key(sighting));
  }
  if (!keys.empty()) keys.push_back(kAnyLeg);
  return keys;
}

}  // namespace

SlicePackets::SlicePackets(const SpoolSnapshot& snapshot, const SliceRequest& request,
                           std::vector<std::optional<PointIndex>> points, bool decode_all, const std::function<bool()>& go_on)
    : reader_(snapshot, keys_of(request.legs)),
      go_on_(go_on),
      points_(std::move(points)),
      decode_all_(decode_all),
      stamp_uncertainty_ns_(request.stamp_uncertainty_ns),
      gaps_(gaps_of(snapshot)),
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
    if (legs_.empty()) ++undecodable_;  // else it is not in the slice
    return false;
  }
  sighting.time_ns = sighting.order_ns = raw.time_ns;
  sighting.stamp_uncertainty_ns = uncertainty_ns(packet);
  sighting.port = packet.spooled.interface;
  sighting.point = *points_[packet.spooled.interface];
  if (sighting.has(SightingFlag::fragment) || sighting.has(SightingFlag::outer_fragment)) {
    fragments_.attribute(frame, sighting);
  }
  return true;
}

// In a gap a packet may have arrived at any time since its beginning.
uint32_t SlicePackets::uncertainty_ns(const SlicePacket& packet) const {
  const Gaps& gaps = gaps_[packet.spooled.interface];
  const int64_t time_ns = packet.spooled.packet.time_ns;
  const auto after = std::upper_bound(gaps.begin(), gaps.end(), std::pair(time_ns, kTimeMax));
  if (after == gaps.begin() || std::prev(after)->second < time_ns) return stamp_uncertainty_ns_;
  return static_cast<uint32_t>(std::clamp<int64_t>(time_ns - std::prev(after)->first, stamp_uncertainty_ns_, UINT32_MAX));
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
