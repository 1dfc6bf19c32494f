// The proof that a packet did not pass a point; nothing else may claim an absence.
//
// An internal drop of the sensor looks exactly like a device that loses packets, and a packet that took another road, or another
// name, like one that was lost. So an absence holds only if the sensor covers the point for the whole time in which the packet
// should have passed, if no witness says that it came all the same, and if its path is known. Built where the question is asked,
// and thrown away with the answer: a plain value, no allocation until evidence is written.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/model/model.h"
#include "analysis/model/sensor_view.h"
#include "analysis/model/sides.h"

namespace parallax {

// Why an absence is not proved; the first reason that was met is kept.
enum class Doubt : uint8_t {
  none,
  not_covered,      // a port was not listening, lost or filtered packets, or could not decode them
  may_be_hidden,    // a filter may keep this packet from being seen there under the name that it bears there
  acknowledged,     // its receiver has it: it came, unseen
  rival,            // another packet that nothing else explains may be it
  renamed,          // it was seen there under another name
  seen_beyond,      // a point further on has seen it: so it did pass
  path_unknown,     // its direction was never seen there, or which side the client is on is a guess
  offset_unknown,   // the device rewrites sequence numbers, by how much is not known
  clock_uncertain,  // the stamps do not tell what came before what
};
inline constexpr size_t kDoubts = static_cast<size_t>(Doubt::clock_uncertain) + 1;
std::string_view name_of(Doubt doubt);  // a metric label
std::string_view text_of(Doubt doubt);  // one clause for people, without a full stop

// A packet that was not seen where it should have been.
struct Absence {
  PointIndex point;
  PortDirection ports;  // of a hairpin both: it may have come by any
  int64_t time_ns;
};

class AbsenceProof {
 public:
  static constexpr std::string_view kAbsent = "absent_at";

  AbsenceProof(const SensorView& sensor, PointIndex point, Direction direction)
      : AbsenceProof(sensor, point, port_direction(direction)) {}
  // `ports`: what they carry by which it should have come.
  AbsenceProof(const SensorView& sensor, PointIndex point, PortDirection ports) : sensor_(sensor), point_(point), ports_(ports) {}

  // A packet that should have passed between the two times. Several: each that is covered proves what it proves.
  // REQUIRES: everything before `to_ns` has been released, or the input has ended.
  AbsenceProof& expect(int64_t from_ns, int64_t to_ns) {
    ++expected_;
    if (!sensor_.covers(point_, ports_, from_ns, to_ns)) return *this;
    if (covered_ < instants_.size()) instants_[covered_] = from_ns;
    ++covered_;
    return *this;
  }
  // One that should have passed before `likely_ns`, by all that is known of its way, and may at the worst have taken until
  // `to_ns`: in the little of that stretch that is not covered it is not likely to have been.
  // REQUIRES: as above, and from_ns <= likely_ns <= to_ns.
  AbsenceProof& expect(int64_t from_ns, int64_t likely_ns, int64_t to_ns) {
    const bool is_whole = sensor_.covers(point_, ports_, from_ns, to_ns);
    return expect(from_ns, !is_whole && covers_nearly(likely_ns, to_ns) ? likely_ns : to_ns);
  }
  // What else speaks against it.
  AbsenceProof& unless(bool doubted, Doubt reason) {
    if (doubted && doubt_ == Doubt::none) doubt_ = reason;
    return *this;
  }

  bool holds() const { return covered_ > 0 && doubt_ == Doubt::none; }
  bool holds_for_all() const { return holds() && covered_ == expected_; }
  uint32_t expected() const { return expected_; }
  uint32_t covered() const { return covered_; }
  PointIndex point() const { return point_; }
  // The covered packets, the first few of them.
  std::vector<Absence> absences() const;
  Doubt doubt() const { return doubt_ != Doubt::none || covered_ == expected_ ? doubt_ : Doubt::not_covered; }

  // The absence as evidence. REQUIRES: holds().
  Evidence evidence(int64_t time_ns, std::string detail) const;
  // The same for a packet's fate, which its home has decided by a proof of its own before it told anybody.
  static Evidence decided_by_home(PointIndex point, int64_t time_ns, std::string detail);
  static bool is_evidence(const Evidence& evidence) { return evidence.kind == kAbsent; }
  // Why nobody is accused, as evidence. REQUIRES: !holds_for_all().
  Evidence doubt_evidence(int64_t time_ns) const;

 private:
  bool covers_nearly(int64_t from_ns, int64_t to_ns) const;

  const SensorView& sensor_;
  const PointIndex point_;
  const PortDirection ports_;
  uint32_t expected_ = 0, covered_ = 0;
  Doubt doubt_ = Doubt::none;
  std::array<int64_t, 16> instants_;  // of those covered
};

}  // namespace parallax
