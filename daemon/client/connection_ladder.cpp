#include "daemon/client/connection_ladder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "analysis/model/vocabulary.h"
#include "capture/source/file_source.h"

namespace parallax {
namespace {

constexpr size_t kPacketsMax = 10'000;  // of a connection, the first

// A frame of a file.
using FrameOf = std::pair<PortIndex, uint32_t>;

std::map<FrameOf, Sighting> read_frames(const std::set<FrameOf>& wanted, const LadderInput& input) {
  std::map<FrameOf, Sighting> found;
  for (auto it = wanted.begin(); it != wanted.end();) {
    const PortIndex port = it->first;
    const auto end = wanted.lower_bound({static_cast<PortIndex>(port + 1), 0});
    auto left = std::distance(it, end);
    const Result<std::unique_ptr<FileSource>> source = FileSource::open(input.files[port]);
    std::array<RawPacket, 32> burst;
    while (source.ok() && left > 0 && !(*source)->finished()) {
      const size_t count = (*source)->poll(burst);
      for (size_t i = 0; i < count; ++i) {
        const RawPacket& raw = burst[i];
        if (!wanted.contains({port, raw.frame})) continue;
        --left;
        Sighting sighting{};
        if (decode({raw.data, raw.captured_length, raw.wire_length, raw.link_type}, sighting, input.key_from) !=
            DecodeError::none)
          continue;
        sighting.port = port;
        found.emplace(FrameOf{port, raw.frame}, sighting);
      }
    }
    it = end;
  }
  return found;
}

// Points in the order in which the client's packets meet them; of a hairpin its point is there twice.
class LaneOrder {
 public:
  LaneOrder(const ConnectionRecord& connection, size_t points) : connection_(connection), points_(points) {
    is_inward_ = connection.legs.front().point <= connection.legs.back().point;
    const auto hairpin = std::find_if(connection.crossings.begin(), connection.crossings.end(),
                                      [](const CrossingRecord& c) { return c.client_side == c.server_side; });
    if (hairpin != connection.crossings.end()) hairpin_ = hairpin->client_side;
  }

  size_t size() const { return points_ + (hairpin_ ? 1 : 0); }
  PointIndex point_of(size_t lane) const {
    const size_t before = hairpin_ && lane > lane_of_point(*hairpin_) ? lane - 1 : lane;
    return static_cast<PointIndex>(is_inward_ ? before : points_ - 1 - before);
  }
  size_t lane_of(const PacketRecord& packet) const {
    const size_t lane = lane_of_point(packet.point);
    if (!hairpin_ || lane < lane_of_point(*hairpin_)) return lane;
    const bool is_first_leg = std::none_of(connection_.legs.begin(), connection_.legs.begin() + packet.leg_index,
                                           [&](const LegRecord& leg) { return leg.point == packet.point; });
    return packet.point == *hairpin_ && is_first_leg ? lane : lane + 1;
  }

 private:
  size_t lane_of_point(PointIndex point) const { return is_inward_ ? point : points_ - 1 - point; }

  const ConnectionRecord& connection_;
  const size_t points_;
  bool is_inward_ = true;
  std::optional<PointIndex> hairpin_;
};

// Sequence numbers of each leg relative to its initial ones. Where these were not seen: to those by which another leg that shows
// the same packet counts, so that a byte has one number at all points; or else to the first.
class RelativeNumbers {
 public:
  explicit RelativeNumbers(const ConnectionRecord& connection) : first_(connection.legs.size()) {
    for (size_t i = 0; i < first_.size(); ++i) {
      for (const Side side : kSides) {
        if (connection.legs[i].isn[side] != 0) first_[i][side] = connection.legs[i].isn[side];
      }
    }
  }
  // `elsewhere`: the same packet at another point; null: none so far.
  void set(LadderSighting& sighting, size_t leg, Side from, const LadderSighting* elsewhere) {
    const Sighting& s = sighting.packet;
    if (!first_[leg][from]) first_[leg][from] = s.seq - (elsewhere ? elsewhere->relative_seq : 0);
    if (!first_[leg][opposite(from)] && (s.tcp_flags & tcp_flag::ack))
      first_[leg][opposite(from)] = s.ack - (elsewhere ? elsewhere->relative_ack : 0);
    sighting.relative_seq = s.seq - *first_[leg][from];
    sighting.relative_ack = s.ack - first_[leg][opposite(from)].value_or(0);
  }

