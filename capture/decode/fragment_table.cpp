#include "capture/decode/fragment_table.h"

#include <nmmintrin.h>

#include <algorithm>
#include <bit>

#include "capture/core/bytes.h"

namespace parallax {

namespace {

// Either way: the times of a file may run backwards. As unsigned, since hostile times may be as far apart as they like.
bool are_within(int64_t then_ns, int64_t now_ns, int64_t within_ns) {
  const uint64_t apart = now_ns > then_ns ? static_cast<uint64_t>(now_ns) - static_cast<uint64_t>(then_ns)
                                          : static_cast<uint64_t>(then_ns) - static_cast<uint64_t>(now_ns);
  return apart <= static_cast<uint64_t>(within_ns);
}
bool expired(int64_t then_ns, int64_t now_ns) { return !are_within(then_ns, now_ns, FragmentTable::kLifetimeNs); }

}  // namespace

FragmentTable::FragmentTable(size_t capacity)
    : entries_(std::bit_ceil(std::max(capacity, kWays))),
      enclosed_(entries_.size()),
      datagrams_(entries_.size()),
      sets_(entries_.size() / kWays) {}

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

FragmentTable::Entry* FragmentTable::find(const Sighting& sighting) {
  Entry* const set = set_of(sighting);
  Entry* const entry = std::find_if(set, set + kWays, [&](const Entry& e) { return same_packet(e, sighting); });
  return entry == set + kWays ? nullptr : entry;
}

// The entry of that packet, or the one whose loss costs least. Null: a fragment that has overtaken its first one takes no place
// of a packet whose first one is known.
FragmentTable::Entry* FragmentTable::place_for(const Sighting& sighting) {
  if (Entry* const entry = find(sighting)) return entry;  // the ID has come round, or the capture shows the packet twice
  const auto worth = [&](const Entry& e) {
    const bool is_used = e.used && !expired(e.time_ns, sighting.time_ns);
    return !is_used ? 0 : e.is_complete ? 1 : !e.has_first ? 2 : 3;
  };
  Entry* const set = set_of(sighting);
  Entry* const place = std::min_element(set, set + kWays, [&](const Entry& a, const Entry& b) {
    return worth(a) != worth(b) ? worth(a) < worth(b) : a.used && a.time_ns < b.time_ns;
  });
  if (worth(*place) == 3) {
    if (sighting.has(SightingFlag::later_fragment)) return nullptr;
    replaced_.add();
  }
  *place = {};
  return place;
}

FragmentTable::Entry& FragmentTable::remember(const Sighting& sighting) {
  Entry& place = *place_for(sighting);
  const bool was_overtaken = place.used && !place.has_first && are_within(place.time_ns, sighting.time_ns, kOvertakenNs);
  if (!was_overtaken) datagram_of(place).pieces = {};
  place = {.source = sighting.source,
           .destination = sighting.destination,
           .time_ns = sighting.time_ns,
           .flow_hash = sighting.flow_hash,
           .base_seq = sighting.seq - sighting.mss,
           .ip_id = sighting.ip_id,
           .source_port = sighting.source_port,
           .destination_port = sighting.destination_port,
           .protocol = sighting.protocol,
           .inner_protocol = sighting.protocol,
           .used = true,
           .numbered = sighting.protocol == ip_protocol::tcp && !(sighting.options & tcp_option::mss),
           .has_first = true};
  return place;
}

// A later fragment whose first one is still to come, if it comes.
void FragmentTable::note_overtaking(const Sighting& sighting) {
  if (sighting.protocol == ip_protocol::tcp) return;
  Entry* const found = place_for(sighting);
  if (found == nullptr) return;
  Entry& place = *found;
  if (!place.used || !are_within(place.time_ns, sighting.time_ns, kOvertakenNs)) datagram_of(place).pieces = {};
  place.source = sighting.source;
  place.destination = sighting.destination;
  place.time_ns = sighting.time_ns;
  place.ip_id = sighting.ip_id;
  place.protocol = sighting.protocol;
  place.used = true;
  datagram_of(place).pieces.add(sighting.fragment_span());
}

// REQUIRES: a fragment of UDP whose first one is known.
bool FragmentTable::take_piece(Entry& entry, Sighting& sighting) {
  if (entry.is_complete) return true;
  Datagram& datagram = datagram_of(entry);
  if (!datagram.pieces.add(sighting.fragment_span())) return false;
  entry.is_complete = datagram.pieces.complete() && datagram.payload_length > 0;
  if (!entry.is_complete) return true;
  sighting.flags |= bit(SightingFlag::completes_datagram);
  sighting.seq = datagram.sum;
  sighting.ack = datagram.payload_length;
  return true;
}

void FragmentTable::remember_carrier(const Sighting& carrier, const Sighting& inner) {
  if (inner.has(SightingFlag::icmp_quote)) return;  // as with one that is no tunnel's: see attribute()
  Entry& entry = remember(carrier);
  entry.carrier = true;
  entry.flow_hash = inner.flow_hash;
  entry.source_port = inner.source_port;
  entry.destination_port = inner.destination_port;
  entry.inner_protocol = inner.protocol;
  enclosed_[static_cast<size_t>(&entry - entries_.data())] = {inner.source, inner.destination, inner.key, inner.flags};
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
    if (sighting.has(SightingFlag::icmp_quote)) return true;
    Entry& entry = remember(sighting);
    if (sighting.protocol != ip_protocol::udp) return true;
    datagram_of(entry).sum = sighting.seq;
    datagram_of(entry).payload_length = sighting.ack;
    return take_piece(entry, sighting);
  }
  Entry* const entry = find(sighting);
  if (entry == nullptr || !entry->has_first) {
    note_overtaking(sighting);
    return false;
  }
  sighting.source_port = entry->source_port;
  sighting.destination_port = entry->destination_port;
  sighting.protocol = entry->inner_protocol;
  sighting.flow_hash = entry->flow_hash;
  if (entry->carrier) {
    take_enclosed(*entry, sighting);
  } else if (sighting.protocol == ip_protocol::tcp) {
    sighting.seq += entry->base_seq;
    if (!entry->numbered) sighting.payload_length = 0;
    sighting.sack = {};  // of IPv6 the span, whose protocol was not known
  } else if (sighting.protocol == ip_protocol::udp) {
    return take_piece(*entry, sighting);
  }
  return true;
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
