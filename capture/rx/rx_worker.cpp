#include "capture/rx/rx_worker.h"

#include <algorithm>

#include "capture/decode/payload_prefix_picker.h"
#include "capture/decode/tcp_checksum.h"

namespace parallax {

// So that an analysis on the same thread gets bursts of its own size; it processes twice as many a poll.
static constexpr size_t kPacketsPerPoll = 128;
// Half of the smallest ring: a full one then always holds two times.
static constexpr size_t kSameOrderMax = 32;
// The same for the rings of payload prefixes: one that has no room for the longest then always holds two times.
static constexpr size_t kSameOrderChunksMax = PayloadPrefixRing::kChunksMin - 2 * payload_prefix_chunks(kPayloadPrefixBytesMax);
static constexpr int64_t kWorstStampNs = 1'000'000'000;
static constexpr uint16_t kAnyFragment = bit(SightingFlag::fragment) | bit(SightingFlag::outer_fragment);
// A port that is further ahead of one with a backlog waits for it. More than what a burst of each lies apart.
static constexpr int64_t kAheadMaxNs = 5'000'000;
// The longest sleep of an idle thread. Where the kernel stamps packets and wakes the thread, losses and links are still to be
// looked at. Where it only wakes it, the stamp comes with that, but the whole sleep is its uncertainty. And where nothing wakes
// it, the first packet after a pause is to have its stamp within 250 us, of which waking up takes some 50.
static constexpr uint32_t kRestStampedUs = 2'000;
static constexpr uint32_t kRestWokenUs = 800;
static constexpr uint32_t kRestPolledUs = 180;
static constexpr int64_t kSilenceSpooledNs = 100'000'000;  // how often the spool is told that a silence goes on

// Sightings on their way into the rings: a burst of them, and for each analysis worker a row of those that are for it.
//
// Where there is one worker, and a burst's room in one piece of its ring, they are decoded into that. Else they stay where they
// were decoded until they go into a ring: copied at once, they would be read in wider words than they were just written in, and
// wait for the store buffer (6 ns a packet).
struct RxWorker::Staging {
  struct Row {
    std::array<uint8_t, kBurst> at;  // places
    size_t begin = 0, end = 0;
    bool has_payload_prefixes = false;
    size_t payload_prefixes_until = 0;  // the payload prefixes of the sightings before are in their ring

    bool empty() const { return begin == end; }
  };
  std::vector<Sighting> own = std::vector<Sighting>(kBurst);
  Sighting* places = own.data();  // or the ring's free slots
  // Of those with has_payload prefix; into the source's memory, which holds until its next poll, and so as long as the row is not
  // empty.
  std::array<std::span<const uint8_t>, kBurst> payload_prefixes;
  size_t used = 0;  // places, since it was empty
  std::vector<Row> rows;

  explicit Staging(size_t workers) : rows(workers) {}

  bool is_in_ring() const { return places != own.data(); }
  Sighting& next() const { return places[used]; }
  Sighting& at(const Row& row, size_t i) const { return places[row.at[i]]; }
  // REQUIRES: empty().
  void clear(std::span<const std::unique_ptr<SpscRing<Sighting>>> rings) {
    const std::span<Sighting> slots = rings.size() == 1 ? rings.front()->reserve(kBurst) : std::span<Sighting>{};
    places = slots.size() == kBurst ? slots.data() : own.data();
    for (Row& row : rows) {
      row.begin = row.end = row.payload_prefixes_until = 0;
      row.has_payload_prefixes = false;
    }
    used = 0;
  }
  bool empty() const {
    return std::all_of(rows.begin(), rows.end(), [](const Row& row) { return row.empty(); });
  }
  int64_t first_order_ns() const {
    int64_t first = kTimeMax;
    for (const Row& row : rows) {
      if (!row.empty()) first = std::min(first, at(row, row.begin).order_ns);
    }
    return first;
  }
};

struct RxWorker::Lane {
  const PortIndex index;
  const PointIndex point;
  PortChannel& channel;
  const std::unique_ptr<PacketSource> source;
  const bool is_file;
  std::unique_ptr<Staging> own_staging;  // files only
  Staging* staging;
  FragmentTable fragments;
  PayloadPrefixPicker picker;
  uint64_t given_up_seen = 0;       // by the picker; counted
  int64_t newest_ns = kTimeMin;     // largest stamp so far
  int64_t order_ns = kTimeMin;      // of the last sighting
  size_t same_order = 0;            // how many in a row have it
  size_t same_order_chunks = 0;     // of their payload prefixes
  int64_t watermark_ns = kTimeMin;  // as published
  uint32_t worst_stamp_ns = 0;      // uncertainty of stamps, since worst_stamp_until_ns was set
  int64_t worst_stamp_until_ns = kTimeMin;
  int64_t silence_spooled_to_ns = 0;
  bool listening = false;  // covered_from_ns is set
  bool ended = false;
  // Live:
  bool held_back = false;  // the rings had no room
  bool backlog = false;    // more that is stamped may wait in the source

