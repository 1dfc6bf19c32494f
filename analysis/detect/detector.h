// A detector: one kind of finding, as a row of a table. What it knows it is given; it keeps nothing. What a kind needs to
// remember beyond one connection (a source, a service) is a bounded object that the DetectorRunner owns, such as SourceTries.
//
// To add a kind: its file in this folder, its line in detectors.def, its scenarios. The pages for people (docs/findings.md) are
// made from the rows.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "analysis/connection/connection_store.h"
#include "analysis/connection/knowledge.h"
#include "analysis/connection/rival_openings.h"
#include "analysis/connection/stranger_index.h"
#include "analysis/connection/stray_icmp_errors.h"
#include "analysis/detect/capture_totals.h"
#include "analysis/detect/datagram_floods.h"
#include "analysis/detect/held_segments.h"
#include "analysis/detect/opened_from.h"
#include "analysis/detect/reply_sources.h"
#include "analysis/detect/service_silence.h"
#include "analysis/detect/source_tries.h"
#include "analysis/event/events.h"
#include "analysis/finding/finding_group.h"
#include "analysis/finding/observation.h"
#include "analysis/model/engine_options.h"
#include "analysis/model/finding_kinds.h"
#include "analysis/model/sensor_view.h"

namespace parallax {

// What is known when a detector is asked.
struct DetectorView {
  const EngineOptions& options;
  const Thresholds& thresholds;
  const SensorView& sensor;
  const ConnectionStore& store;
  const Knowledge& knowledge;
  const RivalOpenings& openings;
  const StrangerIndex& strangers;
  const StrayIcmpErrors& stray_icmp_errors;
  const CaptureTotals& capture;
  const ReplySources& replies;
  const OpenedFrom& opened_from;
  int64_t now_ns;    // packet time: everything before it has been seen
  bool input_ended;  // there is no more to come
  bool fates_told;   // packets' fates are told as they are decided: live; offline all are told at the end
};

// What detectors say, in order.
struct Verdicts {
  struct Withdrawal {
    FindingKind kind;
    uint64_t connection_id;
  };
  std::vector<Observation> told;
  std::vector<Withdrawal> withdrawn;  // told of the connection before, and disproved since
  struct Try {
    Observation observation;  // of its source
    SourceTries::End end;
    bool is_own_name;  // of the source, and not a device's that many clients may share
  };
  std::vector<Try> tried;  // see SourceTries, ClosedPorts
  struct Hold {
    Observation observation;  // as of device_delay
    uint64_t direction;       // of which leg's data, and which way it goes
    HeldSegments::Segment segment;
  };
  std::vector<Hold> held;  // see HeldSegments
  struct Question {
    Observation observation;  // of its service
    bool is_answered;
  };
  std::vector<Question> asked;  // see ServiceSilence
  struct Datagrams {
    Observation observation;  // of its source
    DatagramFloods::Count count;
  };
  std::vector<Datagrams> sent;  // see DatagramFloods

  // A connection that came about, as its client sees it; across: which device it crossed first, unknown: none.
  struct Accepted {
    Endpoint client, service;
    int64_t at_ns;
    Where across;
    PathSide client_side;
  };
  std::vector<Accepted> accepted;  // see ServiceLoads, SourceDrops
  struct Opened {
    Observation observation;
    PacketFacts syn;
  };
  std::vector<Opened> opened;  // see Rhythms

  void tell(Observation observation) { told.push_back(std::move(observation)); }
  void withdraw(FindingKind kind, uint64_t connection_id) { withdrawn.push_back({kind, connection_id}); }
};

// A severity that some of a kind's findings have, and which: "below {zero_window_stall_warning}".
struct SeverityRule {
  Severity severity;
  std::string_view when;
};

// What the documentation says of the kind, a paragraph each. `{name}` is replaced by the threshold of that name.
struct DetectorPage {
  std::string_view means;  // what happened
  std::string_view needs;  // what must be seen for it
  std::string_view errs;   // how it can be wrong
  std::string_view next;   // what to do next,
  // or, in place of that, by where it is
  std::string_view next_between = {}, next_beyond = {}, next_unknown = {};

  std::string_view next_at(Where::Kind place) const {
    if (!next.empty()) return next;
    return place == Where::Kind::between ? next_between : place == Where::Kind::beyond ? next_beyond : next_unknown;
  }
};

// What a connection has shown of itself.
namespace sign {
inline constexpr uint8_t syn = 1;       // its client's SYN, at the point nearest to the client
inline constexpr uint8_t accepted = 2;  // there its handshake is complete
inline constexpr uint8_t crossed = 4;   // it is paired across a device
inline constexpr uint8_t reset = 8;     // a RST
inline constexpr uint8_t stopped = 16;  // something stood still: LegStops
inline constexpr uint8_t over = 32;     // all its legs are over, or the input has ended
inline constexpr size_t kCount = 6;
}  // namespace sign

struct Detector {
  static constexpr size_t kOtherSeveritiesMax = 2;

  FindingKind kind;
  Severity severity;  // of an observation that says none
  // Others that one may say; a finding has the highest of its observations. Those that are not used have no `when`.
  SeverityRule other_severities[kOtherSeveritiesMax] = {};
  // Whether other rows tell what depends on it: they read what it has done in Connection::told, it takes back what they told or
  // charges them with what it has cost, or they look at what it brings to a memory. Then it is asked even when the kind is off,
  // and what it tells is dropped.
  bool informs_others = false;

  // Kinds of what follows from the observation, which says it all: told of its connection they are taken back, and not told
  // after.
  FindingKinds (*explains)(const Observation&) = nullptr;

  // ---- triggers; null where the kind has none of that sort ----
  // Of whose connections `due_ns` and `look` are asked; nullopt: of all.
  std::optional<Protocol> protocol = std::nullopt;
  // What a connection must have shown, else neither is asked; and whether they are asked of one whose `told` has the kind.
  uint8_t needs = 0;
  bool is_asked_again = false;
  // A connection's opening: when to look at it, in packet time (kTimeMax: not for now), and what is found then. Asked again
  // after each event of the connection, unless an earlier answer is still to come: a look can be put off, and live, where it is
  // a second away, brought forward.
  // REQUIRES of `look`: it settles what `due_ns` asked for.
  int64_t (*due_ns)(const Connection&, const DetectorView&) = nullptr;
  void (*look)(Connection&, const DetectorView&, Verdicts&) = nullptr;
  // A fate of a packet that a home has decided.
  std::optional<FateEventType> fate_type = std::nullopt;
  void (*fate)(Connection&, const FateEvent&, const DetectorView&, Verdicts&) = nullptr;
  // What the legs of a point come to, and what became of the ports; asked four times a second live, offline once, at the end.
  void (*sum_up)(CaptureTotals&, const DetectorView&, Verdicts&) = nullptr;

  // Told by a bounded object of the DetectorRunner, such as HeldSegments, of what another row or an event brings to it.
  bool is_of_memory = false;

  // One sentence for a person: how many, what, where seen and where not, who.
  std::string (*sentence)(const FindingGroup&, const DetectorView&);
  DetectorPage page;
};

// All of them, in the order of detectors.def.
std::span<const Detector* const> detectors();
const Detector* detector_of(FindingKind kind);  // null: nothing detects it yet

}  // namespace parallax
