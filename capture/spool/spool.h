// The spool: a ring of pcapng files on disk that holds the most recent packets of all ports.
//
// Owns the directory (one process at a time), the lanes that rx workers append to, the threads that gather and write, and the
// index. Made and stopped by the control thread; lanes belong to one rx worker each; status() and snapshot() are for any thread.
// Nothing on the packet path waits for the disk: a lane without a free block drops the packet and counts it.
//
// Files: parallax-current.pcapng is being written; a full one is renamed to parallax-<UTC of its first packet>-<serial>.pcapng,
// so that the names sort by age. Each write(2) ends on a pcapng block, and after a crash open() cuts what a torn write left.
// At the limits (size, age, least free space), and when the disk is full, the oldest file goes first. What others do to the
// directory is noticed within a second, told, and begun anew.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "capture/core/packet_sink.h"
#include "capture/core/port.h"
#include "capture/core/result.h"
#include "capture/rx/poll_thread.h"
#include "capture/spool/spool_removal.h"
#include "capture/spool/spool_snap_rules.h"

namespace parallax {

class SpoolSnapshot;

struct SpoolPort {
  PortInfo info;
  std::string point;  // its name
  LinkType link_type = LinkType::ethernet;
};

// What may be changed while it runs.
struct SpoolLimits {
  uint64_t size = 0;       // of all files together; at least kSpoolSizeMin
  int64_t max_age_ns = 0;  // of a packet, by its stamp and the system's clock; 0: any
  uint64_t min_free = 0;   // of the disk, for its other users
};

struct SpoolOptions {
  std::string directory;
  SpoolLimits limits;
  uint64_t file_size = 0;      // of one file; 0: a 64th of limits.size, but 1 MiB to 1 GiB
  bool require_mount = false;  // the directory is the root of a mounted file system, and is never made
  uint32_t snaplen = 256;      // bytes kept of each packet, or less:
  SpoolSnapRules snap_rules{};
  size_t lanes = 1;                         // one for each rx worker
  size_t block_bytes = 256 << 10;           // of a lane's memory, handed over as a whole; more where snaplen needs it
  bool direct = true;                       // large writes go past the page cache, where the file system can
  size_t lane_bytes = 16 << 20;             // memory of a lane: at 300 MB/s it bridges a stall of the disk of 50 ms
  int64_t flush_interval_ns = 250'000'000;  // the longest that a packet waits in memory while the disk keeps up
  std::string application = "parallax " PARALLAX_VERSION;
  // What the port has received and lost since start, for the interface statistics; called by the writer's thread. Empty:
  // only what reached the spool is known.
  struct PortStatistics {
    uint64_t received = 0, dropped = 0;
  };
  std::function<PortStatistics(PortIndex)> port_statistics;
};
inline constexpr uint64_t kSpoolSizeMin = 4 << 20;

struct SpoolStatus {
  std::string directory;
  uint64_t bytes = 0, limit_bytes = 0, files = 0;      // on disk now
  int64_t oldest_packet_ns = 0, newest_packet_ns = 0;  // 0, 0: holds no packet
  uint64_t bytes_written = 0;                          // since start
  uint64_t bytes_written_direct = 0;                   // of them, past the page cache
  uint64_t packets_written = 0;
  uint64_t dropped_packets = 0;  // no free block, or the disk did not take them
  uint64_t write_errors = 0;
  int64_t max_age_ns = 0;            // 0: no limit
  uint64_t min_free = 0;             // the limit, and
  uint64_t free_bytes = 0;           // what the disk has
  SpoolRemovals removals{};          // since start, by reason
  std::string error;                 // what keeps it from writing, or did within the last seconds; empty: nothing
  std::vector<std::string> repairs;  // what was mended or made, for the log

  uint64_t files_removed() const {
    uint64_t files = 0;
    for (const SpoolRemoval& removal : removals) files += removal.files;
    return files;
  }
};

class Spool {
 public:
  // Takes the directory (made if only itself is missing), repairs what a crash left and reads the index.
  static Result<std::unique_ptr<Spool>> open(SpoolOptions options, std::vector<SpoolPort> ports);
  // Stops if still running. REQUIRES: no rx worker appends any more.
  ~Spool();

  PacketSink& lane(size_t rx_worker);

  std::string start();  // its threads; empty: they run, otherwise why not
  // Writes what the lanes hold, finishes the file, and ends the threads. REQUIRES: no rx worker appends any more.
  void stop();
  // For whoever watches over them.
  std::vector<const PollThread*> threads() const;

  // Any thread; they hold within a second. Empty, or why they cannot be set.
  std::string set_limits(const SpoolLimits& limits);

  // Any thread; of packets that are written from now on.
  void set_snap_rules(SpoolSnapRules rules);

  SpoolStatus status() const;
  // What has been removed since it was last asked: for one caller, which tells it.
  SpoolRemovals take_removals();
  const std::vector<SpoolPort>& ports() const;
  // What is on disk within [from_ns, to_ns] now, held open so that it stays readable while the ring goes on.
  Result<std::unique_ptr<SpoolSnapshot>> snapshot(int64_t from_ns, int64_t to_ns) const;

 private:
  struct Impl;
  explicit Spool(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace parallax
