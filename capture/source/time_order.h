// The packets of a capture file in the order of their stamps, as far as these make sense.
//
// Capture queues, and merging without sorting, leave records some milliseconds from their place: these are sorted, within
// kWindowNs. A record stamped further from its neighbours keeps its place in the file and takes their time: its own stamp is
// wrong. Where the time goes back for good, as after a clock step or where one file was appended to another, the order of the
// file is kept. The times of the last two are uncertain, and all that follows a step back: its clock is no longer the one that
// was compared with other files'. Nothing may be concluded from what was not seen in them.
//
// Owned and used by one thread, beside the file that it reads. A file in order is not copied; once it has shown disorder, what is
// held over to the next read is.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "capture/core/packet_source.h"
#include "capture/file/capture_file.h"

namespace parallax {

class TimeOrder {
 public:
  static constexpr int64_t kWindowNs = 200'000'000;
  static constexpr size_t kBlock = 1024;       // packets looked at together
  static constexpr size_t kLookahead = 16;     // packets that tell a wrong stamp from a step
  static constexpr size_t kRunMax = 3;         // wrong stamps in a row
  static constexpr size_t kHeldMax = 1 << 16;  // packets held over; beyond, they go on unsorted

  // Reads the first packets, so that their time is known.
  explicit TimeOrder(CaptureFile& file) : file_(file) { load(); }

  // As PacketSource.
  size_t poll(std::span<RawPacket> burst);
  bool finished() const { return next_ == ready_ && raw_.empty() && sorted_.size() == ready_ && file_.finished(); }
  std::optional<TimeSpan> take_uncertain_time();

  // No packet that comes will be stamped before this, unless the time goes back for good; kTimeMin: not known.
  int64_t next_time_ns() const;
  // What the person should know of the file's order; empty: nothing.
  std::string warning() const;

 private:
  // What to make of the next packet of raw_.
  enum class Place : uint8_t { in_order, displaced, steps_back, undecided };

  void load();
  bool read_in_order();
  void classify_rest();
  void hold_over();
  void read_on();
  void classify();
  Place place_of(size_t i) const;
  void take_displaced(size_t i);
  void take_disorder(const RawPacket& packet);
  void release(bool all);
  size_t ready_after_hold() const;

  CaptureFile& file_;
  std::vector<RawPacket> raw_;     // read and not yet classified, in the order of the file
  std::vector<RawPacket> sorted_;  // classified: [next_, ready_) may be handed out
  size_t next_ = 0, ready_ = 0;
  std::vector<uint8_t> arena_;  // the bytes of what was held over
  std::vector<TimeSpan> uncertain_;
  bool begun_ = false;
  int64_t newest_ns_ = 0;           // of those in order, since the last step back; holds if begun_
  int64_t released_ns_ = kTimeMin;  // the largest time that was handed out, since the last step back
  int64_t hold_ns_ = 0;             // how long packets are held for earlier ones; 0: the file has been in order so far
  uint64_t displaced_ = 0;          // packets
  uint32_t first_displaced_ = 0;
  uint64_t late_ = 0;  // came when later ones were gone
  uint32_t first_late_ = 0;
  uint64_t steps_back_ = 0;
  uint32_t first_step_back_ = 0;
  int64_t furthest_ns_ = 0, longest_step_ns_ = 0;
};

}  // namespace parallax