  Lane(RxPort port, Staging& live_staging)
      : index(port.index),
        point(port.channel->info.point),
        channel(*port.channel),
        source(std::move(port.source)),
        is_file(source->is_file()),
        staging(&live_staging),
        picker(is_file) {
    channel.is_file = is_file;
    if (is_file) {
      own_staging = std::make_unique<Staging>(channel.rings.size());
      staging = own_staging.get();
    }
  }

  // Every packet before this is in the rings. It never goes back, also where a file's time does: its packets are then
  // ordered by the largest stamp before them.
  int64_t released_until_ns() const {
    if (!staging->empty()) return std::max(watermark_ns, staging->first_order_ns());
    return std::max({watermark_ns, source->watermark_ns(), is_file ? order_ns : held_back ? handed_out_ns() : kTimeMin});
  }
  // Nothing comes before it in the order, so that what fills the rings can be processed whatever the source still waits for.
  int64_t handed_out_ns() const { return std::min(order_ns, source->losses_known_ns()); }

  // How many sightings each ring of it takes.
  size_t room() const {
    size_t room = kBurst;
    for (const auto& ring : channel.rings) room = ring->room(room);
    for (const auto& prefixes : channel.payload_prefixes) room = prefixes->is_half_free() ? room : 0;
    return room;
  }

  // The order time of the next packet. Never less than the former; and a file whose packets all bear one time (cut to
  // seconds, or zero) still goes on by a nanosecond now and then: the merge releases a time when all are past it, and rings
  // full of a single time would wait for each other for ever.
  int64_t next_order_ns(int64_t time_ns) {
    newest_ns = std::max(newest_ns, time_ns);
    if (newest_ns > order_ns) {
      order_ns = newest_ns;
      same_order = same_order_chunks = 0;
    } else if (is_file && (++same_order == kSameOrderMax || same_order_chunks >= kSameOrderChunksMax)) {
      ++order_ns;
      same_order = same_order_chunks = 0;
    }
    return order_ns;
  }
};

RxWorker::RxWorker(std::vector<RxPort> ports, RxWorkerOptions options)
    : options_(std::move(options)), filters_(options_.filters) {
  const size_t workers = ports.empty() ? 1 : ports.front().channel->rings.size();
  live_staging_ = std::make_unique<Staging>(workers);
  for (RxPort& port : ports) lanes_.push_back(std::make_unique<Lane>(std::move(port), *live_staging_));
}

RxWorker::~RxWorker() = default;

const PacketSource& RxWorker::source(size_t position) const { return *lanes_[position]->source; }

bool RxWorker::finished() const {
  return std::all_of(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane->ended; });
}

bool RxWorker::poll() {
  taken_ = 0;
  bool worked = poll_burst();
  for (size_t before = 0; taken_ > before && taken_ < kPacketsPerPoll && rings_have_room();) {
    before = taken_;
    worked |= poll_burst();
  }
  return worked;
}

bool RxWorker::poll_burst() {
  const bool worked = poll_live();
  return poll_files() || worked;
}

