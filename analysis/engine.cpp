#include "analysis/engine.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <unordered_map>

#include "analysis/correlate/correlator.h"
#include "analysis/event/engine_links.h"
#include "analysis/model/interruptible.h"
#include "analysis/model/sensor_view.h"
#include "analysis/model/stage_mutex.h"
#include "analysis/report/connection_record.h"
#include "analysis/worker/analysis_worker.h"

namespace parallax {
namespace {

constexpr size_t kEventSlots = 4096;
constexpr size_t kForwardSlots = 16384;
constexpr size_t kRecordsAtOnce = 32;  // told between two turns of the correlator: 0.1 ms

std::string bound_text(std::string_view what, uint64_t count, std::string_view consequence) {
  return std::string(what) + ": " + std::to_string(count) + " " + std::string(consequence);
}

// The histogram for Prometheus is made from the sketch, so that the packet path counts once: a bound is off by 5 % at most.
void add_transit(const TransitSketch<Counter>& sketch, HistogramSnapshot& histogram) {
  TransitSum sum;
  sketch.add_to(sum);
  for (size_t i = 0; i < sum.buckets.size(); ++i) {
    const int64_t ns = transit::middle_of(static_cast<int>(i));
    const auto bound = std::lower_bound(kHistogramBoundsNs.begin(), kHistogramBoundsNs.end(), ns) - kHistogramBoundsNs.begin();
    histogram.counts[static_cast<size_t>(bound)] += sum.buckets[i];
    histogram.fine[i] += sum.buckets[i];
    histogram.sum_ns += ns * static_cast<int64_t>(sum.buckets[i]);
  }
}

// A sum without what was counted for pairings that were taken back. That is read first, and so is never the larger one.
uint64_t valid(const Counter& sum, const Counter& taken_back) {
  const uint64_t gone = taken_back.get();
  return std::max(sum.get(), gone) - gone;
}

// What a capture shows twice has entered once.
uint64_t entered(const CaptureTotals::Point& point, Direction direction) {
  return point.passed[direction] - std::min(point.passed[direction], point.copies[direction]);
}

}  // namespace

struct Engine::Impl final : Pollable {
  Impl(EngineOptions given, std::vector<PortChannel*> channels, std::vector<KnownPairing> known)
      : options(std::move(given)),
        links(options.workers, kEventSlots, kForwardSlots),
        sensor(std::move(channels), options.workers),
        correlator(options, links, sensor, std::move(known)) {
    for (size_t w = 0; w < options.workers; ++w) workers.push_back(std::make_unique<AnalysisWorker>(w, options, links, sensor));
  }

  // The correlator as a stage: the lock keeps questions and decisions apart.
  bool poll() override {
    const StageMutex::Stage lock(mutex);
    return correlator.poll();
  }
  Rest rest() override { return options.rest(); }
  bool finished() const override {
    const StageMutex::Question lock(mutex);
    return correlator.finished();
  }

  const EngineOptions options;
  EngineLinks links;
  SensorView sensor;
  mutable StageMutex mutex;  // guards the correlator
  Correlator correlator;
  std::vector<std::unique_ptr<AnalysisWorker>> workers;

  std::vector<std::string> bounds_hit() const;

  // With what it has to do with others. REQUIRES: the lock.
  ConnectionRecord record_with_others(const Connection& connection) const {
    ConnectionRecord record = record_of(connection, sensor);
    record.shared_with = correlator.store().sharing(connection);
    if (const uint64_t successor = correlator.store().successor_of(connection); successor != 0) record.replaced_by = successor;
    return record;
  }
};

Engine::Engine(EngineOptions options, std::vector<PortChannel*> channels, std::vector<KnownPairing> known)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(channels), std::move(known))) {}
Engine::~Engine() = default;

void Engine::reconfigure(std::shared_ptr<const DetectorSettings> detectors, bool filtered) {
  const StageMutex::Question lock(impl_->mutex);
  impl_->correlator.reconfigure(std::move(detectors), filtered);
}

std::vector<Pollable*> Engine::workers() {
  std::vector<Pollable*> stages;
  for (auto& worker : impl_->workers) stages.push_back(worker.get());
  return stages;
}
Pollable& Engine::correlator() { return *impl_; }
bool Engine::finished() const { return impl_->finished(); }