 private:
  std::vector<PerSide<std::optional<uint32_t>>> first_;
};

Side sender_of(const LegRecord& leg, const Sighting& s) {
  if (s.source != leg.server.address) return Side::client;
  return s.source == leg.client.address && s.source_port == leg.client.port ? Side::client : Side::server;
}

std::vector<std::string> title_of(const ConnectionRecord& connection, const std::vector<std::string>& points) {
  std::string first = fmt::format("connection {}: {}", connection.id, name_of(connection.protocol));
  first += fmt::format(", {}", name_of(connection.outcome));
  if (connection.protocol == Protocol::tcp && connection.outcome == Outcome::established) {
    first += fmt::format(", {}", name_of(connection.close));
    if (connection.closed_by != ClosedBy::unknown) first += fmt::format(" by {}", name_of(connection.closed_by));
  }
  std::vector<std::string> title{first};
  for (const LegRecord& leg : connection.legs)
    title.push_back(fmt::format("  {}: {} > {}", points[leg.point], to_string(leg.client), to_string(leg.server)));
  for (const CrossingRecord& crossing : connection.crossings) {
    for (const Side side : kSides) {
      if (const auto offset = crossing.isn_offset[side]; offset && *offset != 0)
        title.push_back(fmt::format("  sequence numbers of the {} {:+} from {} to {}", side == Side::client ? "client" : "server",
                                    *offset, points[side == Side::client ? crossing.client_side : crossing.server_side],
                                    points[side == Side::client ? crossing.server_side : crossing.client_side]));
    }
  }
  return title;
}

std::set<FrameOf> decisive_frames(const ConnectionRecord& connection, const std::vector<FindingRecord>& findings) {
  std::set<FrameOf> frames;
  for (const FindingRecord& finding : findings) {
    const auto& ids = connection.finding_ids;
    if (std::find(ids.begin(), ids.end(), finding.id) == ids.end()) continue;
    for (const Evidence& evidence : finding.evidence) {
      if (evidence.port && evidence.frame != 0) frames.insert({*evidence.port, evidence.frame});
    }
  }
  return frames;
}

// What findings rest on that name a time and no frame, or more packets than a finding keeps evidence of.
struct DecisiveLabel {
  FindingKind kind;
  PacketLabel label;
};
constexpr DecisiveLabel kDecisiveLabels[] = {
    {FindingKind::zero_window_stall, PacketLabel::zero_window},
    {FindingKind::stalled_connection, PacketLabel::timeout_retransmission},
    {FindingKind::spurious_retransmission, PacketLabel::spurious_retransmission},
    {FindingKind::segment_loss, PacketLabel::lost_in_device},
    {FindingKind::datagram_dropped_by_device, PacketLabel::lost_in_device},
};

uint32_t decisive_labels(const ConnectionRecord& connection, const std::vector<FindingRecord>& findings) {
  uint32_t labels = 0;
  for (const FindingRecord& finding : findings) {
    const auto& ids = connection.finding_ids;
    if (std::find(ids.begin(), ids.end(), finding.id) == ids.end()) continue;
    for (const DecisiveLabel& row : kDecisiveLabels) labels |= row.kind == finding.kind ? bit(row.label) : 0;
  }
  return labels;
}

// `own`: its packets, in order.
Ladder ladder_of(const ConnectionRecord& connection, const std::vector<const PacketRecord*>& own,
                 const std::map<FrameOf, Sighting>& frames, const std::vector<FindingRecord>& findings,
                 const LadderInput& input) {
  const std::vector<std::string>& points = input.points;
  const std::set<FrameOf> decisive = decisive_frames(connection, findings);
  const uint32_t labels = decisive_labels(connection, findings);
  const LaneOrder lanes(connection, points.size());
  RelativeNumbers numbers(connection);

  Ladder ladder;
  ladder.title = title_of(connection, points);
  ladder.files = input.files;
  for (size_t lane = 0; lane < lanes.size(); ++lane) ladder.lanes.push_back(points[lanes.point_of(lane)]);
  std::unordered_map<uint64_t, size_t> step_of;  // by packet id
  for (const PacketRecord* packet : own) {
    const auto frame = frames.find({packet->port, packet->frame});
    if (frame == frames.end()) continue;
    const size_t lane = lanes.lane_of(*packet);
    LadderSighting sighting{
        .time_ns = packet->time_ns, .frame = packet->frame, .labels = packet->labels, .packet = frame->second};
    const Side from = sender_of(connection.legs[packet->leg_index], frame->second);
    size_t at = ladder.steps.size();
    if (packet->packet_id != 0) at = step_of.try_emplace(packet->packet_id, at).first->second;
    if (at < ladder.steps.size() && ladder.steps[at].sightings[lane]) at = ladder.steps.size();  // shown twice by its point
    if (at == ladder.steps.size())
      ladder.steps.push_back({.from = from, .sightings = std::vector<std::optional<LadderSighting>>(lanes.size())});
    LadderStep& step = ladder.steps[at];
    const auto elsewhere =
        std::find_if(step.sightings.begin(), step.sightings.end(), [](const auto& s) { return s.has_value(); });
    numbers.set(sighting, packet->leg_index, from, elsewhere == step.sightings.end() ? nullptr : &**elsewhere);
    step.sightings[lane] = sighting;
    step.decisive |= (packet->labels & labels) || decisive.contains({packet->port, packet->frame});
  }
  return ladder;
}

}  // namespace

Ladders ladders_of(const std::vector<ConnectionRecord>& connections, const std::vector<PacketRecord>& packets,
                   const std::vector<FindingRecord>& findings, const LadderInput& input) {
  std::unordered_map<uint64_t, std::vector<const PacketRecord*>> own;  // by connection
  for (const ConnectionRecord& connection : connections) own[connection.id];
  std::set<FrameOf> wanted;
  for (const PacketRecord& packet : packets) {
    const auto found = own.find(packet.connection_id);
    if (found == own.end() || found->second.size() == kPacketsMax) continue;
    found->second.push_back(&packet);
    wanted.insert({packet.port, packet.frame});
  }
  const std::map<FrameOf, Sighting> frames = read_frames(wanted, input);
  Ladders ladders;
  for (const ConnectionRecord& connection : connections)
    ladders.emplace(connection.id, ladder_of(connection, own[connection.id], frames, findings, input));
  return ladders;
}

}  // namespace parallax
