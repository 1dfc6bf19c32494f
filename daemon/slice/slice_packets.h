// The packets of a slice's selection, in order: those of the snapshot that belong to one of the legs asked for.
//
// Both passes over a slice go through one of these, and so number the packets alike. Belongs to one thread.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "capture/core/sighting.h"
#include "capture/decode/fragment_table.h"
#include "capture/spool/spool_reader.h"
#include "daemon/slice/slice.h"

namespace parallax {

struct SlicePacket {
  SpooledPacket spooled;  // frame counts the interface's packets in the selection, from 1
  bool decoded = false;   // else it could not be, or need not be
  Sighting sighting;      // where decoded: all but order_ns; port is the interface's number
};

class SlicePackets {
 public:
  // `points` are those of the snapshot's interfaces; nullopt: not on the path. `decode_all`: also where the legs do not need it.
  // `go_on` is asked now and then, also while nothing is found; it outlives this.
  SlicePackets(const SpoolSnapshot& snapshot, const SliceRequest& request, std::vector<std::optional<PointIndex>> points,
               bool decode_all, const std::function<bool()>& go_on);

  // False: there are no more, or go_on() said no.
  bool next(SlicePacket& packet);
  bool stopped() const { return stopped_; }

  uint64_t chunks_damaged() const { return reader_.chunks_damaged(); }
  uint64_t undecodable() const { return undecodable_; }

 private:
  // Point, protocol, and the two ends, the lower one first.
  using LegKey = std::tuple<PointIndex, uint8_t, Endpoint, Endpoint>;
  static LegKey leg_key(PointIndex point, uint8_t protocol, const Endpoint& one, const Endpoint& other);
  bool decode_packet(SlicePacket& packet);
  uint32_t uncertainty_ns(const SlicePacket& packet) const;

  static constexpr uint64_t kPacketsPerQuestion = 1024;  // a few milliseconds, also where each is matched and analysed

  SpoolReader reader_;
  const std::function<bool()>& go_on_;
  const std::vector<std::optional<PointIndex>> points_;
  const bool decode_all_;
  const uint32_t stamp_uncertainty_ns_;
  // By interface, in order and apart: within, packets may have been stamped late.
  std::vector<std::vector<std::pair<int64_t, int64_t>>> gaps_;
  const KeyFrom key_from_;
  std::set<LegKey> legs_;  // empty: all packets
  FragmentTable fragments_;
  std::vector<uint32_t> numbers_;  // by interface
  uint64_t undecodable_ = 0;
  uint64_t read_ = 0;
  bool stopped_ = false;
};

}  // namespace parallax