std::vector<ConnectionRecord> Engine::connections(uint64_t after_id, size_t limit) const {
  std::vector<ConnectionRecord> records;
  for (bool more = true; more && records.size() < limit;) {
    const StageMutex::Question lock(impl_->mutex);
    const auto& all = impl_->correlator.store().all();
    auto it = all.upper_bound(after_id);
    for (size_t i = 0; i < kRecordsAtOnce && it != all.end() && records.size() < limit; ++i, ++it) {
      records.push_back(impl_->record_with_others(it->second));
      after_id = it->first;
    }
    more = it != all.end();
  }
  return records;
}

EndedConnections Engine::take_ended(size_t limit) {
  EndedConnections taken;
  const auto take = [&](const Connection& connection) {
    EndedConnections::Ended& one = taken.connections.emplace_back();
    one.record = impl_->record_with_others(connection);
    one.is_early = connection.legs_over != connection.legs.size() && one.record.close == Close::open;
    one.is_again = connection.was_taken;
  };
  do {
    const StageMutex::Question lock(impl_->mutex);
    taken.are_more = impl_->correlator.take_ended(std::min(kRecordsAtOnce, limit - taken.connections.size()), take);
    taken.not_kept += impl_->correlator.take_ends_not_kept();
  } while (taken.are_more && taken.connections.size() < limit);
  return taken;
}

uint64_t Engine::tell_ends(bool tells) {
  const StageMutex::Question lock(impl_->mutex);
  return impl_->correlator.tell_ends(tells);
}

std::vector<FindingRecord> Engine::findings(uint64_t after_id, size_t limit) const {
  std::vector<FindingRecord> records;
  for (bool more = true; more && records.size() < limit;) {
    const size_t wanted = std::min(kRecordsAtOnce, limit - records.size());
    const StageMutex::Question lock(impl_->mutex);
    std::vector<FindingRecord> some = impl_->correlator.findings().after(after_id, wanted);
    more = some.size() == wanted;
    if (!some.empty()) after_id = some.back().id;
    std::move(some.begin(), some.end(), std::back_inserter(records));
  }
  return records;
}

FindingWatch Engine::watch_findings(Severity minimum, bool new_only) const {
  const StageMutex::Question lock(impl_->mutex);
  return impl_->correlator.findings().changes().watch(minimum, new_only);
}

std::vector<FindingChange> Engine::finding_changes(FindingWatch& watch, size_t limit) const {
  std::vector<FindingChange> changes;
  for (bool more = true; more && changes.size() < limit;) {
    const StageMutex::Question lock(impl_->mutex);
    more = impl_->correlator.findings().changes().give(watch, std::min(kRecordsAtOnce, limit - changes.size()), changes);
  }
  return changes;
}

Engine::NextIds Engine::next_ids() const {
  const StageMutex::Question lock(impl_->mutex);
  return {impl_->correlator.findings().next_id(), impl_->correlator.store().next_id()};
}

