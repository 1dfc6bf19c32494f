// A slice: a pcapng cut out of the spool, made by running the engine over a selection of its packets.
//
// Two passes over one snapshot of the spool. The first feeds an offline engine, which finds out which sightings are the
// same packet and what became of each; the second writes, so that the sightings of one packet carry the same
// epb_packetid, and the packets that findings speak of a comment. Streams: nothing is staged on disk, and memory is
// bounded by packets_max and the reader's window. Any thread; each call is on its own.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/engine.h"
#include "capture/decode/decode.h"
#include "capture/spool/spool.h"

namespace parallax {

// The names are those of the gRPC status codes that they become.
enum class SliceCode : uint8_t { ok, cancelled, invalid_argument, out_of_range, data_loss, internal };

// What a slice holds, and what it should and does not.
struct SliceSummary {
  struct Point {
    std::string name;
    uint64_t packets = 0;
    uint64_t lost = 0;  // by the sensor, within the time asked for
  };
  std::vector<Point> points;                        // in the order of the path; those no longer on it come last
  int64_t first_ns = kTimeMax, last_ns = kTimeMin;  // of the packets
  bool loss_is_uncounted = false;                   // the sensor also lost packets that nobody counted
  std::vector<std::string> missing;                 // of what was asked for, a sentence each
  std::optional<int64_t> pinned_ns;                 // the packets are from a file that was pinned then
  std::vector<std::string> remarks;                 // what else there is to know, a sentence each
  bool is_cut = false;                              // at SliceRequest::bytes_max; also said in `missing`
};

struct SliceResult {
  SliceCode code = SliceCode::ok;
  std::string message;   // for a person; empty if ok
  SliceSummary summary;  // if ok
};

// One leg of the selection, both its directions.
struct SliceLeg {
  PointIndex point = 0;
  uint8_t protocol = 0;  // ip_protocol
  Endpoint client, server;
};

struct SliceRequest {
  int64_t from_ns = kTimeMin;  // both included
  int64_t to_ns = kTimeMax;
  std::string filter;                  // BPF, of what is written; the engine looks at the rest of the selection, too
  std::vector<SliceLeg> legs;          // empty: all packets
  std::vector<KnownPairing> pairings;  // what the daemon already knows about the legs
  std::vector<std::string> comments;   // of the section, such as "finding 7: syn_refused ..."
  std::vector<FindingRecord>
      findings;                      // what the daemon says of the packets: its word counts, for it has seen more than the slice
  std::vector<std::string> missing;  // what the selection has left out, a sentence each
  bool spool_filtered = false;       // the spool was written through a filter: what is missing from it proves nothing
  int64_t device_timeout_ns = 1'000'000'000;
  KeyFrom key_from = KeyFrom::nothing;  // as the daemon has it
  uint32_t stamp_uncertainty_ns = 0;    // of the live stamps, which the spool does not keep
  // That the engine looks at (about 150 bytes each); those beyond are written without packet id and comment.
  uint64_t packets_max = 2'000'000;
  uint64_t bytes_max = UINT64_MAX;  // of the slice; where there would be more, summary and statistics say from when on
};

// Takes at most kSliceChunkBytes at a time, and now and then nothing, while the engine is at work: only to hear whether the
// receiver is still there. false: it has gone, stop.
inline constexpr size_t kSliceChunkBytes = 64 * 1024;
using SliceSink = std::function<bool(std::span<const uint8_t>)>;

// The statistics of an interface take no more than this: room is kept for them below bytes_max.
inline constexpr uint64_t kSliceStatisticsBytes = 512;
// What a slice lacks that was cut at bytes_max.
std::string slice_cut_text(int64_t cut_at_ns, uint64_t bytes_max);

// invalid_argument: the filter, with what libpcap says of it, or a host name in it: nothing is looked up. out_of_range: the
// spool no longer holds that time, or its files have been removed by others, or it has not been able to write since; the
// message says what it does hold. Where it holds a part of the time the slice has that part, and summary and section comment
// say so. That nothing passed, or nothing that matches, is no error. After an error the receiver has an incomplete pcapng if it
// has anything.
SliceResult make_slice(const Spool& spool, const SliceRequest& request, const SliceSink& sink);

}  // namespace parallax
