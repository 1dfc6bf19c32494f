// What the engine says of the packets of a slice: which sightings are one packet, and what became of it.
//
// Made by the first pass over the selection, read by the second. Belongs to one thread. 16 bytes for each packet, besides
// the texts, which only packets with a fault or in a finding have.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/engine.h"
#include "capture/spool/spool_reader.h"
#include "daemon/slice/slice.h"

namespace parallax {

// The path, and where each interface of a snapshot stands in it.
struct SlicePath {
  std::vector<std::string> names;
  std::vector<std::optional<PointIndex>> points;  // by interface; nullopt: its point is no longer on the path
  std::vector<std::optional<PortIndex>> ports;    // by interface; nullopt: the sensor no longer has such a port
};
SlicePath slice_path(const std::vector<SpoolPort>& ports, const SpoolSnapshot& snapshot);

class SliceNotes {
 public:
  // Runs an offline engine over the selection, at most request.packets_max of it. `go_on` is asked now and then; where it
  // says no the notes are worthless.
  SliceNotes(const SpoolSnapshot& snapshot, const SliceRequest& request, const SlicePath& path,
             const std::function<bool()>& go_on);

  // `frame` as SlicePackets counts. 0: the packet was seen at one point only, or not looked at.
  uint64_t packet_id(uint16_t interface, uint32_t frame) const;
  // Empty: nothing to say.
  std::string comment(uint16_t interface, uint32_t frame) const;

  // What a reader of the slice must know, for the section's comments.
  const std::vector<std::string>& remarks() const { return remarks_; }

 private:
  struct Note {
    uint64_t packet_id = 0;
    uint32_t labels = 0;
    PointIndex point = 0;
  };
  class Feed;
  const Note* note(uint16_t interface, uint32_t frame) const;
  void take_packets(const std::vector<PacketRecord>& packets);
  void take_findings(const Engine& engine);
  void take_evidence(const SpooledPacket& packet);
  // "parallax: syn_refused: The server beyond inside refused ...": the daemon's words where `found` accuses nobody, and it does.
  std::string line_of(const FindingRecord& found) const;
  std::string other_side(uint16_t interface, PointIndex point, bool ahead) const;

  // Packets that the evidence of request.findings names: its finding and its details.
  struct Decisive {
    const FindingRecord* finding;
    std::string details;
  };
  static std::multimap<std::pair<PortIndex, int64_t>, Decisive> decisive_packets(const std::vector<FindingRecord>& findings);

  const SlicePath& path_;
  const std::vector<FindingRecord>& findings_;                             // of the request
  const std::multimap<std::pair<PortIndex, int64_t>, Decisive> decisive_;  // by port and time
  const std::vector<SpoolInterface>& interfaces_;
  const int64_t device_timeout_ns_;
  std::vector<std::vector<Note>> notes_;                                // by interface, then frame - 1
  std::map<std::pair<uint16_t, uint32_t>, std::string> finding_texts_;  // by interface and frame
  std::vector<std::string> remarks_;
};

}  // namespace parallax