std::vector<DeviceRecord> Engine::devices() const {
  std::vector<DeviceRecord> records;
  decltype(Tallies::packets_cleared) packets_cleared, segments_cleared;
  {
    const StageMutex::Question lock(impl_->mutex);
    packets_cleared = impl_->correlator.tallies().packets_cleared;
    segments_cleared = impl_->correlator.tallies().segments_cleared;
    records = device_records(impl_->correlator.knowledge(), impl_->options.path.size());
    for (DeviceRecord& r : records) {
      const Knowledge::Device& known = impl_->correlator.knowledge().device(r.outer, r.inner);
      const CaptureTotals& capture = impl_->correlator.capture();
      r.transit_by_load = known.transit_loads.by_load();
      for (const Direction direction : kDirections) {
        const PointIndex enters = direction == Direction::toward_inside ? r.outer : r.inner;
        r.traffic[direction].entered = r.outer == r.inner ? 0 : entered(capture.at(enters), direction);
        r.traffic[direction].answered_by_device = known.answered[direction];
        r.traffic[direction].lost = known.first_dropped[direction];
        if (r.outer == r.inner) continue;
        r.traffic[direction].entered += known.icmp[direction].entered;
        r.traffic[direction].forwarded = known.icmp[direction].forwarded;
        r.traffic[direction].lost += known.icmp[direction].lost;
        if (const auto& by_turns = impl_->correlator.proxy_transits().at(r.outer)[direction]; by_turns.count() > 0)
          r.transit[direction] = by_turns.distribution();
      }
    }
  }
  for (DeviceRecord& r : records) {
    const bool has_turns = r.transit[Direction::toward_inside] || r.transit[Direction::toward_outside];
    PerDirection<std::optional<Distribution>> of_packets;
    const DeviceIndex device = device_between(r.outer, r.inner);
    for (const Direction direction : kDirections) {
      TransitSum sum;
      DeviceTraffic& traffic = r.traffic[direction];
      for (const auto& worker : impl_->workers) {
        const WorkerCounters& w = worker->counters();
        const CrossingCounters& crossing = w.crossing[device][direction];
        w.transit_sketch[device][direction].add_to(sum);
        r.segments_lost[direction] += valid(w.segments_lost[device][direction], crossing.taken_back.segments_lost);
        traffic.forwarded += valid(crossing.forwarded, crossing.taken_back.forwarded);
        traffic.lost += valid(crossing.lost, crossing.taken_back.lost);
        traffic.superseded += valid(crossing.superseded, crossing.taken_back.superseded);
        traffic.answered_by_device += crossing.answered.get();
        if (is_hairpin(device))  // what else came to the point may not have been for it
          for (const Counter& undecided : crossing.undecided) traffic.entered += undecided.get();
      }
      if (sum.count > 0) of_packets[direction] = sum.distribution();
      r.segments_lost[direction] -= std::min(r.segments_lost[direction], segments_cleared[device][direction]);
      traffic.lost -= std::min(traffic.lost, packets_cleared[device][direction]);
      const uint64_t known = traffic.forwarded + traffic.lost + traffic.answered_by_device + traffic.superseded;
      if (is_hairpin(device)) traffic.entered += known;
      traffic.entered = std::max(traffic.entered, known);  // live: the sums of open legs come later
      traffic.undecided = traffic.entered - known;
    }
    const bool has_packets = of_packets[Direction::toward_inside] || of_packets[Direction::toward_outside];
    r.transit_is_by_turns = has_turns && !has_packets;
    if (has_packets) r.transit = of_packets;
  }
  return records;
}

std::vector<PointRecord> Engine::points() const {
  std::vector<PointRecord> records(impl_->options.path.size());
  for (size_t i = 0; i < records.size(); ++i) records[i].name = impl_->options.path[i];
  for (const PortChannel* channel : impl_->sensor.channels()) {
    PointRecord& r = records[channel->info.point];
    r.packets += channel->counters.packets.get();
    r.bytes += channel->counters.bytes.get();
    // Live the port listens before its first packet and after its last one.
    const bool has_packets = !channel->is_file && channel->last_packet_ns.load(std::memory_order_acquire) != kTimeMin;
    const int64_t from = (has_packets ? channel->first_packet_ns : channel->covered_from_ns).load(std::memory_order_acquire),
                  to = (has_packets ? channel->last_packet_ns : channel->covered_to_ns).load(std::memory_order_acquire);
    if (from != kTimeMax) r.first_seen_ns = r.first_seen_ns == 0 ? from : std::min(r.first_seen_ns, from);
    if (to != kTimeMin) r.last_seen_ns = std::max(r.last_seen_ns, to);
    for (size_t e = 1; e < channel->counters.decode_errors.size(); ++e) {
      const uint64_t count = channel->counters.decode_errors[e].get();
      r.decode_errors += count;
      if (count > 0) r.decode_errors_by_reason[std::string(decode_error_name(static_cast<DecodeError>(e)))] += count;
    }
  }
  for (size_t i = 0; i < records.size(); ++i) {
    for (const auto& worker : impl_->workers) {
      const WorkerCounters& w = worker->counters();
      records[i].capture_loss_segments += w.capture_loss_segments[i].get();
      for (const NotFollowed which : kNotFollowed) records[i].not_followed[which] += w.not_followed[i][which].get();
    }
  }
  return records;
}

