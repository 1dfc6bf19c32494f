// A port: a capture interface that feeds a point, and the channel from its rx worker to the analysis workers.
//
// The table of ports is made at start and never changes. Each port belongs to one rx worker, which alone writes its
// channel: sightings into one ring for each analysis worker, then the watermark, and before both any loss.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "capture/core/counter.h"
#include "capture/core/decode_errors.h"
#include "capture/core/loss_log.h"
#include "capture/core/payload_prefix.h"
#include "capture/core/port_outage.h"
#include "capture/core/sighting.h"
#include "capture/core/spsc_ring.h"

namespace parallax {

// Along the path: from the first named point towards the last, or back.
enum class PortDirection : uint8_t { both, toward_inside, toward_outside };

enum class DropReason : uint8_t {
#define X(name, text) name,
#include "capture/core/drop_reasons.def"
#undef X
};
inline constexpr int kDropReasonCount = 0
#define X(name, text) +1
#include "capture/core/drop_reasons.def"
#undef X
    ;
std::string_view drop_reason_name(DropReason reason);

// Offline: the files of a point that follow one another in time are parts of one recording.
struct RecordingPart {
  uint32_t recording;
  uint32_t index;  // in order of time
};

struct PortInfo {
  std::string name;  // offline: the file's path as given
  PointIndex point = 0;
  PortDirection direction = PortDirection::both;
  std::string source;                                // as configured
  std::optional<RecordingPart> part = std::nullopt;  // of several files that together are one port
};

inline constexpr int64_t kTimeMin = std::numeric_limits<int64_t>::min();
inline constexpr int64_t kTimeMax = std::numeric_limits<int64_t>::max();

struct alignas(64) PortCounters {  // one writer: the rx worker
  Counter packets;
  Counter bytes;     // on the wire
  Counter filtered;  // did not pass the analysis filter
  Counter arp;
  Counter unattributed_fragments;    // later fragments whose first one had not been seen
  Counter wrong_checksums;           // files: TCP segments whose checksum does not fit their bytes,
  Counter offloaded_checksums;       // or was not filled in yet: captured before the network card did
  Counter payload_prefixes;          // payload prefixes handed on
  Counter payload_prefixes_dropped;  // no room for them, or to know them by; the packets themselves went on
  Counter held_back;                 // times that packets had to wait in the source since a ring had no room
  std::array<Counter, kDecodeErrorCount> decode_errors;
  std::array<Counter, kDropReasonCount> drops;
};

class PortChannel {
 public:
  PortChannel(PortInfo port_info, size_t workers, size_t ring_slots) : info(std::move(port_info)) {
    for (size_t i = 0; i < workers; ++i) {
      rings.push_back(std::make_unique<SpscRing<Sighting>>(ring_slots));
      payload_prefixes.push_back(std::make_unique<PayloadPrefixRing>(ring_slots));
    }
  }

  static constexpr size_t kHiddenIntervals = 4096;

  const PortInfo info;
  std::vector<std::unique_ptr<SpscRing<Sighting>>> rings;            // one for each analysis worker
  std::vector<std::unique_ptr<PayloadPrefixRing>> payload_prefixes;  // beside each; whoever pops a ring pops these, too
  // Every sighting of this port stamped before the watermark is in the rings. kTimeMax: the source has ended.
  // A consumer loads it (acquire) before it looks into the ring.
  std::atomic<int64_t> watermark_ns{kTimeMin};
  // First and last time at which the port was listening: absence is only decided within.
  std::atomic<int64_t> covered_from_ns{kTimeMax};
  std::atomic<int64_t> covered_to_ns{kTimeMin};
  LossLog loss;
  // What the port saw and the analysis did not: frames that could not be decoded, that a filter dropped, or whose stamps are
  // wrong. An absence cannot be claimed there either, but the sensor has lost nothing.
  LossLog hidden{kHiddenIntervals};
  OutageLog outages;   // written by the rx worker: link down, paused, clock step
  OutageLog silences;  // written by whoever watches all ports together (PortWatch)
  std::atomic<bool> link_up{true};
  // Order times of the first fragment that is not the first one of its packet, and of the first ICMP error: what a file that was
  // captured with a filter for ports or protocols lacks. kTimeMax: none so far.
  std::atomic<int64_t> first_later_fragment_ns{kTimeMax}, first_icmp_error_ns{kTimeMax};
  bool is_file = false;  // set before any thread runs: it is waited for, however far behind it is
  // A port that was not emptied for longer than this was held up, which is an outage. What its stamps are worth otherwise, they
  // say.
  static constexpr int64_t kHeldUpNs = 20'000'000;
  // The largest of late that packets were stamped after they arrived. 0: no packet yet, or a file.
  std::atomic<uint32_t> stamp_uncertainty_ns{0};
  // The largest ever while it was not held up: for who reads the packets without their own uncertainty (the spool keeps none).
  std::atomic<uint32_t> ordinary_uncertainty_ns{0};
  // By their stamps. None so far: kTimeMax, kTimeMin.
  std::atomic<int64_t> first_packet_ns{kTimeMax}, last_packet_ns{kTimeMin};
  PortCounters counters;

  // Any thread. That its link is down, or that it is silent.
  std::optional<PortOutage> current_outage() const {
    if (!link_up.load(std::memory_order_relaxed) && outages.total() > 0) return outages.newest();
    if (silences.total() > 0 && silences.newest().goes_on()) return silences.newest();
    return std::nullopt;
  }
  // Any thread. Whether packets of [from_ns, to_ns] may bear another time.
  bool may_misdate(int64_t from_ns, int64_t to_ns) const { return hidden.losing(from_ns, to_ns) || outages.out(from_ns, to_ns); }
  // Any thread. Whether packets stamped within [from_ns, to_ns] may be missing, whatever the reason.
  bool may_lack(int64_t from_ns, int64_t to_ns) const {
    return loss.losing(from_ns, to_ns) || hidden.losing(from_ns, to_ns) || outages.out(from_ns, to_ns) ||
           silences.out(from_ns, to_ns);
  }
};

}  // namespace parallax
