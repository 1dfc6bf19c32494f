// What lies between the two ends of a simulated connection: hosts' links, points, and the devices between them with their faults.
//
// Belongs to a simulated connection. The path loses packets before the first and behind the last point, and hands on what
// arrives. Points are numbered along the path, a device by its outer point. Sequence numbers are relative: 0 is the SYN.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "analysis/model/sides.h"
#include "tests/support/random.h"
#include "tests/support/simulator.h"

namespace parallax::test {

// What a connection sees of the world: the time, the future, and the points.
class Network {
 public:
  virtual ~Network() = default;
  virtual int64_t now_ns() const = 0;
  virtual void at(int64_t time_ns, std::function<void()> action) = 0;
  // `followed`: a packet that the analysis can follow to a neighbouring point. Returns the number of this sighting.
  virtual uint64_t seen(PointIndex point, bool toward_inside, bool followed, Frame frame) = 0;
};

struct Segment {
  Side from;
  uint8_t flags;
  uint32_t seq, ack, length;
  uint16_t ip_id;
  uint8_t ttl;                      // at the first point that it reaches
  std::optional<PointIndex> named;  // it bears the addresses of this point wherever it goes: it was not translated
  std::vector<uint64_t> sightings{};

  bool has(uint8_t flag) const { return (flags & flag) != 0; }
  bool is_first_syn() const { return (flags & (tcp_flag::syn | tcp_flag::ack)) == tcp_flag::syn; }
  uint32_t end() const { return seq + length + (has(tcp_flag::syn | tcp_flag::fin) ? 1 : 0); }
};

inline constexpr uint32_t kSegmentBytes = 1460;
inline constexpr int kSynAttemptsMax = 4;

class SimulatedPath {
 public:
  using Arrived = std::function<void(Side, const Segment&)>;

  // Network and truth outlive it.
  SimulatedPath(Network& network, TruthOfConnection& truth, const SimulatorOptions& options, uint64_t seed, Arrived arrived);

  // The point that is nearest to it.
  PointIndex point_of(Side side) const { return point_at(side, 0); }
  void travel(Segment segment);

 private:
  // The next point on the way of what `from` has sent; hop 0 is the nearest to the sender.
  PointIndex point_at(Side from, size_t hop) const;
  bool toward_inside(Side from) const { return (from == Side::client) != truth_.client_inside; }
  bool is_faulty(PointIndex a, PointIndex b) const { return std::min(a, b) == truth_.faulty_device; }

  uint64_t reach(size_t hop, Segment segment);
  void cross(size_t hop, Segment segment);
  bool drops(const Segment& segment, PointIndex leaves);
  bool is_control_to_drop(const Segment& segment) const;
  void count_unsaid();
  void make_up();
  void note_forwarded(const Segment& segment);
  void refuse(size_t hop, const Segment& syn);
  void inject_resets(size_t hop, Side from);
  uint64_t emit(const Segment& segment, PointIndex point);
  // Something that the device did with a packet that was sighted at one side of it, and is absent at the other.
  void did(uint64_t& counter, Side from, uint64_t sighting, PointIndex absent_at);
  std::vector<uint8_t> payload_of(const Segment& segment) const;
  uint64_t sight(PointIndex point, const Segment& segment, uint8_t ttl);
  int64_t in_line(int64_t& line_free_ns, int64_t time_ns) const;
  uint32_t sequence_at(PointIndex point, Side of, uint32_t relative) const;

  Network& network_;
  TruthOfConnection& truth_;
  const size_t points_;
  const uint64_t content_;  // what the ends say; of some connections the same
  Random random_;
  const Arrived arrived_;
  PerSide<uint32_t> isn_{};
  PerSide<int64_t> delay_ns_{};
  PerSide<std::array<int64_t, 4>> line_free_ns_{};  // keeps the order: to the first point, through each device, to the end
  // The faulty device's plan and memory.
  uint64_t syns_to_drop_ = 0;
  PerSide<uint64_t> data_seen_{};
  PerSide<std::set<uint64_t>> data_to_spoil_;  // by their number, counting every data segment of a direction
  uint64_t data_until_reset_ = 0;
  PerSide<uint32_t> highest_seen_{};  // end of what the device saw of each direction
  Side control_from_ = Side::client;  // whose control packets it drops,
  bool drops_fins_ = false;           // FINs or acknowledgements,
  uint64_t control_after_ = 0;        // after so many data segments of the other side,
  uint64_t control_to_drop_ = 0;      // and how many
  PerSide<uint32_t> highest_ack_{};   // that the device forwarded
  std::vector<size_t> unsaid_;        // dropped control packets (in truth_.acts) whose word no later one has brought
  uint32_t unsaid_ack_ = 0;           // the highest of theirs
};

}  // namespace parallax::test