std::vector<std::string> Engine::Impl::bounds_hit() const {
  std::vector<std::string> hit;
  const auto add = [&hit](std::string_view what, uint64_t count, std::string_view consequence) {
    if (count > 0) hit.push_back(bound_text(what, count, consequence));
  };
  const auto sum = [this](auto member) {
    uint64_t total = 0;
    for (const auto& worker : workers) total += (worker->counters().*member).get();
    return total;
  };
  add("legs", sum(&WorkerCounters::legs_evicted), "evicted");
  add("half_open_legs", sum(&WorkerCounters::half_open_evicted), "evicted");
  add("tcp_flows", sum(&WorkerCounters::flows_evicted), "idle legs whose windows and round trips were forgotten");
  add("early_log", sum(&WorkerCounters::log_overflows), "legs whose fates begin with the pairing");
  add("hints", sum(&WorkerCounters::hints_not_told), "turns and packets that pairing did not hear of");
  add("pending_packets", sum(&WorkerCounters::pending_overflows), "packets whose fate was not followed");
  add("sack_blocks", sum(&WorkerCounters::sacks_not_compared), "acknowledgements whose SACK blocks were not compared");
  add("spoiled", sum(&WorkerCounters::spoiled_not_followed), "segments that left with a wrong checksum of which nobody is told");
  add("copies", sum(&WorkerCounters::copies_not_followed), "copies of packets of which nobody is told who made them");
  add("capture_traces", sum(&WorkerCounters::traces_refused), "times that a leg's copies and capture loss were not followed");
  add("event_ring", sum(&WorkerCounters::events_dropped), "events dropped");
  add("forward_ring", sum(&WorkerCounters::forwards_dropped), "packets not followed");
  uint64_t payload_prefixes_dropped = 0;
  for (const PortChannel* channel : sensor.channels())
    payload_prefixes_dropped += channel->counters.payload_prefixes_dropped.get();
  add("payload_prefixes", payload_prefixes_dropped, "packets whose first bytes were not read");
  uint64_t held_back = 0;
  for (const PortChannel* channel : sensor.channels()) held_back += channel->counters.held_back.get();
  add("ring_slots", held_back, "times that packets waited in the capture buffer for room in a ring to the analysis");
  add("protocol_parser", sum(&WorkerCounters::protocol_parser_states_missing), "packets whose first bytes were not read");
  add("message_buffers", sum(&WorkerCounters::messages_evicted), "incomplete messages given up");
  add("messages", sum(&WorkerCounters::messages_over) + correlator.store().totals().messages_over,
      "messages beyond what is kept of a connection");
  add("recognition_ring", sum(&WorkerCounters::recognitions_dropped), "messages dropped");
  add("recognised", correlator.store().totals().recognitions_refused, "messages not kept");
  add("recognised_of_ended", correlator.store().totals().messages_forgotten, "ended connections whose messages were forgotten");
  add("shared_connections", correlator.store().totals().sharings_forgotten,
      "connections that carried messages over one that many share, named no more by that one");
  add("pairs", correlator.pairs_refused(), "pairs whose packets were not followed");
  add("pairing_index", correlator.openings_forgotten(), "openings forgotten early");
  add("knowledge", correlator.knowledge().evicted(), "addresses forgotten");
  add("connections", correlator.store().totals().evicted, "evicted");
  add("strangers", correlator.strangers_forgotten(), "packets and connections without a known beginning forgotten early");
  add("far_sightings", correlator.far_sightings_forgotten(), "packets seen at one side of a point forgotten early");
  add("datagram_sources", correlator.datagram_sources_forgotten(), "sources and services of datagrams forgotten early");
  add("arp_stations", correlator.arp_stations_forgotten(), "stations whose ARP requests were forgotten early");
  add("held_segments", correlator.held_segments_forgotten(), "connections whose delays in a device were forgotten early");
  add("source_tries", correlator.sources_forgotten(), "sources and services whose connections were forgotten early");
  add("findings", correlator.findings().evicted(), "evicted");
  if (options.access_log != nullptr)
    add("access_log", options.access_log->not_kept, "requests of the log beyond what is kept of it");
  return hit;
}

SummaryRecord Engine::summary() const {
  const StageMutex::Question lock(impl_->mutex);
  SummaryRecord r;
  for (const PortChannel* channel : impl_->sensor.channels()) r.packets += channel->counters.packets.get();
  const auto& totals = impl_->correlator.store().totals();
  r.access_log = impl_->correlator.access_log();
  r.connections = totals.connections;
  r.paired_connections = totals.paired_connections;
  if (impl_->options.path.size() > 1) {
    for (size_t i = 0; i < totals.legs_opened.size(); ++i) r.unpaired_legs += totals.legs_opened[i] - totals.legs_paired[i];
  }
  r.sensor_loss = impl_->sensor.lost();
  r.bounds_hit = impl_->bounds_hit();
  for (int i = 0; i < kFindingKindCount; ++i) {
    const auto kind = static_cast<FindingKind>(i);
    if (const uint64_t count = impl_->correlator.findings().standing(kind))
      r.findings_by_kind[std::string(name_of(kind))] = count;
    if (impl_->correlator.detector_settings().off.contains(kind)) r.not_looked_for.push_back(kind);
  }
  return r;
}

