// What has been learned of the neighbourhood: servers that answer, TTLs, which addresses are on which side, what has crossed a
// device, and the devices themselves.
//
// The correlator's, one thread. Every table is bounded; what was longest not used goes first, and is counted. Nothing learned is
// proof by itself: it names, narrows and doubts.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "analysis/connection/connection.h"
#include "analysis/connection/passages.h"
#include "analysis/connection/transit_loads.h"
#include "analysis/model/device_index.h"
#include "analysis/model/keyed_hash.h"
#include "analysis/model/lru_table.h"
#include "analysis/model/model.h"
#include "analysis/model/sensor_view.h"
#include "analysis/model/sides.h"
#include "analysis/model/transit_sketch.h"

namespace parallax {

// By how much a device shifts the sequence numbers of what each side of a connection sends.
struct SequenceOffsets {
  PerSide<uint32_t> offset{};
  PerSide<bool> known{};
};

// What the packets of a connection mostly take to cross a device: the median of what each connection's took, which is asked for
// far more often than it changes.
class UsualTransit {
 public:
  void add(int64_t connection_median_ns) { medians_.add(connection_median_ns); }
  uint64_t connections() const { return medians_.count(); }
  int64_t median_ns() const {
    if (computed_for_ != connections()) {
      median_ns_ = medians_.distribution().median_ns;
      computed_for_ = connections();
    }
    return median_ns_;
  }

 private:
  TransitSketch<uint32_t> medians_;
  mutable uint64_t computed_for_ = 0;
  mutable int64_t median_ns_ = 0;
};

class Knowledge {
 public:
  static constexpr size_t kServersMax = 1 << 16;  // of each table, at each point
  static constexpr size_t kAddressMapMax = 4096;  // of each device
  static constexpr size_t kOffsetsMax = 1 << 14;
  static constexpr int64_t kShownNs = 10'000'000'000;  // handshakes are counted by so much time,
  static constexpr size_t kShownKept = 64;             // and so many counts kept

  struct AddressPair {
    Endpoint outside, inside;
    bool operator==(const AddressPair&) const = default;
  };
  struct AddressPairHash {
    size_t operator()(const AddressPair& pair) const { return KeyedHash().add(pair.outside).add(pair.inside).value(); }
  };
  struct IcmpFates {  // errors; the others may have left it or not
    uint64_t entered = 0, forwarded = 0, lost = 0;
  };
  struct Device {
    uint64_t connections = 0, proxied = 0, resets = 0;
    uint64_t renumbered = 0;                    // openings that bore another initial sequence number on either side
    uint64_t openings = 0;                      // of these connections: those whose SYN was seen on both sides
    PerDirection<uint64_t> answered{};          // SYNs that it answered itself, by the way they went
    PerDirection<uint64_t> first_dropped{};  // SYNs, first datagrams and first answers that never left it, by the way they went
    PerDirection<IcmpFates> icmp;
    PerDirection<UsualTransit> usual_transits;
    TransitLoads transit_loads;
    uint32_t changes = 0;   // DeviceChange bits, found on any connection
    bool rewrites = false;  // addresses or ports of some connection
    LruTable<AddressPair, uint64_t, AddressPairHash> address_map{kAddressMapMax};
  };

  // `keeps_all`: offline.
  explicit Knowledge(bool keeps_all) : passages_(keeps_all) {}

  // A SYN-ACK of the server's end, as seen at the leg's point.
  void server_answered(const LegState& leg, uint8_t ttl);
  // A connection whose two legs were paired across the device between them, or at the point of a hairpin.
  void crossed(const LegState& client_side, const LegState& server_side, bool client_outer, bool is_proxied = false);
  // It was not one: the sums are without it again. (What addresses have shown stays; it names and narrows, and proves nothing.)
  void has_not_crossed(const LegState& client_side, const LegState& server_side, bool client_outer, bool is_proxied = false);
  // The SYN or SYN-ACK of a handshake that the point has shown more of was, or was not, seen there on its way.
  void handshake_shown(PointIndex point, Direction direction, int64_t time_ns, bool seen);
  // Whether the point has shown handshakes of about that time without what went that way, and not only once in a while: a mirror
  // of one direction.
  bool misses(PointIndex point, Direction direction, int64_t from_ns, int64_t to_ns) const;
  // More of them, or less where a finding is withdrawn.
  void device_reset(PointIndex a, PointIndex b, int64_t more) { device(a, b).resets += static_cast<uint64_t>(more); }
  void device_answered(PointIndex client_side, PointIndex server_side, int64_t more_syns) {
    device(client_side, server_side)
        .answered[client_side <= server_side ? Direction::toward_inside : Direction::toward_outside] +=
        static_cast<uint64_t>(more_syns);
  }
  void device_dropped_first(PointIndex client_side, PointIndex server_side, FindingDirection of, int64_t more) {
    const bool is_inward = (client_side <= server_side) == (of == FindingDirection::client_to_server);
    device(client_side, server_side).first_dropped[is_inward ? Direction::toward_inside : Direction::toward_outside] +=
        static_cast<uint64_t>(more);
  }
  void device_icmp(PointIndex a, PointIndex b, Direction direction, const IcmpFates& more) {
    IcmpFates& sum = device(a, b).icmp[direction];
    sum.entered += more.entered;
    sum.forwarded += more.forwarded;
    sum.lost += more.lost;
  }
  // What a device does is what it does to any of its connections.
  void device_changed(PointIndex a, PointIndex b, uint32_t changes) { device(a, b).changes |= changes; }