// After a pause, or under overload, ports have backlogs of different lengths. The merge would not wait for the longest; but what
// is stamped already can.
bool RxWorker::poll_live() {
  int64_t furthest_behind_ns = kTimeMax;
  for (auto& lane : lanes_) {
    if (lane->backlog) furthest_behind_ns = std::min(furthest_behind_ns, lane->watermark_ns);
  }
  bool worked = false;
  for (auto& lane : lanes_) {
    if (lane->is_file || lane->ended) continue;
    const bool waits = furthest_behind_ns != kTimeMax && lane->watermark_ns > furthest_behind_ns + kAheadMaxNs &&
                       lane->source->stamped_on_arrival();
    const size_t room = waits ? 0 : lane->room();
    if (room == 0 && !waits && !lane->held_back) lane->channel.counters.held_back.add();
    lane->held_back = room == 0 && !waits;
    worked |= poll_lane(*lane, room);
  }
  return worked;
}

Rest RxWorker::rest() {
  descriptors_.clear();
  Rest rest{kRestStampedUs};
  for (const auto& lane : lanes_) {
    if (lane->ended) continue;
    if (lane->is_file) return {};
    const int descriptor = lane->source->descriptor();
    const bool is_stamped = lane->source->stamped_on_arrival();
    if (descriptor >= 0) descriptors_.push_back(descriptor);
    rest.longest_us = std::min(rest.longest_us, descriptor < 0 ? kRestPolledUs : is_stamped ? kRestStampedUs : kRestWokenUs);
  }
  rest.descriptors = descriptors_;
  return rest;
}

// For another burst of each port: what small rings hold is processed first.
bool RxWorker::rings_have_room() const {
  return std::all_of(lanes_.begin(), lanes_.end(), [](const auto& lane) {
    return std::all_of(lane->channel.rings.begin(), lane->channel.rings.end(),
                       [](const auto& ring) { return ring->room(kBurst) == kBurst; });
  });
}

// Files that are equally far behind are all polled: the merge may wait for any of them. It need not wait for one that has not
// begun, or has no packets: when it begins is known before it is read.
bool RxWorker::poll_files() {
  int64_t furthest_behind_ns = kTimeMax;
  for (auto& lane : lanes_) {
    if (!lane->is_file || lane->ended) continue;
    if (!lane->listening) {
      listen(*lane);
      publish(*lane);
    }
    furthest_behind_ns = std::min(furthest_behind_ns, lane->released_until_ns());
  }
  bool worked = false;
  for (auto& lane : lanes_) {
    if (lane->is_file && !lane->ended && lane->released_until_ns() <= furthest_behind_ns) worked |= poll_lane(*lane, kBurst);
  }
  return worked;
}

// Its time is known: from then on it covers what passes.
void RxWorker::listen(Lane& lane) {
  const int64_t from_ns = lane.source->watermark_ns();
  if (from_ns == kTimeMin || from_ns == kTimeMax) return;
  lane.channel.covered_from_ns.store(from_ns, std::memory_order_release);
  lane.listening = true;
}

// Takes `most` packets at most.
bool RxWorker::poll_lane(Lane& lane, size_t most) {
  if (!lane.listening) listen(lane);
  size_t count = 0;
  if (lane.staging->empty()) {
    lane.staging->clear(lane.channel.rings);
    count = lane.source->poll(std::span(burst_).first(most));
    taken_ += count;
    report_losses(lane);
    if (!lane.is_file) report_outages(lane);
    take_burst(lane, count);
    lane.backlog = !lane.is_file && count == most && lane.source->stamped_on_arrival();
  }
  const bool pushed = push_staged(lane);
  publish(lane);
  return count > 0 || pushed || lane.ended;
}

void RxWorker::report_losses(Lane& lane) {
  while (const std::optional<SourceLoss> loss = lane.source->take_loss()) {
    lane.channel.counters.drops[static_cast<size_t>(loss->reason)].add(loss->count);
    lane.channel.loss.add(std::min(loss->from_ns, loss->to_ns), loss->to_ns, loss->count);
    if (options_.spool != nullptr) options_.spool->append_gap(lane.index, loss->from_ns, loss->to_ns);
  }
  while (const std::optional<TimeSpan> span = lane.source->take_uncertain_time()) {
    lane.channel.hidden.add(span->from_ns, span->to_ns, 0);
  }
}

// The analysis does not see this packet as what it is: until then and since its stamp's uncertainty no absence can be claimed.
void RxWorker::hide(Lane& lane, const RawPacket& packet) {
  lane.channel.hidden.add(packet.time_ns - packet.stamp_uncertainty_ns, packet.time_ns, 1);
}

