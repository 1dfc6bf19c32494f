// Reading the spool back: packets in the order of their time, out of all its files, while the ring goes on.
//
// A SpoolSnapshot fixes what is read: packets written later are not in it, and files that the ring removes stay readable
// through it. It may be read any number of times, by a SpoolReader each time. Both belong to one thread.
//
// Lanes write blocks that overlap in time, so the reader merges: chunks are opened in the order of their earliest packet,
// and a packet is given out when no chunk not yet opened can hold an earlier one. Memory: the chunks open at the same time,
// usually one a lane, at most kOpenChunksMax of 256 KiB. Where more overlap (recordings of the same time made one after
// the other), the order is given up for as long, and counted.
#pragma once

#include <map>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "capture/core/packet_source.h"
#include "capture/spool/spool_directory.h"

namespace parallax {

struct SpoolInterface {
  PcapngInterface block;
  std::string point;
  PortDirection direction = PortDirection::both;
};

struct SpoolTimes {
  int64_t from_ns = kTimeMin, to_ns = kTimeMax;  // what was asked for, both included
  int64_t oldest_ns = kTimeMax,
          newest_ns = kTimeMin;       // earliest and latest packet of the whole spool; oldest > newest: none
  int64_t complete_to_ns = kTimeMin;  // up to here every lane has been written
  int64_t empty_since_ns = kTimeMin;  // where there is none: since when the spool has been waiting for one
};

struct SpooledPacket {
  RawPacket packet;  // its bytes are valid until the next next(); frame counts the interface's packets within the reading, from 1
  uint16_t interface = 0;   // into SpoolSnapshot::interfaces()
  uint64_t drop_count = 0;  // of its interface, so many were lost on the way to the spool just before it
};

class SpoolSnapshot {
 public:
  // For Spool::snapshot(). `own` are the present ports.
  static Result<std::unique_ptr<SpoolSnapshot>> open(SpoolViews views, std::vector<SpoolInterface> own, SpoolTimes times);

  // First the spool's ports, in their order; then those of earlier runs that no longer are.
  const std::vector<SpoolInterface>& interfaces() const { return interfaces_; }
  // What is missing: in the files that were opened, of what is not in a file yet, and the files that others have removed;
  // interface is into interfaces(), or kAllInterfaces.
  const std::vector<SpoolLoss>& losses() const { return losses_; }
  // Of these, what others have removed from the directory.
  const std::vector<SpoolLoss>& removed() const { return removed_; }
  bool holds_packets() const { return !files_.empty(); }  // of the time
  const SpoolTimes& times() const { return times_; }

 private:
  friend class SpoolReader;
  struct File {
    std::unique_ptr<SpoolFileView> view;
    std::vector<uint16_t> interfaces;  // of the file, into interfaces_
  };
  SpoolSnapshot() = default;
  uint16_t interface_number(const PcapngInterface& interface);

  std::vector<File> files_;
  std::vector<SpoolInterface> interfaces_;
  std::vector<SpoolLoss> losses_, removed_;
  SpoolTimes times_;
};

class SpoolReader {
 public:
  static constexpr size_t kOpenChunksMax = 256;

  // `legs`: keys (spool_leg_key); of chunks that surely hold no packet of one of them nothing is read. Empty: all packets.
  explicit SpoolReader(const SpoolSnapshot& snapshot, std::vector<uint64_t> legs = {});
  ~SpoolReader();

  // The next packet within the snapshot's time; false: that was all.
  bool next(SpooledPacket& packet);

  uint64_t packets_out_of_order() const { return out_of_order_; }
  uint64_t chunks_damaged() const { return damaged_; }  // read up to the damage
  uint64_t chunks_read() const { return next_source_ - passed_over_; }
  uint64_t chunks_passed_over() const { return passed_over_; }

 private:
  struct Source {  // a chunk, where it is
    const SpoolSnapshot::File* file;
    size_t number;  // of the chunk in the file
    const SpoolChunk& chunk() const { return file->view->chunks()[number]; }
  };
  struct Entry {  // a packet in an open chunk
    int64_t time_ns;
    uint32_t offset;
  };
  struct OpenChunk {
    std::vector<uint8_t> bytes;
    std::vector<Entry> entries;  // by time
    size_t position = 0;
    const SpoolSnapshot::File* file = nullptr;
    size_t number = 0;  // in sources_: the order among equal times
  };
  struct Later {
    bool operator()(const OpenChunk* a, const OpenChunk* b) const;
  };

  void open(size_t number);
  bool is_wanted(const Source& source);
  void release(std::unique_ptr<OpenChunk> chunk);

  const SpoolSnapshot& snapshot_;
  const std::vector<uint64_t> legs_;
  std::map<const SpoolSnapshot::File*, std::vector<bool>> wanted_;  // chunks, of the files that were begun
  std::vector<Source> sources_;                                     // by the time of their earliest packet
  size_t next_source_ = 0;
  std::priority_queue<OpenChunk*, std::vector<OpenChunk*>, Later> open_;  // owned
  std::unique_ptr<OpenChunk> given_out_;  // holds the bytes of the last packet, where its chunk has ended
  std::vector<std::unique_ptr<OpenChunk>> spare_;
  std::vector<uint32_t> frames_;  // by interface
  uint64_t out_of_order_ = 0, damaged_ = 0, passed_over_ = 0;
};

}  // namespace parallax
