#include "capture/decode/fragment_table.h"

#include <nmmintrin.h>

#include <algorithm>
#include <bit>

#include "capture/core/bytes.h"

namespace parallax {

namespace {

bool expired(int64_t then_ns, int64_t now_ns) {
  // Either way: the times of a file may run backwards. As unsigned, since hostile times may be as far apart as they like.
  const uint64_t age = now_ns > then_ns ? static_cast<uint64_t>(now_ns) - static_cast<uint64_t>(then_ns)
                                        : static_cast<uint64_t>(then_ns) - static_cast<uint64_t>(now_ns);
  return age > static_cast<uint64_t>(FragmentTable::kLifetimeNs);
}

}  // namespace

FragmentTable::FragmentTable(size_t capacity)
    : entries_(std::bit_ceil(std::max(capacity, kWays))), enclosed_(entries_.size()), sets_(entries_.size() / kWays) {}

// In IPv6 the protocol is no part of a fragment's identity (RFC 8200, 4.5): a later one may name the first header that was split.
bool FragmentTable::same_packet(const Entry& entry, const Sighting& sighting) {
  return entry.used && entry.ip_id == sighting.ip_id && entry.source == sighting.source &&
         entry.destination == sighting.destination && (entry.protocol == sighting.protocol || sighting.has(SightingFlag::ipv6)) &&
         !expired(entry.time_ns, sighting.time_ns);
}

FragmentTable::Entry* FragmentTable::set_of(const Sighting& sighting) {
  uint64_t hash = _mm_crc32_u64(sighting.ip_id, load_native<uint64_t>(sighting.source.data() + 8));
  hash = _mm_crc32_u64(hash, load_native<uint64_t>(sighting.destination.data() + 8));
  return &entries_[(hash & (sets_ - 1)) * kWays];
}

FragmentTable::Entry* FragmentTable::remember(const Sighting& sighting) {
  Entry* const set = set_of(sighting);
  Entry* place = set;
  for (Entry* entry = set; entry != set + kWays; ++entry) {
    if (same_packet(*entry, sighting)) {  // the ID has come round, or the capture shows the packet twice
      place = entry;
      break;
    }
    const bool free = !entry->used, place_free = !place->used;
    if (free != place_free ? free : entry->time_ns < place->time_ns) place = entry;
  }
  if (place->used && !same_packet(*place, sighting) && !expired(place->time_ns, sighting.time_ns)) replaced_.add();
  *place = {sighting.source,
            sighting.destination,
            sighting.time_ns,
            sighting.flow_hash,
            sighting.seq - sighting.mss,
            sighting.ip_id,
            sighting.source_port,
            sighting.destination_port,
            sighting.protocol,
            sighting.protocol,
            true,
            false,
            sighting.protocol == ip_protocol::tcp && !(sighting.options & tcp_option::mss)};
  return place;
}

void FragmentTable::remember_carrier(const Sighting& carrier, const Sighting& inner) {
  if (inner.has(SightingFlag::icmp_quote)) return;  // as with one that is no tunnel's: see attribute()
  Entry* const entry = remember(carrier);
  entry->carrier = true;
  entry->flow_hash = inner.flow_hash;
  entry->source_port = inner.source_port;
  entry->destination_port = inner.destination_port;
  entry->inner_protocol = inner.protocol;
  enclosed_[static_cast<size_t>(entry - entries_.data())] = {inner.source, inner.destination, inner.key, inner.flags};
}

void FragmentTable::take_enclosed(const Entry& entry, Sighting& sighting) const {
  const Enclosed& inner = enclosed_[static_cast<size_t>(&entry - entries_.data())];
  constexpr uint16_t kOfInner = bit(SightingFlag::ipv6) | bit(SightingFlag::tunnelled);
  sighting.source = inner.source;
  sighting.destination = inner.destination;
  sighting.key = inner.key;
  sighting.flags = static_cast<uint16_t>((sighting.flags & ~kOfInner) | (inner.flags & kOfInner));
  sighting.payload_length = 0;
}

bool FragmentTable::attribute(Sighting& sighting) {
  if (!sighting.has(SightingFlag::fragment)) return true;
  if (!sighting.has(SightingFlag::later_fragment)) {
    // An ICMP error carries the addresses of what it quotes; its own later fragments could not be found by them.
    if (!sighting.has(SightingFlag::icmp_quote)) remember(sighting);
    return true;
  }
  Entry* const set = set_of(sighting);
  for (Entry* entry = set; entry != set + kWays; ++entry) {
    if (!same_packet(*entry, sighting)) continue;
    sighting.source_port = entry->source_port;
    sighting.destination_port = entry->destination_port;
    sighting.protocol = entry->inner_protocol;
    if (entry->carrier) {
      take_enclosed(*entry, sighting);
    } else if (sighting.protocol == ip_protocol::tcp) {
      sighting.seq += entry->base_seq;
      if (!entry->numbered) sighting.payload_length = 0;
    }
    sighting.flow_hash = entry->flow_hash;
    return true;
  }
  return false;
}

bool FragmentTable::attribute(const FrameView& frame, Sighting& sighting) {
  const bool attributed = attribute(sighting);
  Sighting carrier;
  carrier.time_ns = sighting.time_ns;
  if (sighting.has(SightingFlag::outer_fragment) && decode_outer(frame, carrier) == DecodeError::none)
    remember_carrier(carrier, sighting);
  return attributed;
}

}  // namespace parallax
