// Tells the correlator what happens to legs: rare compared with packets.
//
// One owner, one thread. Whatever the correlator was told of a leg, there is room to tell it of the leg's end.
#pragma once

#include <optional>

#include "analysis/event/engine_links.h"
#include "analysis/event/worker_counters.h"
#include "analysis/model/sensor_view.h"
#include "analysis/worker/leg_store.h"
#include "capture/core/outbox.h"

namespace parallax {

enum class LegEnding : uint8_t { over, idle, evicted };

class LegReporter {
 public:
  LegReporter(const EngineOptions& options, EngineLinks& links, SensorView& sensor, WorkerCounters& counters, LegStore& store);

  // What a packet did. False: there was no room, and the correlator has been told of the leg's end instead, or never hears of it.
  bool tell(uint32_t leg, LegEventType type, const Sighting& s, Side from, bool midstream = false, const LegNews& news = {});
  // Of no leg; live, where there is little room, they are left out. False: it was.
  bool tell_arp_request(const Sighting& s);
  bool tell_stray_icmp_error(const Sighting& s);
  // REQUIRES: has_room().
  void tell_progress(uint32_t leg, int64_t now_ns);
  void tell_end(uint32_t leg, const PacketFacts& last, LegEnding ending);

  bool has_room() { return events_.has_room(); }
  bool ring_is_full() const { return ring_.size() == ring_.capacity(); }
  size_t ring_room() const { return ring_.capacity() - ring_.size(); }
  void flush() { events_.flush(); }
  // All is in the ring.
  bool empty() const { return events_.empty(); }
  const LegEvent* first_waiting() const { return events_.first_waiting(); }

 private:
  void tell_what_stands(uint32_t leg, const PacketFacts& last);
  LegEvent event_of(uint32_t leg, LegEventType type, const PacketFacts& packet) const;
  LegEvent summary_event(uint32_t leg, LegEventType type, const PacketFacts& at, bool idle);
  void add_report(LegEvent& event, bool over);

  const int64_t device_timeout_ns_;
  SensorView& sensor_;
  WorkerCounters& counters_;
  LegStore& store_;
  SpscRing<LegEvent>& ring_;
  Outbox<LegEvent> events_;
  size_t legs_told_ = 0;  // live legs that the correlator knows of
};

}  // namespace parallax
