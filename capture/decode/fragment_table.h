// Ports for later fragments: the table from (addresses, protocol, IP ID) to the ports of the first fragment; and of datagrams,
// which of their bytes have been seen.
//
// Owned by one rx worker, no locks. Memory is taken in the constructor. Sets of eight entries: where a set is full its
// oldest entry is replaced, so that a flood of fragments costs attributions and never time. An entry holds for 30 s of packet
// time (the reassembly timeout of Linux; RFC 8200 says 60, RFC 791 15). No bytes are kept: a fragment that overtakes its first
// one is unattributed, but counts toward the completeness of its datagram.
#pragma once

#include <cstdint>
#include <vector>

#include "capture/core/counter.h"
#include "capture/core/sighting.h"
#include "capture/decode/decode.h"
#include "capture/decode/fragment_pieces.h"

namespace parallax {

class FragmentTable {
 public:
  static constexpr size_t kCapacityDefault = 8192;  // 1.2 MiB
  static constexpr int64_t kLifetimeNs = 30'000'000'000;
  static constexpr int64_t kOvertakenNs = 1'000'000'000;  // so long at the most a later fragment comes before its first one

  // Rounded up to a power of two, at least one set.
  explicit FragmentTable(size_t capacity = kCapacityDefault);

  // To be called for every sighting that is a fragment, in the order of the wire. Remembers a first one. A later one gets
  // ports, protocol and flow hash of its first, and of TCP the sequence number of its first byte (where that cannot be told it is
  // left without payload). Of UDP the one with which all of the datagram has been seen says so, once. False: its first one is not
  // known, or too much of its datagram is missing to keep account of, and the caller counts it.
  // REQUIRES: time_ns is set.
  bool attribute(Sighting& sighting);

  // The same for what `frame` was decoded to; also where it is a outer packet, the first fragment of a packet with a tunnel in
  // it. To be called for every sighting that is a fragment or a outer_fragment. Later fragments of a outer packet become ones of
  // the inner packet's leg, without payload, since the inner packet's length has it all.
  bool attribute(const FrameView& frame, Sighting& sighting);

  // First fragments whose entry was replaced before it had expired. Any thread may read.
  const Counter& replaced() const { return replaced_; }

 private:
  static constexpr size_t kWays = 8;
  struct Entry {
    Address source{}, destination{};
    int64_t time_ns = 0;
    uint32_t flow_hash = 0;
    uint32_t base_seq = 0;  // TCP: what the first byte of the TCP header would be numbered
    uint16_t ip_id = 0, source_port = 0, destination_port = 0;
    uint8_t protocol = 0, inner_protocol = 0;              // the same, but for outer packets
    bool used = false, carrier = false, numbered = false;  // numbered: base_seq holds
    bool has_first = false;                                // else it was overtaken, and ports and all are not known
    bool is_complete = false;
  };
  static_assert(sizeof(Entry) <= 64);
  struct Datagram {
    FragmentPieces pieces;
    uint32_t sum = 0, payload_length = 0;  // Sighting::seq and ack of its first fragment
  };
  struct Enclosed {
    Address source{}, destination{};
    uint32_t key = 0;
    uint16_t flags = 0;
  };

  static bool same_packet(const Entry& entry, const Sighting& sighting);
  Entry* set_of(const Sighting& sighting);
  Entry* find(const Sighting& sighting);
  Entry* place_for(const Sighting& sighting);
  Datagram& datagram_of(const Entry& entry) { return datagrams_[static_cast<size_t>(&entry - entries_.data())]; }
  Entry& remember(const Sighting& sighting);
  void note_overtaking(const Sighting& sighting);
  bool take_piece(Entry& entry, Sighting& sighting);
  void remember_carrier(const Sighting& carrier, const Sighting& inner);
  void take_enclosed(const Entry& entry, Sighting& sighting) const;

  std::vector<Entry> entries_;
  std::vector<Enclosed> enclosed_;   // beside the entries that are outer packets
  std::vector<Datagram> datagrams_;  // beside those of UDP
  size_t sets_;
  Counter replaced_;
};

}  // namespace parallax
