// Takes sightings into their legs: labels, states, times, messages; tells of what happens, and passes on what is to be followed.
//
// One owner, one thread. Nearly all packets take the fast path (fast_path.h).
#pragma once

#include <array>
#include <span>

#include "analysis/event/packet_notes.h"
#include "analysis/event/worker_counters.h"
#include "analysis/model/sensor_view.h"
#include "analysis/recognise/protocol_parser.h"
#include "analysis/tcp/tcp_leg.h"
#include "analysis/worker/carried_packets.h"
#include "analysis/worker/leg_lifecycle.h"
#include "analysis/worker/leg_reporter.h"
#include "analysis/worker/leg_store.h"
#include "analysis/worker/merge.h"
#include "analysis/worker/pair_forwarder.h"

namespace parallax {

class LegTracker {
 public:
  LegTracker(const EngineOptions& options, SensorView& sensor, WorkerCounters& counters, PacketNotes& notes, LegStore& store,
             LegReporter& reporter, PairForwarder& forwarder, LegLifecycle& lifecycle, ProtocolParser& protocol_parser);

  // At most Merge::kBurst, in order of time.
  void take_burst(std::span<Sighting* const> burst);

  // Order time of the last sighting.
  int64_t reached_ns() const { return reached_ns_; }

 private:
  void advance_to(int64_t order_ns, PointIndex point);
  void prefetch_beyond_leg(uint32_t leg) const;
  bool take_fast_path(const Sighting& s, uint32_t leg, KeyMatch source);
  template <Side from>
  bool take_fast_path_from(const Sighting& s, uint32_t leg, LegHot& hot, TcpFlow& flow);
  void take(const Sighting& s, uint64_t hash, uint32_t known);
  void take_arp(const Sighting& s);
  void count_not_followed(const Sighting& s);
  void take_icmp_error(const Sighting& s, const OrientedKey& key, uint32_t leg);
  void take_later_fragment(const Sighting& s, const OrientedKey& key, uint32_t leg);
  void take_leg_packet(const Sighting& s, const OrientedKey& key, uint64_t hash, uint32_t leg);
  uint32_t open_after(uint32_t leg, const Sighting& s, const OrientedKey& key, uint64_t hash);
  void tell(uint32_t leg, LegEventType type, const Sighting& s, Side from, bool midstream = false, const LegNews& news = {});
  // REQUIRES: two points or more.
  [[gnu::always_inline]] void follow(uint32_t leg, const LegHot& hot, const Sighting& s, Side from, DuplicateState same) {
    using Hint = PairForwarder::Hint;
    if (const Hint hint = forwarder_.follow(leg, hot, s, from, same); hint != Hint::none) [[unlikely]]
      tell_hint(leg, PairForwarder::event_type_of(hint), s, from);
    if (forwarder_.has_neighbours() && s.payload_length > 0 && hot.has_no_pair()) [[unlikely]] {
      tell_turn(leg, s, from);
      tell_sum(leg, s, from);
    }
  }
  void follow_fragment(uint32_t leg, const LegHot& hot, const Sighting& s, Side from, DuplicateState same);
  void tell_turn(uint32_t leg, const Sighting& s, Side from);
  void tell_sum(uint32_t leg, const Sighting& s, Side from);
  void tell_hint(uint32_t leg, LegEventType type, const Sighting& s, Side from, const LegNews& news = {});
  TcpFlow& flow_of(uint32_t leg, const Sighting& s);
  TcpFlow& take_flow(uint32_t leg);
  uint32_t label_carried(uint32_t leg);
  void note_leg_packet(const Sighting& s, uint32_t leg, uint32_t labels);
  void note_needless(const TcpTrouble::Again& again, const Sighting& s, Side from);
  void note_times(FlowTimes& times, uint32_t leg, const Sighting& s, Side from, const LegStep& step, uint8_t notes);
  void count_round_trips(const RoundTripSamples& samples, const Sighting& s, Side from);
  void count_handshake(const LegCold& cold, PointIndex point);
  std::span<const uint8_t> payload_prefix_of(const Sighting& s);
  void recognise(uint32_t leg, const Sighting& s, Side from);

  const bool offline_;
  // After a longer silence a packet may not take the fast path: it may open a leg, or find round trips given up.
  const int64_t fast_path_gap_ns_;
  const int64_t touch_timeout_ns_;  // after so long an open leg is over when a packet touches it
  SensorView& sensor_;
  WorkerCounters& counters_;
  PacketNotes& notes_;
  LegStore& store_;
  LegReporter& reporter_;
  PairForwarder& forwarder_;
  LegLifecycle& lifecycle_;
  ProtocolParser& protocol_parser_;
  CarriedPackets carried_;
  TcpFlow scratch_flow_{};
  std::array<uint8_t, kPayloadPrefixBytesMax> payload_prefix_buffer_;
  std::span<const uint8_t> payload_prefix_;  // of the packet that is being taken
  int64_t reached_ns_ = kTimeMin;
};

}  // namespace parallax
