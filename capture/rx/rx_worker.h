// The rx worker: takes packets from its ports, and puts sightings into the rings of the analysis workers.
//
// One loop for all sources. Owned by the wiring; polled by one thread, which alone touches the sources and writes the
// channels of its ports. It never waits and never drops: of a live port it takes no more than the rings have room for, so that
// the excess waits in the ring of the kernel or the NIC, and is counted there should that be full, too. Of a file what did not
// fit is kept and tried again. What is furthest behind is read first, so that the rings do not fill with one file while the merge
// waits for another, and packets that were stamped on arrival come in their order after a pause. The spool holds nothing back:
// what it cannot take, it drops and counts. Order of publication, for each burst of a port: losses, coverage, payload prefixes,
// sightings, watermark. So whoever sees a sighting or a watermark also sees every loss before it. order_ns of a port's sightings
// never goes back: it is the largest stamp so far. (In a file it moves on by 1 ns after 32 packets of one time.) The watermark is
// of the order time. Memory is taken in the constructor.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "capture/core/packet_sink.h"
#include "capture/core/packet_source.h"
#include "capture/core/pollable.h"
#include "capture/core/port.h"
#include "capture/decode/flow_filter.h"
#include "capture/decode/fragment_table.h"
#include "capture/rx/drop_hook.h"

namespace parallax {

struct RxPort {
  PortIndex index;       // of the channel in the port table
  PortChannel* channel;  // outlives the worker
  std::unique_ptr<PacketSource> source;
};

// Of which packets what takes; null: of all. They outlive the worker, or its next ones.
struct PacketFilters {
  const FlowFilter* analysis = nullptr;
  const FlowFilter* spool = nullptr;
};

struct RxWorkerOptions {
  PacketFilters filters = {};
  PacketSink* spool = nullptr;          // null: no spool; outlives the worker
  KeyFrom key_from = KeyFrom::nothing;  // what of the outer headers is part of a leg's identity
  DropHook drop_hook = {};              // tests only
};

class RxWorker : public Pollable {
 public:
  static constexpr size_t kBurst = 32;

  // REQUIRES: every channel has the same number of rings, at least one.
  RxWorker(std::vector<RxPort> ports, RxWorkerOptions options);
  ~RxWorker() override;

  // A few times poll_burst(), as long as packets come and the rings have room.
  bool poll() override;
  Rest rest() override;
  // One burst from each live port, and one from the file that is furthest behind.
  bool poll_burst();
  // All sources have ended and all their sightings are in the rings.
  bool finished() const override;

  // Called by the thread that polls, between two polls. Where the analysis gets other packets than before, what it lacks within
  // [changed_ns, changed_ns + kFilterSettlesNs] is held against nobody: other workers change theirs a little earlier or later.
  static constexpr int64_t kFilterSettlesNs = 1'000'000'000;
  void set_filters(const PacketFilters& filters, int64_t changed_ns, bool analysis_changes);

  // For reports: by position in the constructor's list. Not while another thread polls.
  size_t port_count() const { return lanes_.size(); }
  const PacketSource& source(size_t position) const;

 private:
  struct Staging;
  struct Lane;

  void listen(Lane& lane);
  bool poll_lane(Lane& lane, size_t most);
  bool poll_live();
  bool poll_files();
  bool rings_have_room() const;
  void take_burst(Lane& lane, size_t count);
  bool filter(Lane& lane, const RawPacket& packet);
  bool decode_packet(Lane& lane, const RawPacket& packet, int64_t order_ns, Sighting& sighting, CapturedPayload& captured);
  void take_unusual(Lane& lane, const RawPacket& packet, const FrameView& frame, Sighting& sighting);
  void stage(Lane& lane, std::span<const uint8_t> payload_prefix);
  void report_losses(Lane& lane);
  void hide(Lane& lane, const RawPacket& packet);
  void report_outages(Lane& lane);
  void spool_silence(Lane& lane);
  void note_stamps(Lane& lane, size_t count);
  static void check_checksum(Lane& lane, Sighting& segment, const CapturedPayload& captured);
  bool push_staged(Lane& lane);
  bool push_payload_prefixes(Lane& lane, size_t worker);
  void publish(Lane& lane);
  bool dropped_on_purpose(DropStage stage, Lane& lane, const RawPacket& packet);

  const RxWorkerOptions options_;
  PacketFilters filters_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::unique_ptr<Staging> live_staging_;  // live ports hold nothing over, so that they share one
  std::array<RawPacket, kBurst> burst_;
  size_t taken_ = 0;  // packets, by this poll
  std::vector<int> descriptors_;
};

}  // namespace parallax
