#include "daemon/slice/slice_notes.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/slice/slice_packets.h"

namespace parallax {

namespace {

constexpr size_t kRingSlots = 4096;
constexpr size_t kBatch = 1024;  // packets between two turns of the engine

}  // namespace

SlicePath slice_path(const std::vector<SpoolPort>& ports, const SpoolSnapshot& snapshot) {
  SlicePath path;
  for (const SpoolPort& port : ports) {
    for (size_t point = path.names.size(); point <= port.info.point; ++point)
      path.names.push_back(fmt::format("point {}", point));
    path.names[port.info.point] = port.point;
  }
  for (const SpoolInterface& interface : snapshot.interfaces()) {
    const auto name = std::find(path.names.begin(), path.names.end(), interface.point);
    path.points.push_back(name == path.names.end() ? std::nullopt
                                                   : std::optional(static_cast<PointIndex>(name - path.names.begin())));
    const auto port =
        std::find_if(ports.begin(), ports.end(), [&](const SpoolPort& own) { return own.info.name == interface.block.name; });
    path.ports.push_back(port == ports.end() ? std::nullopt : std::optional(static_cast<PortIndex>(port - ports.begin())));
  }
  return path;
}

// The engine and what goes into it: one channel for each interface, all fed in the order of time by one thread.
class SliceNotes::Feed {
 public:
  Feed(const SpoolSnapshot& snapshot, const SliceRequest& request, const SlicePath& path) {
    const SpoolTimes& times = snapshot.times();
    for (size_t i = 0; i < snapshot.interfaces().size(); ++i) {
      const SpoolInterface& interface = snapshot.interfaces()[i];
      const PortInfo info{interface.block.name, path.points[i].value_or(0), interface.direction, {}};
      auto channel = std::make_unique<PortChannel>(info, 1, kRingSlots);
      if (path.points[i]) {
        channel->covered_from_ns = std::max(times.from_ns, times.oldest_ns);
        channel->covered_to_ns = std::min(times.to_ns, times.complete_to_ns);
      }
      add_losses(snapshot, i, *channel);
      if (request.spool_filtered) channel->loss.add(kTimeMin, kTimeMax - LossLog::kMergeGapNs, 0);  // proves nothing, ever
      channels_.push_back(std::move(channel));
    }
    EngineOptions options;
    options.path = path.names;
    options.offline = true;
    options.record_packets = true;
    options.device_timeout_ns = request.device_timeout_ns;
    std::vector<PortChannel*> pointers;
    for (const auto& channel : channels_) pointers.push_back(channel.get());
    engine_ = std::make_unique<Engine>(std::move(options), std::move(pointers), request.pairings);
  }

  // False: the engine takes nothing more, which is a fault of its own.
  bool push(const Sighting& sighting) {
    newest_ns_ = std::max(newest_ns_, sighting.time_ns);
    SpscRing<Sighting>& ring = *channels_[sighting.port]->rings[0];
    for (int attempt = 0; !ring.push(sighting); ++attempt) {
      if (attempt > kAttemptsMax) return false;
      // A ring full of packets of one time stamp waits for a later watermark than the usual one.
      release(attempt == 0 ? newest_ns_ : newest_ns_ + 1);
    }
    if (++pushed_ % kBatch == 0) release(newest_ns_);
    return true;
  }

  // False: the same; or go_on() said no.
  bool finish(const std::function<bool()>& go_on) {
    for (int attempt = 0; !engine_->finished(); ++attempt) {
      if (attempt > kAttemptsMax || !go_on()) return false;
      if (release(kTimeMax)) attempt = 0;
    }
    return true;
  }

  const Engine& engine() const { return *engine_; }

 private:
  static constexpr int kAttemptsMax = 10'000;