void RxWorker::report_outages(Lane& lane) {
  while (const std::optional<PortOutage> outage = lane.source->take_outage()) {
    lane.channel.outages.add(*outage);
    if (options_.spool != nullptr) options_.spool->append_gap(lane.index, outage->from_ns, outage->to_ns);
  }
  if (options_.spool != nullptr && lane.channel.silences.total() > 0) spool_silence(lane);
  if (const bool up = lane.source->link_up(); up != lane.channel.link_up.load(std::memory_order_relaxed)) [[unlikely]]
    lane.channel.link_up.store(up, std::memory_order_relaxed);
}

// Found by the thread that watches all ports; the spool hears of it from the one thread that writes there.
void RxWorker::spool_silence(Lane& lane) {
  const PortOutage silence = lane.channel.silences.newest();
  const int64_t to_ns = silence.goes_on() ? lane.source->watermark_ns() : silence.to_ns;
  const int64_t step_ns = silence.goes_on() ? kSilenceSpooledNs : 1;
  if (to_ns < lane.silence_spooled_to_ns + step_ns) return;
  lane.silence_spooled_to_ns = to_ns;
  options_.spool->append_gap(lane.index, silence.from_ns, to_ns);
}

// What the stamps of a port are worth: the worst of the last whole second. A burst's packets are stamped in one way.
void RxWorker::note_stamps(Lane& lane, size_t count) {
  const RawPacket& packet = burst_[count - 1];
  if (lane.channel.first_packet_ns.load(std::memory_order_relaxed) == kTimeMax) [[unlikely]]
    lane.channel.first_packet_ns.store(burst_[0].time_ns, std::memory_order_relaxed);
  lane.channel.last_packet_ns.store(packet.time_ns, std::memory_order_relaxed);
  if (packet.stamp_uncertainty_ns <= PortChannel::kHeldUpNs &&
      packet.stamp_uncertainty_ns > lane.channel.ordinary_uncertainty_ns.load(std::memory_order_relaxed)) [[unlikely]]
    lane.channel.ordinary_uncertainty_ns.store(packet.stamp_uncertainty_ns, std::memory_order_relaxed);
  lane.worst_stamp_ns = std::max(lane.worst_stamp_ns, packet.stamp_uncertainty_ns);
  if (packet.time_ns < lane.worst_stamp_until_ns) return;
  lane.channel.stamp_uncertainty_ns.store(lane.worst_stamp_ns, std::memory_order_relaxed);
  lane.worst_stamp_ns = 0;
  lane.worst_stamp_until_ns = packet.time_ns + kWorstStampNs;
}

bool RxWorker::dropped_on_purpose(DropStage stage, Lane& lane, const RawPacket& packet) {
  if (!options_.drop_hook(stage, lane.index, packet)) return false;
  lane.channel.counters.drops[static_cast<size_t>(DropReason::test)].add();
  lane.channel.loss.add(packet.time_ns - packet.stamp_uncertainty_ns, packet.time_ns, 1);
  return true;
}

// Writes packets to the spool, and says whether the analysis wants them.
bool RxWorker::filter(Lane& lane, const RawPacket& packet) {
  if (options_.spool != nullptr && (filters_.spool == nullptr || filters_.spool->matches(packet))) {
    options_.spool->append(lane.index, packet);
  }
  if (filters_.analysis == nullptr || filters_.analysis->matches(packet)) return true;
  lane.channel.counters.filtered.add();
  if (filters_.analysis->misjudges(packet, options_.key_from)) hide(lane, packet);
  return false;
}

void RxWorker::set_filters(const PacketFilters& filters, int64_t changed_ns, bool analysis_changes) {
  filters_ = filters;
  if (!analysis_changes) return;
  for (const auto& lane : lanes_) lane->channel.outages.add({OutageCause::filter_set, changed_ns, changed_ns + kFilterSettlesNs});
}

