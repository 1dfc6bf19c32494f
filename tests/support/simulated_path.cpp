#include "tests/support/simulated_path.h"

#include <algorithm>

namespace parallax::test {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr double kPathLoss = 0.005, kReordered = 0.002;
constexpr uint8_t kDeviceTtl = 255;
// So much later a peer's repetition says that it went without the acknowledgement: not one that was on its way.
constexpr int64_t kInVainAfterNs = 50 * kMillisecond;
// Who is told the same so soon after went without nothing.
constexpr int64_t kMadeUpWithinNs = 1100 * kMillisecond;

}  // namespace

SimulatedPath::SimulatedPath(Network& network, TruthOfConnection& truth, const SimulatorOptions& options, uint64_t seed,
                             Arrived arrived)
    : network_(network),
      truth_(truth),
      points_(options.points),
      content_(seed % 5 == 0 ? 0 : seed),
      random_(seed),
      arrived_(std::move(arrived)) {
  for (const Side side : kSides) {
    isn_[side] = static_cast<uint32_t>(random_.next()) & options.isn_mask;
    delay_ns_[side] = static_cast<int64_t>(random_.between(50'000, 10 * kMillisecond));
  }
  switch (truth_.fault) {
    case Fault::syn_dropped:
      syns_to_drop_ = random_.between(1, kSynAttemptsMax);
      break;
    case Fault::data_dropped:
    case Fault::untranslated:
      for (int n = 0; n < 2; ++n)
        data_to_spoil_[random_.below(2) == 0 ? Side::client : Side::server].insert(random_.between(1, 4));
      break;
    case Fault::control_dropped:
      control_from_ = random_.chance(0.5) ? Side::client : Side::server;
      drops_fins_ = random_.chance(0.4);
      control_after_ = drops_fins_ ? 0 : random_.between(1, 3);
      control_to_drop_ = random_.between(2, 12);
      break;
    case Fault::reset_injected:
      data_until_reset_ = random_.between(1, 4);
      break;
    default:
      break;
  }
}

PointIndex SimulatedPath::point_at(Side from, size_t hop) const {
  return static_cast<PointIndex>(toward_inside(from) ? hop : points_ - 1 - hop);
}

int64_t SimulatedPath::in_line(int64_t& line_free_ns, int64_t time_ns) const {
  line_free_ns = std::max(line_free_ns + 1200, time_ns);  // 1500 bytes at 10 Gbit/s
  return line_free_ns;
}

void SimulatedPath::travel(Segment segment) {
  if (random_.chance(kPathLoss)) return;  // lost before anybody saw it
  const Side from = segment.from;
  const int64_t arrival_ns = in_line(line_free_ns_[from].front(), network_.now_ns() + delay_ns_[from]);
  network_.at(arrival_ns, [this, segment] { reach(0, segment); });
}

uint64_t SimulatedPath::reach(size_t hop, Segment segment) {
  const uint64_t sighting = sight(point_at(segment.from, hop), segment, segment.ttl);
  segment.sightings.push_back(sighting);
  if (hop + 1 < points_) return cross(hop, std::move(segment)), sighting;
  if (segment.sightings.size() == points_)
    truth_.journeys.push_back({segment.from, segment.is_first_syn(), network_.now_ns(), segment.sightings});
  if (random_.chance(kPathLoss)) return sighting;  // lost behind the last point
  const Side to = opposite(segment.from);
  const int64_t arrival_ns = in_line(line_free_ns_[segment.from].back(), network_.now_ns() + delay_ns_[to]);
  network_.at(arrival_ns, [this, to, segment] { arrived_(to, segment); });
  return sighting;
}

void SimulatedPath::did(uint64_t& counter, Side from, uint64_t sighting, PointIndex absent_at) {
  ++counter;
  truth_.acts.push_back({network_.now_ns(), from, toward_inside(from), absent_at, sighting});
}

bool SimulatedPath::drops(const Segment& segment, PointIndex leaves) {
  const Side from = segment.from;
  if (segment.is_first_syn() && syns_to_drop_ > 0) {
    --syns_to_drop_;
    did(truth_.syns_dropped, segment.from, segment.sightings.back(), leaves);
    return true;
  }
  if (segment.length > 0 && truth_.fault == Fault::data_dropped && data_to_spoil_[from].contains(data_seen_[from])) {
    did(truth_.data_dropped[from], segment.from, segment.sightings.back(), leaves);
    truth_.acts.back().needless = segment.end() <= highest_ack_[opposite(from)];
    return true;
  }
  if (segment.has(tcp_flag::rst) && truth_.fault == Fault::reset_not_forwarded) {
    did(truth_.resets_swallowed, segment.from, segment.sightings.back(), leaves);
    return true;
  }
  if (truth_.fault == Fault::control_dropped && is_control_to_drop(segment)) {
    --control_to_drop_;
    did(truth_.control_dropped, segment.from, segment.sightings.back(), leaves);
    truth_.acts.back().needless = true;
    if (segment.has(tcp_flag::fin) || segment.ack > highest_ack_[from]) unsaid_.push_back(truth_.acts.size() - 1);
    unsaid_ack_ = std::max(unsaid_ack_, segment.ack);
    if (drops_fins_ && unsaid_.size() >= 2) count_unsaid();
    return true;
  }
  return false;
}

bool SimulatedPath::is_control_to_drop(const Segment& segment) const {
  if (segment.from != control_from_ || control_to_drop_ == 0 || segment.has(tcp_flag::syn | tcp_flag::rst)) return false;
  if (drops_fins_) return segment.has(tcp_flag::fin);
  return segment.length == 0 && !segment.has(tcp_flag::fin) && data_seen_[opposite(control_from_)] >= control_after_;
}

// What a later one has brought soon enough is nobody's loss.
void SimulatedPath::make_up() {
  for (const size_t number : unsaid_) {
    TruthOfConnection::Act& act = truth_.acts[number];
    act.needless |= network_.now_ns() < act.time_ns + kMadeUpWithinNs;
  }
  unsaid_.clear();
}

// Somebody has gone without them: the FIN was repeated, or what they acknowledged was.
void SimulatedPath::count_unsaid() {
  for (const size_t act : unsaid_) truth_.acts[act].needless = false;
}

// Of what the faulty device does not drop.
void SimulatedPath::note_forwarded(const Segment& segment) {
  const Side from = segment.from;
  if (segment.from != control_from_ && segment.length > 0 && unsaid_.size() >= 2 && segment.end() <= unsaid_ack_ &&
      network_.now_ns() > truth_.acts[unsaid_.front()].time_ns + kInVainAfterNs)
    count_unsaid();
  const bool says_it = drops_fins_ ? segment.has(tcp_flag::fin) : segment.has(tcp_flag::ack) && segment.ack >= unsaid_ack_;
  if (segment.from == control_from_ && says_it && !segment.has(tcp_flag::rst)) make_up();
  if (!segment.has(tcp_flag::ack) || segment.has(tcp_flag::rst) || segment.ack <= highest_ack_[from]) return;
  highest_ack_[from] = segment.ack;
}

void SimulatedPath::cross(size_t hop, Segment segment) {
  const Side from = segment.from;
  const PointIndex enters = point_at(segment.from, hop), leaves = point_at(segment.from, hop + 1);
  const bool faulty = is_faulty(enters, leaves) && !segment.named;
  if (faulty) {
    highest_seen_[from] = std::max(highest_seen_[from], segment.seq + segment.length + (segment.is_first_syn() ? 1 : 0));
    if (segment.length > 0) ++data_seen_[from];
    if (drops(segment, leaves)) return;
    if (segment.is_first_syn() && truth_.fault == Fault::refused_by_device) return refuse(hop, segment);
    note_forwarded(segment);
    if (segment.length > 0 && truth_.fault == Fault::untranslated && data_to_spoil_[from].contains(data_seen_[from]) &&
        truth_.ends[enters] != truth_.ends[leaves]) {
      did(truth_.untranslated, segment.from, segment.sightings.back(), leaves);
      segment.named = enters;
    }
  }
  // Now and then a packet is overtaken by those behind it.
  const int64_t out_ns = network_.now_ns() + static_cast<int64_t>(random_.between(15'000, 60'000));
  const bool held_back = random_.chance(kReordered);
  truth_.held_back[std::min(enters, leaves)] += held_back;
  const int64_t leaves_ns = held_back ? out_ns + 100'000 : in_line(line_free_ns_[from][hop + 1], out_ns);
  const bool resets = faulty && segment.length > 0 && data_until_reset_ > 0 && --data_until_reset_ == 0;
  const Side sender = segment.from;
  if (segment.named == leaves) segment.named.reset();  // an answer to what was not translated: here it bears the right names
  --segment.ttl;
  network_.at(leaves_ns, [this, hop, segment] { reach(hop + 1, segment); });
  if (resets) network_.at(leaves_ns + 5'000, [this, hop, sender] { inject_resets(hop, sender); });
}

void SimulatedPath::refuse(size_t hop, const Segment& syn) {
  const PointIndex enters = point_at(syn.from, hop), leaves = point_at(syn.from, hop + 1);
  did(truth_.syns_refused, syn.from, syn.sightings.back(), leaves);
  const Segment refusal{Side::server, tcp_flag::rst | tcp_flag::ack, 0, 1, 0, 0, kDeviceTtl, std::nullopt};
  network_.at(network_.now_ns() + static_cast<int64_t>(random_.between(15'000, 60'000)),
              [this, refusal, enters] { emit(refusal, enters); });
}

// `hop` of `from`, between which and the next the device stands.
void SimulatedPath::inject_resets(size_t hop, Side from) {
  const bool both = random_.chance(0.5);
  const Side victim = random_.chance(0.5) ? Side::client : Side::server;
  for (const Side to : kSides) {
    if (!both && to != victim) continue;
    const Side as = opposite(to);
    const PointIndex leaves = point_at(from, as == from ? hop + 1 : hop), enters = point_at(from, as == from ? hop : hop + 1);
    const Segment reset{as, tcp_flag::rst | tcp_flag::ack, highest_seen_[as], highest_seen_[to], 0, 0, kDeviceTtl, std::nullopt};
    did(truth_.resets_injected, as, emit(reset, leaves), enters);
  }
}

// From the device itself, at this point.
uint64_t SimulatedPath::emit(const Segment& segment, PointIndex point) {
  const size_t hop = toward_inside(segment.from) ? point : points_ - 1 - point;
  return reach(hop, segment);
}

uint32_t SimulatedPath::sequence_at(PointIndex point, Side of, uint32_t relative) const {
  // A device that rewrites sequence numbers is between this point and their sender?
  const bool beyond = truth_.rewriter && (toward_inside(of) ? point > *truth_.rewriter : point <= *truth_.rewriter);
  return isn_[of] + relative + (beyond ? truth_.rewritten_by[of] : 0);
}

// Drawn from what is said and the place in the stream: a segment that is cut otherwise when it is sent again says the same.
std::vector<uint8_t> SimulatedPath::payload_of(const Segment& segment) const {
  constexpr uint64_t kOdd = 0x9E3779B97F4A7C15;
  std::vector<uint8_t> bytes(segment.length);
  uint64_t place = segment.seq + kOdd * (content_ + static_cast<uint64_t>(segment.from));
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>((place++ * kOdd) >> 56);
  return bytes;
}

uint64_t SimulatedPath::sight(PointIndex point, const Segment& segment, uint8_t ttl) {
  const auto& [client, server] = truth_.ends[segment.named.value_or(point)];
  const bool from_client = segment.from == Side::client;
  Ip ip;
  ip.source = from_client ? client.address : server.address;
  ip.destination = from_client ? server.address : client.address;
  ip.ttl = ttl;
  ip.id = segment.ip_id;
  Tcp tcp;
  tcp.source_port = from_client ? client.port : server.port;
  tcp.destination_port = from_client ? server.port : client.port;
  tcp.seq = sequence_at(point, segment.from, segment.seq);
  tcp.ack = segment.has(tcp_flag::ack) ? sequence_at(point, opposite(segment.from), segment.ack) : 0;
  tcp.flags = segment.flags;
  if (segment.has(tcp_flag::syn)) tcp.mss = kSegmentBytes;
  // Of what was not translated the two sides have no name in common.
  const bool followed =
      !segment.named && ((point > 0 && !truth_.is_opaque(point - 1)) || (point + 1u < points_ && !truth_.is_opaque(point)));
  return network_.seen(point, toward_inside(segment.from), followed, tcp_frame(ip, tcp, payload_of(segment)));
}

}  // namespace parallax::test