  // The log wants losses in the order of their end, before the packets.
  static void add_losses(const SpoolSnapshot& snapshot, size_t interface, PortChannel& channel) {
    std::vector<SpoolLoss> losses;
    for (const SpoolLoss& loss : snapshot.losses()) {
      if (loss.interface == interface || loss.interface == SpoolLoss::kAllInterfaces) losses.push_back(loss);
    }
    std::sort(losses.begin(), losses.end(), [](const SpoolLoss& a, const SpoolLoss& b) { return a.to_ns < b.to_ns; });
    for (const SpoolLoss& loss : losses) channel.loss.add(loss.from_ns, loss.to_ns, loss.count);
  }

  // Everything before `watermark_ns` has been pushed: a turn of all stages. Returns whether any had work.
  bool release(int64_t watermark_ns) {
    for (const auto& channel : channels_) channel->watermark_ns.store(watermark_ns, std::memory_order_release);
    bool worked = false;
    for (Pollable* worker : engine_->workers()) worked |= worker->poll();
    return engine_->correlator().poll() || worked;
  }

  std::vector<std::unique_ptr<PortChannel>> channels_;
  std::unique_ptr<Engine> engine_;
  int64_t newest_ns_ = kTimeMin;
  uint64_t pushed_ = 0;
};

SliceNotes::SliceNotes(const SpoolSnapshot& snapshot, const SliceRequest& request, const SlicePath& path,
                       const std::function<bool()>& go_on)
    : path_(path),
      findings_(request.findings),
      decisive_(decisive_packets(request.findings)),
      interfaces_(snapshot.interfaces()),
      device_timeout_ns_(request.device_timeout_ns),
      notes_(snapshot.interfaces().size()) {
  Feed feed(snapshot, request, path);
  SlicePackets packets(snapshot, request, path.points, true, go_on);
  SlicePacket packet;
  uint64_t looked_at = 0;
  while (packets.next(packet)) {
    if (looked_at == request.packets_max) {
      remarks_.push_back(fmt::format("packet ids and comments end after the first {} packets, the bound of a slice", looked_at));
      break;
    }
    ++looked_at;
    notes_[packet.spooled.interface].emplace_back();
    take_evidence(packet.spooled);
    if (packet.decoded && !feed.push(packet.sighting)) {
      remarks_.push_back("packet ids and comments are missing: the analysis stood still");
      return;
    }
  }
  if (packets.stopped()) return;
  if (packets.undecodable() > 0) {
    remarks_.push_back(fmt::format("{} packets could not be decoded and have no packet id", packets.undecodable()));
  }
  if (!feed.finish(go_on)) {
    remarks_.push_back("packet ids and comments are missing: the analysis did not end");
    return;
  }
  take_packets(feed.engine().packets(go_on));
  take_findings(feed.engine());
}

void SliceNotes::take_packets(const std::vector<PacketRecord>& packets) {
  for (const PacketRecord& record : packets) {
    if (record.port >= notes_.size() || record.frame == 0 || record.frame > notes_[record.port].size()) continue;
    notes_[record.port][record.frame - 1] = {record.packet_id, record.labels, record.point};
  }
}

std::multimap<std::pair<PortIndex, int64_t>, SliceNotes::Decisive> SliceNotes::decisive_packets(
    const std::vector<FindingRecord>& findings) {
  std::multimap<std::pair<PortIndex, int64_t>, Decisive> decisive;
  for (const FindingRecord& finding : findings) {
    for (const Evidence& evidence : finding.evidence) {
      if (!evidence.port) continue;  // an absence
      const std::pair place(*evidence.port, evidence.time_ns);
      const auto [begin, end] = decisive.equal_range(place);
      const auto same = std::find_if(begin, end, [&](const auto& entry) { return entry.second.finding == &finding; });
      if (same == end) {
        decisive.insert({place, {&finding, evidence.detail}});
      } else {
        same->second.details += "; " + evidence.detail;
      }
    }
  }
  return decisive;
}

void SliceNotes::take_evidence(const SpooledPacket& packet) {
  const std::optional<PortIndex> port = path_.ports[packet.interface];
  if (!port || decisive_.empty()) return;
  const auto [begin, end] = decisive_.equal_range({*port, packet.packet.time_ns});
  for (auto it = begin; it != end; ++it) {
    std::string& text = finding_texts_[{packet.interface, packet.packet.frame}];
    text += fmt::format("{}{} Here: {}", text.empty() ? "" : "; ", line_of(*it->second.finding), it->second.details);
  }
}

std::string SliceNotes::line_of(const FindingRecord& found) const {
  const auto is_known = [&](const FindingRecord& f) { return f.kind == found.kind && f.direction == found.direction; };
  const auto known =
      found.where.kind == Where::Kind::unknown ? std::find_if(findings_.begin(), findings_.end(), is_known) : findings_.end();
  const FindingRecord& said = known == findings_.end() ? found : *known;
  return fmt::format("parallax: {}: {}", name_of(said.kind), said.summary);
}

void SliceNotes::take_findings(const Engine& engine) {
  for (const FindingRecord& finding : engine.findings(0, SIZE_MAX)) {
    const std::string kind = fmt::format("parallax: {}: ", name_of(finding.kind));
    for (const Evidence& evidence : finding.evidence) {
      if (!evidence.port || evidence.frame == 0) continue;
      std::string& text = finding_texts_[{*evidence.port, evidence.frame}];
      if (text.find(kind) != std::string::npos) continue;  // the daemon speaks of it, or one finding does so twice
      text += (text.empty() ? "" : "; ") + line_of(finding);
    }
  }
}

const SliceNotes::Note* SliceNotes::note(uint16_t interface, uint32_t frame) const {
  return frame == 0 || frame > notes_[interface].size() ? nullptr : &notes_[interface][frame - 1];
}

uint64_t SliceNotes::packet_id(uint16_t interface, uint32_t frame) const {
  const Note* found = note(interface, frame);
  return found == nullptr ? 0 : found->packet_id;
}

// The neighbour of `point` in the direction that the interface's packets take (`ahead`) or come from; empty: cannot be told.
std::string SliceNotes::other_side(uint16_t interface, PointIndex point, bool ahead) const {
  const size_t last = path_.names.size() - 1;
  if (last == 0) return {};
  if (point == 0) return path_.names[1];
  if (point == last) return path_.names[last - 1];
  const PortDirection direction = interfaces_[interface].direction;
  if (direction == PortDirection::both) return {};
  return path_.names[(direction == PortDirection::toward_inside) == ahead ? point + 1u : point - 1u];
}

std::string SliceNotes::comment(uint16_t interface, uint32_t frame) const {
  std::string text;
  const auto say = [&](const std::string& what) {
    if (!text.empty()) text += "; ";
    text += what;
  };
  if (const Note* found = note(interface, frame)) {
    const std::string& here = path_.names[found->point];
    const auto has = [&](PacketLabel label) { return (found->labels & bit(label)) != 0; };
    if (has(PacketLabel::lost_in_device)) {
      const std::string there = other_side(interface, found->point, true);
      say(fmt::format("parallax: lost in device: seen at {}, never {} within {} s", here,
                      there.empty() ? "beyond the device" : "at " + there, device_timeout_ns_ / 1'000'000 / 1000.0));
    }
    if (has(PacketLabel::injected_by_device)) {
      const std::string there = other_side(interface, found->point, false);
      say(fmt::format("parallax: injected by device: seen at {}, never {}", here,
                      there.empty() ? "before the device" : "at " + there));
    }
    if (has(PacketLabel::altered_by_device)) say("parallax: altered by device");
    if (has(PacketLabel::duplicated_by_device)) say("parallax: duplicated by device");
    if (has(PacketLabel::reordered_by_device)) say("parallax: reordered by device");
  }
  if (const auto finding = finding_texts_.find({interface, frame}); finding != finding_texts_.end()) say(finding->second);
  return text;
}

}  // namespace parallax