void RxWorker::take_burst(Lane& lane, size_t count) {
  const bool hooked = static_cast<bool>(options_.drop_hook);
  const bool filtered = options_.spool != nullptr || filters_.analysis != nullptr;
  const bool is_file = lane.is_file;
  uint64_t packets = 0, bytes = 0;
  for (size_t i = 0; i < count; ++i) {
    if (i + 4 < count) __builtin_prefetch(burst_[i + 4].data);
    const RawPacket& packet = burst_[i];
    const int64_t order_ns = lane.next_order_ns(packet.time_ns);
    if (!lane.listening) [[unlikely]] {
      lane.channel.covered_from_ns.store(packet.time_ns, std::memory_order_release);
      lane.listening = true;
    }
    if (hooked && dropped_on_purpose(DropStage::nic, lane, packet)) continue;
    ++packets;
    bytes += packet.wire_length;
    if (filtered && !filter(lane, packet)) continue;
    Sighting& sighting = lane.staging->next();
    CapturedPayload captured;
    if (decode_packet(lane, packet, order_ns, sighting, captured)) [[likely]] {
      if (is_file && can_check_checksum(sighting, captured)) check_checksum(lane, sighting, captured);
      const uint32_t prefix = lane.picker.pick(sighting, captured);
      if (!hooked || !dropped_on_purpose(DropStage::ring, lane, packet)) stage(lane, {captured.payload, prefix});
    }
  }
  if (count > 0) note_stamps(lane, count);
  if (const uint64_t more = lane.picker.given_up() - lane.given_up_seen; more > 0) [[unlikely]] {
    lane.channel.counters.payload_prefixes_dropped.add(more);
    lane.given_up_seen += more;
  }
  lane.channel.counters.packets.add(packets);
  lane.channel.counters.bytes.add(bytes);
}

// False: it cannot be decoded.
inline bool RxWorker::decode_packet(Lane& lane, const RawPacket& packet, int64_t order_ns, Sighting& sighting,
                                    CapturedPayload& captured) {
  const FrameView frame{packet.data, packet.captured_length, packet.wire_length, packet.link_type};
  PortCounters& counters = lane.channel.counters;
  if (const DecodeError error = decode(frame, sighting, captured, options_.key_from); error != DecodeError::none) [[unlikely]] {
    counters.decode_errors[static_cast<size_t>(error)].add();
    const bool is_no_ip = error == DecodeError::no_ip || error == DecodeError::arp_malformed;
    if (!is_no_ip) hide(lane, packet);
    return false;
  }
  sighting.time_ns = packet.time_ns;
  sighting.order_ns = order_ns;
  sighting.frame = packet.frame;
  sighting.stamp_uncertainty_ns = packet.stamp_uncertainty_ns;
  sighting.port = lane.index;
  sighting.point = lane.point;
  if (sighting.has(SightingFlag::arp)) counters.arp.add();
  constexpr uint16_t kUnusual = kAnyFragment | bit(SightingFlag::icmp_quote);
  if ((sighting.flags & kUnusual) != 0) [[unlikely]]
    take_unusual(lane, packet, frame, sighting);
  return true;
}

void RxWorker::take_unusual(Lane& lane, const RawPacket& packet, const FrameView& frame, Sighting& sighting) {
  const auto note_first = [&](SightingFlag what, std::atomic<int64_t>& first_ns) {
    if (sighting.has(what) && first_ns.load(std::memory_order_relaxed) == kTimeMax)
      first_ns.store(sighting.order_ns, std::memory_order_release);
  };
  note_first(SightingFlag::later_fragment, lane.channel.first_later_fragment_ns);
  note_first(SightingFlag::icmp_quote, lane.channel.first_icmp_error_ns);
  if (!(sighting.flags & kAnyFragment) || lane.fragments.attribute(frame, sighting)) return;
  lane.channel.counters.unattributed_fragments.add();
  hide(lane, packet);
}

// Takes what stands in the next place into its row.
inline void RxWorker::stage(Lane& lane, std::span<const uint8_t> payload_prefix) {
  Staging& staging = *lane.staging;
  Sighting& sighting = staging.next();
  Staging::Row& row = staging.rows[(uint64_t{sighting.flow_hash} * staging.rows.size()) >> 32];
  if (!payload_prefix.empty()) [[unlikely]] {
    sighting.flags |= bit(SightingFlag::has_payload_prefix);
    staging.payload_prefixes[staging.used] = payload_prefix;
    row.has_payload_prefixes = true;
    lane.same_order_chunks += payload_prefix_chunks(static_cast<uint32_t>(payload_prefix.size()));
  }
  row.at[row.end++] = static_cast<uint8_t>(staging.used++);
}