  // What a connection's packets took to cross the device; and what they mostly take, of all connections, where enough of them are
  // known. (Not for a look before the end, offline: the homes of the pairs tell of them in any order.)
  void transits_learned(PointIndex a, PointIndex b, Direction direction, const Distribution& transit) {
    if (transit.count > 0) device(a, b).usual_transits[direction].add(transit.median_ns);
  }
  std::optional<int64_t> usual_transit_ns(PointIndex a, PointIndex b, Direction direction) const {
    constexpr uint64_t kConnectionsLeast = 8;
    const UsualTransit& usual = device(a, b).usual_transits[direction];
    return usual.connections() < kConnectionsLeast ? std::nullopt : std::optional(usual.median_ns());
  }

  void passed(const PassageCount& count) {
    passages_.add(count);
    if (count.crossed > 0) devices_[count.device].transit_loads.add(count);
  }
  // Whether what passed the point at that time may have been missed there, to go by the packets of connections that crossed. Not
  // for a look at a connection: how far the homes of the pairs have told of their packets depends on the number of workers.
  bool is_blind(PointIndex point, Direction direction, int64_t time_ns) const {
    return passages_.is_blind(point, direction, time_ns);
  }
  // The same of what may have gone either way.
  bool misses(PointIndex point, PortDirection ports, int64_t from_ns, int64_t to_ns) const {
    return carries_any(ports, [&](Direction direction) { return misses(point, direction, from_ns, to_ns); });
  }
  bool is_blind(PointIndex point, PortDirection ports, int64_t time_ns) const {
    return carries_any(ports, [&](Direction direction) { return is_blind(point, direction, time_ns); });
  }

  // What a pair of legs has taught of its offsets, for a later generation of the same ends: a connection that was silent for long
  // is met in midstream.
  void offsets_learned(const LegState& client_side, const LegState& server_side, const CrossingStats& stats);
  SequenceOffsets offsets_of(const LegState& client_side, const LegState& server_side) const;

  // Handshakes that this end (address and port) answered, as seen at the point.
  uint64_t answers_of(PointIndex point, const Endpoint& server) const;
  // TTL of the address's last SYN-ACK there; 0: unknown.
  uint8_t server_ttl(PointIndex point, const Address& server) const;
  // Whether connections toward that address, as seen at the point, have been seen to cross the next device.
  bool has_crossed(PointIndex point, const Address& server) const { return points_[point].crossed.find(server) != nullptr; }
  // Whether the openings toward that end that have been seen to cross the next device all bore the same initial sequence number
  // on both sides of it, and there were some.
  bool keeps_numbers(PointIndex point, const Endpoint& server) const {
    const Openings* openings = points_[point].openings.find(server);
    return openings != nullptr && openings->kept > 0 && openings->renumbered == 0;
  }
  // Whether connections toward that end have been seen to come back to the point under another server's name, and never under the
  // same; and whether each bore the same initial sequence number then.
  bool is_turned(PointIndex point, const Endpoint& server) const {
    const Openings* turned = points_[point].turned.find(server);
    return turned != nullptr && turned->kept + turned->renumbered > 0;
  }
  bool keeps_numbers_turned(PointIndex point, const Endpoint& server) const {
    const Openings* turned = points_[point].turned.find(server);
    return turned != nullptr && turned->kept > 0 && turned->renumbered == 0;
  }
  // The same of all openings that have crossed a device.
  bool keeps_all_numbers(PointIndex a, PointIndex b) const { return device(a, b).openings > 0 && device(a, b).renumbered == 0; }
  // Whether a device has been seen to give this address another name, or by this name another: under it no connection crosses.
  bool is_renamed(const Address& address) const { return renamed_.find(address) != nullptr; }
  // On which side of the path an address is, as far as paired connections have shown.
  std::optional<PathSide> side_of(const Address& address) const;

  const Device& device(PointIndex a, PointIndex b) const { return devices_[device_between(a, b)]; }
  // Whether the device rewrites addresses or ports, or is not known to leave them alone: a packet that bears the same names on
  // both sides may be one that it forgot to translate, an opening is none.
  bool may_rename(PointIndex a, PointIndex b) const { return device(a, b).openings == 0 || device(a, b).rewrites; }
  uint64_t evicted() const;

 private:
  template <typename Holds>
  static bool carries_any(PortDirection ports, Holds&& holds) {
    for (const Direction direction : kDirections) {
      if ((ports == PortDirection::both || ports == port_direction(direction)) && holds(direction)) return true;
    }
    return false;
  }
  struct Nothing {};
  struct Shown {
    uint64_t seen = 0, missed = 0;
  };
  struct Openings {
    uint64_t kept = 0, renumbered = 0;
  };
  template <typename Key, typename Value>
  using Learned = LruTable<Key, Value, KeyedHashOf<Key>>;
  struct Point {
    Learned<Endpoint, uint64_t> answers{kServersMax};
    Learned<Address, uint8_t> ttl{kServersMax};
    Learned<Address, Nothing> crossed{kServersMax};
    Learned<Endpoint, Openings> openings{kServersMax};  // that have crossed toward a server
    Learned<Endpoint, Openings> turned{kServersMax};    // that a hairpin sent on under another server's name
    PerDirection<std::map<int64_t, Shown>> shown;       // by time in kShownNs; the newest
  };
  void note_opening(const LegState& client_side, const LegState& server_side, int more);
  Device& device(PointIndex a, PointIndex b) { return devices_[device_between(a, b)]; }

  std::array<Point, kPointsMax> points_;
  Learned<Address, uint8_t> sides_{kServersMax};  // bits by PathSide: an address may have been seen on both
  Learned<Address, Nothing> renamed_{kServersMax};
  std::array<Device, kDevicesMax> devices_;
  Passages passages_;
  struct SameHash {
    size_t operator()(uint64_t key) const { return key; }  // keys are keyed hashes already
  };
  LruTable<uint64_t, SequenceOffsets, SameHash> offsets_{kOffsetsMax};
};

}  // namespace parallax