std::vector<ConnectionRecord> Engine::take_handed_over() {
  const StageMutex::Question lock(impl_->mutex);
  std::vector<ConnectionRecord> records;
  for (const Connection& connection : impl_->correlator.take_handed_over())
    records.push_back(record_of(connection, impl_->sensor));
  return records;
}

namespace {
// By connection and leg: how many of its first packets never left a device, to go by findings. Homes follow pairs, and these legs
// have no partner.
using LostOpenings = std::map<std::pair<uint64_t, uint32_t>, uint64_t>;

LostOpenings lost_openings(const Correlator& correlator) {
  LostOpenings lost;
  for (const auto& [id, connection] : correlator.store().all()) {
    for (const uint64_t finding_id : connection.finding_ids) {
      const FindingGroup* group = correlator.findings().group(finding_id);
      if (group == nullptr || !is_of_lost_openings(group->record.kind, group->record.where, group->record.direction)) continue;
      const auto own = group->contributions.find(id);
      if (own == group->contributions.end() || own->second.proved < own->second.attempts) continue;  // which is not known
      for (uint32_t i = 0; i < connection.legs.size(); ++i) {
        const LegState& leg = connection.legs[i];
        const bool is_all_of_it = leg.protocol == ip_protocol::udp || leg.attempt_count == own->second.attempts;
        if (leg.point == group->record.where.first && is_all_of_it) lost[{id, i}] = own->second.proved;
      }
    }
  }
  return lost;
}
}  // namespace

std::vector<PacketRecord> Engine::packets(const std::function<bool()>& go_on) const {
  const StageMutex::Question lock(impl_->mutex);
  std::vector<PacketNote> notes;
  for (auto& worker : impl_->workers) {
    auto own = worker->take_notes();
    notes.insert(notes.end(), own.begin(), own.end());
  }
  const auto beside_pairs = impl_->correlator.notes();
  notes.insert(notes.end(), beside_pairs.begin(), beside_pairs.end());
  // A packet has one note of its leg and any number of its fate: bring them together.
  Interruptible work(go_on);
  work.sort(notes, [](const PacketNote& a, const PacketNote& b) {
    return std::tuple(a.port, a.frame, a.leg == 0, a.peer_frame) < std::tuple(b.port, b.frame, b.leg == 0, b.peer_frame);
  });
  const auto key_of = [](PortIndex port, uint32_t frame) { return static_cast<uint64_t>(port) << 32 | frame; };
  std::vector<PacketRecord> records;
  std::unordered_map<uint64_t, uint64_t> origin_of;  // packet -> the sighting it came from
  for (const PacketNote& note : notes) {
    if (!work.goes_on()) return {};
    if (note.pair != kNone && impl_->correlator.is_taken_back(note.home, note.pair)) continue;
    if (records.empty() || records.back().port != note.port || records.back().frame != note.frame) {
      records.push_back({.order_ns = note.order_ns,
                         .time_ns = note.time_ns,
                         .port = note.port,
                         .point = note.point,
                         .frame = note.frame,
                         .connection_id = 0,
                         .leg_index = 0,
                         .labels = 0,
                         .packet_id = 0});
    }
    PacketRecord& record = records.back();
    record.labels |= note.labels;
    if (note.pair != kNone && impl_->correlator.is_cleared(note.port, note.frame))
      record.labels &= ~(bit(PacketLabel::lost_in_device) | bit(PacketLabel::injected_by_device));
    if (note.leg != 0) {
      const LegPlace place = impl_->correlator.store().place_of(note.leg);
      record.connection_id = place.connection_id;
      record.leg_index = static_cast<uint32_t>(place.leg);
    }
    if (note.peer_frame != 0) origin_of.emplace(key_of(note.port, note.frame), key_of(note.peer_port, note.peer_frame));
  }
  // leg_index counts as the record of the connection does: from the client's side, in order of opening.
  std::unordered_map<uint64_t, std::vector<uint32_t>> orders;
  for (const auto& [id, connection] : impl_->correlator.store().all()) {
    if (!work.goes_on()) return {};
    orders[id] = leg_order(connection);
  }
  // The id of a packet is the place in the order of its first sighting.
  work.sort(records, [](const PacketRecord& a, const PacketRecord& b) {
    return std::tuple(a.order_ns, a.point, a.port, a.frame) < std::tuple(b.order_ns, b.point, b.port, b.frame);
  });
  std::unordered_map<uint64_t, uint64_t> id_of;
  for (const auto& [to, from] : origin_of) {
    if (!work.goes_on()) return {};
    id_of.emplace(from, 0), id_of.emplace(to, 0);
  }
  LostOpenings lost = lost_openings(impl_->correlator);
  for (PacketRecord& record : records) {
    const auto it = lost.empty() ? lost.end() : lost.find({record.connection_id, record.leg_index});
    if (it == lost.end() || it->second == 0) continue;
    record.labels |= bit(PacketLabel::lost_in_device);
    --it->second;
  }
  uint64_t next_id = 1;
  for (const PacketRecord& record : records) {
    const auto it = id_of.find(key_of(record.port, record.frame));
    if (it != id_of.end()) it->second = next_id++;
  }
  for (PacketRecord& record : records) {
    if (!work.goes_on()) return {};
    uint64_t key = key_of(record.port, record.frame);
    for (int hops = 0; hops < kPointsMax; ++hops) {
      const auto from = origin_of.find(key);
      if (from == origin_of.end()) break;
      key = from->second;
    }
    if (const auto it = id_of.find(key); it != id_of.end()) record.packet_id = it->second;
    if (const auto order = orders.find(record.connection_id); order != orders.end())
      record.leg_index = order->second[record.leg_index];
  }
  return records;
}