// Files only: it reads every byte. What does not fit says so where the checksum stands, and what was not filled in is none.
void RxWorker::check_checksum(Lane& lane, Sighting& segment, const CapturedPayload& captured) {
  PortCounters& counters = lane.channel.counters;
  const ChecksumState state = tcp_checksum_state(segment, captured);
  if (state == ChecksumState::wrong) {
    segment.mss = kWrongChecksum;
    counters.wrong_checksums.add();
  } else if (state == ChecksumState::offloaded) {
    segment.mss = 0;
    counters.offloaded_checksums.add();
  } else if (state == ChecksumState::right) {
    segment.flags |= bit(SightingFlag::checksum_fits);
    if (segment.mss == kWrongChecksum) segment.mss = 0;  // the other zero, as some NATs write it
  }
}

bool RxWorker::push_staged(Lane& lane) {
  // The rings may hold later packets than the watermark says: coverage goes first.
  if (lane.newest_ns > lane.channel.covered_to_ns.load(std::memory_order_relaxed)) {
    lane.channel.covered_to_ns.store(lane.newest_ns, std::memory_order_release);
  }
  bool pushed = false;
  for (size_t worker = 0; worker < lane.staging->rows.size(); ++worker) {
    Staging::Row& row = lane.staging->rows[worker];
    if (row.empty()) continue;
    if (row.has_payload_prefixes) pushed |= push_payload_prefixes(lane, worker);
    const size_t ready = row.has_payload_prefixes ? row.payload_prefixes_until : row.end;
    SpscRing<Sighting>& ring = *lane.channel.rings[worker];
    if (lane.staging->is_in_ring()) {
      ring.commit(ready - row.begin);
      pushed |= ready > row.begin;
      row.begin = ready;
    }
    while (row.begin < ready) {  // twice where the ring wraps
      const std::span<Sighting> slots = ring.reserve(ready - row.begin);
      if (slots.empty()) break;
      for (Sighting& slot : slots) slot = lane.staging->at(row, row.begin++);
      ring.commit(slots.size());
      pushed = true;
    }
  }
  return pushed;
}

// An payload prefix goes before its sighting. Where there is no room for it, a file waits; a live port goes on without it.
bool RxWorker::push_payload_prefixes(Lane& lane, size_t worker) {
  Staging::Row& row = lane.staging->rows[worker];
  bool pushed = false;
  for (; row.payload_prefixes_until < row.end; ++row.payload_prefixes_until) {
    Sighting& sighting = lane.staging->at(row, row.payload_prefixes_until);
    if (!sighting.has(SightingFlag::has_payload_prefix)) continue;
    if (lane.channel.payload_prefixes[worker]->push(lane.staging->payload_prefixes[row.at[row.payload_prefixes_until]])) {
      lane.channel.counters.payload_prefixes.add();
      pushed = true;
    } else if (lane.is_file) {
      break;
    } else {
      lane.channel.counters.payload_prefixes_dropped.add();
      sighting.flags &= static_cast<uint16_t>(~bit(SightingFlag::has_payload_prefix));
    }
  }
  return pushed;
}

void RxWorker::publish(Lane& lane) {
  lane.ended = lane.staging->empty() && lane.source->finished();
  const int64_t until_ns = lane.ended ? kTimeMax : lane.released_until_ns();
  if (until_ns <= lane.watermark_ns) return;
  if (until_ns != kTimeMax && until_ns > lane.channel.covered_to_ns.load(std::memory_order_relaxed)) {
    lane.channel.covered_to_ns.store(until_ns, std::memory_order_release);
  }
  // What is still to come of a port that is held back may be stamped before that, or have arrived.
  if (lane.held_back && lane.source->watermark_ns() < until_ns - PortChannel::kHeldUpNs)
    lane.channel.hidden.add(lane.source->watermark_ns(), until_ns, 0);
  lane.watermark_ns = until_ns;
  lane.channel.watermark_ns.store(until_ns, std::memory_order_release);
}

}  // namespace parallax
