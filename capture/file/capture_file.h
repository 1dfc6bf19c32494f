// Reading capture files: pcap and pcapng of both byte orders and any time resolution, plain or gzip.
//
// Owned and used by one thread. Packets are views into the reader's buffer, parsed in place. Files are hostile input: every
// length is checked and bounded. What is cut or damaged is read up to there, and warning() says where reading ended and why.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "capture/core/packet_source.h"
#include "capture/core/result.h"
#include "capture/file/file_buffer.h"

namespace parallax {

// How the stamps of an interface count. ns = stamp * multiply / divide >> shift, + offset.
struct StampUnit {
  uint64_t multiply = 1000, divide = 1;
  uint8_t shift = 0;
  int64_t offset_ns = 0;
  uint32_t resolution_ns = 1000;  // 0: a nanosecond or finer
};

class CaptureFile {
 public:
  // A packet of classic pcap longer than this is damage (libpcap's own bound); pcapng's blocks have one of 16 MiB.
  static constexpr uint32_t kPacketBytesMax = 262144;
  static constexpr size_t kInterfacesMax = 65536;
  // Stamps are held within 146 years of 1970, so that sums of them and of intervals cannot overflow.
  static constexpr int64_t kTimeNsMax = int64_t{1} << 62;

  struct Interface {
    LinkType link_type;
    uint32_t snaplen;  // 0: unlimited
    StampUnit unit;
    std::string name, description;  // empty where the file does not say
  };

  // With `only_interface` the packets of others are passed over, but keep their numbers. Interfaces are numbered through the
  // whole file in order of appearance; a classic pcap file has one.
  static Result<std::unique_ptr<CaptureFile>> open(const std::string& path,
                                                   std::optional<uint32_t> only_interface = std::nullopt);
  virtual ~CaptureFile() = default;

  // Up to packets.size() next packets, valid until the next read(); `interfaces`, where given, gets their interface numbers and
  // must be as large. 0: end, or a long stretch without a packet was passed over (bounded work): see finished().
  size_t read(std::span<RawPacket> packets, uint32_t* interfaces = nullptr);

  bool finished() const { return finished_ && !has_next_; }
  // Time and link type of the next packet, where it is already known.
  std::optional<int64_t> next_time_ns() const { return has_next_ ? std::optional(next_.packet.time_ns) : std::nullopt; }

  // Those seen so far; all of them once finished().
  const std::vector<Interface>& interfaces() const { return interfaces_; }
  uint64_t stored_bytes_read() const { return buffer_.stored_bytes_read(); }
  uint32_t packets() const { return packets_; }  // seen so far, also those passed over
  // Empty: the file is whole, as far as it was read. Stable once finished().
  std::string warning() const;
  virtual const char* format() const = 0;

 protected:
  struct Found {
    RawPacket packet;
    uint32_t interface;
  };
  enum class Step { packet, other, incomplete, damaged };

  explicit CaptureFile(FileBuffer buffer) : buffer_(std::move(buffer)) {}

  // Takes what stands at the beginning of the buffer. `incomplete` takes nothing and sets needed_.
  virtual Step step(Found& found) = 0;

  uint16_t file16(const uint8_t* p) const;
  uint32_t file32(const uint8_t* p) const;
  uint64_t file64(const uint8_t* p) const;
  int64_t time_ns(const StampUnit& unit, uint64_t stamp);
  Step incomplete(size_t needed) { return needed_ = needed, Step::incomplete; }
  Step damaged(std::string what) { return damage_ = std::move(what), Step::damaged; }
  const std::string& damage() const { return damage_; }
  // The next packet's stamp has more microseconds than a second: they are read as nanoseconds.
  void note_nanoseconds() {
    if (first_in_nanoseconds_ == 0) first_in_nanoseconds_ = packets_ + 1;
  }

  FileBuffer buffer_;
  bool swapped_ = false;  // the file's byte order is not this machine's
  std::vector<Interface> interfaces_;
  uint32_t packets_ = 0;
  size_t needed_ = 0;
  bool in_packet_ = false;  // what is incomplete is a packet

 private:
  void find_next();
  void end();

  std::optional<uint32_t> only_interface_;
  Found next_;  // the packet after those that were handed out; valid by has_next_
  bool has_next_ = false;
  std::string damage_, ending_;
  bool finished_ = false, times_bounded_ = false;
  uint32_t first_in_nanoseconds_ = 0;  // packet; 0: none
};

}  // namespace parallax