EngineCounters Engine::counters() const {
  EngineCounters c;
  const auto& options = impl_->options;
  const size_t points = options.path.size();
  c.points.resize(points);
  c.devices.resize(points > 0 ? points - 1 : 0);
  for (const auto& worker : impl_->workers) {
    const WorkerCounters& w = worker->counters();
    for (size_t p = 0; p < points; ++p) {
      c.points[p].capture_loss_segments += w.capture_loss_segments[p].get();
      c.points[p].copies += w.copies[p].get();
      for (const Side side : kSides) {
        for (size_t kind = 0; kind < kRetransmissionKinds.size(); ++kind)
          c.points[p].retransmissions[side][kind] += w.retransmissions[p][side][kind].get();
        c.points[p].needless_retransmissions[side] += w.needless_retransmissions[p][side].get();
        w.handshake_rtt[p][side].add_to(c.points[p].handshake_rtt[side]);
        for (const RoundTripMethod method : kRoundTripMethods) add_transit(w.rtt[p][side][method], c.points[p].rtt[side][method]);
      }
    }
    const auto add_device = [&w](DeviceIndex device, EngineCounters::DeviceCounters& sum) {
      for (const Direction direction : kDirections) add_transit(w.transit_sketch[device][direction], sum.transit[direction]);
    };
    for (size_t d = 0; d < c.devices.size(); ++d) add_device(static_cast<DeviceIndex>(d), c.devices[d]);
    for (size_t p = 0; p < points; ++p) {
      const auto point = static_cast<PointIndex>(p);
      add_device(device_between(point, point), c.points[p].hairpin);
    }
    for (const Protocol protocol : kProtocols) c.connections_active[protocol] += w.legs_active[protocol].get();
    c.late_packets += w.late_packets.get();
    c.round_trips_uncertain += w.round_trips_uncertain.get();
    c.fates_begun_late += w.fates_begun_late.get();
    c.fates_taken_back += w.fates_taken_back.get();
    double fullest = 0;
    for (const PortChannel* channel : impl_->sensor.channels()) {
      const auto& ring = *channel->rings[worker->index()];
      fullest = std::max(fullest, static_cast<double>(ring.size()) / static_cast<double>(ring.capacity()));
    }
    c.ring_occupancy.push_back(fullest);
  }
  const StageMutex::Question lock(impl_->mutex);
  const Tallies& tallies = impl_->correlator.tallies();
  const ConnectionStore::Totals& legs = impl_->correlator.store().totals();
  for (size_t p = 0; p < points; ++p) {
    c.points[p].handshakes = tallies.handshakes[p];
    const auto point = static_cast<PointIndex>(p);
    c.points[p].hairpin.segments_lost = tallies.segments_lost[device_between(point, point)];
    if (points > 1) c.points[p].unpaired_legs = legs.legs_opened[p] - legs.legs_paired[p];
  }
  for (size_t d = 0; d < c.devices.size(); ++d) c.devices[d].segments_lost = tallies.segments_lost[d];
  c.resets = tallies.resets;
  c.unblamed = tallies.unblamed;
  c.pairings = tallies.pairings;
  c.pairings_taken_back = tallies.pairings_taken_back;
  c.findings = impl_->correlator.findings().totals();
  return c;
}

}  // namespace parallax
