// Writing pcapng: blocks into byte buffers (capture/file/pcapng_format.h). No files here, and no state but the buffer's bytes.
//
// The append_ functions are for any thread with a buffer of its own; they take memory. write_enhanced_packet() is the one
// for packet rate: it writes into memory that the caller has.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "capture/core/link_type.h"
#include "capture/core/port.h"
#include "capture/file/pcapng_format.h"

namespace parallax {

using PcapngBuffer = std::vector<uint8_t>;

struct PcapngSection {
  std::string hardware, os, application;
  std::vector<std::string> comments;
};

struct PcapngInterface {
  std::string name;         // the port's
  std::string description;  // interface_description()
  LinkType link_type = LinkType::ethernet;
  uint32_t snaplen = 0;  // 0: unlimited
  auto operator<=>(const PcapngInterface&) const = default;
};

struct PcapngPacket {
  uint32_t interface = 0;  // in the order of the IDBs
  int64_t time_ns = 0;     // before 1970: written as 1970
  std::span<const uint8_t> data;
  uint32_t original_length = 0;
  PortDirection direction = PortDirection::both;
  uint64_t packet_id = 0;  // 0: none
  std::string_view comment;
  uint64_t drop_count = 0;  // packets of the interface that were lost just before it; 0: none is known
};

struct PcapngStatistics {
  uint32_t interface = 0;
  int64_t start_ns = 0, end_ns = 0;
  uint64_t received = 0;  // by the port
  uint64_t dropped = 0;   // by the sensor, anywhere before the file
  uint64_t filter_accepted = 0;
  uint64_t delivered = 0;  // packets in the file
  std::string comment;
};

// "outside, toward inside"; and back. What was not written by interface_description() is a point in both directions.
std::string interface_description(std::string_view point, PortDirection direction);
void parse_interface_description(std::string_view description, std::string& point, PortDirection& direction);

// The hardware and the operating system of this machine; the application is the caller's.
PcapngSection section_of_this_machine(std::string application);

// Strings longer than an option can be are cut at 65,535 bytes.
void append_section_header(PcapngBuffer& out, const PcapngSection& section);
void append_interface(PcapngBuffer& out, const PcapngInterface& interface);
void append_packet(PcapngBuffer& out, const PcapngPacket& packet);
void append_statistics(PcapngBuffer& out, const PcapngStatistics& statistics);
// A block of Parallax's own, which other readers skip, with `data` after the magic.
void append_own(PcapngBuffer& out, uint64_t magic, std::span<const uint8_t> data);
// Padding, so that the buffer, and `before` bytes before it, are a multiple of `alignment` (a multiple of 4, at least 64).
// Nothing if they are already.
void append_padding(PcapngBuffer& out, size_t alignment, uint64_t before = 0);

constexpr uint32_t pcapng_flags(PortDirection direction) {
  return direction == PortDirection::toward_inside    ? pcapng::kDirectionInbound
         : direction == PortDirection::toward_outside ? pcapng::kDirectionOutbound
                                                      : 0;
}

// Bytes of the block that write_enhanced_packet() writes.
constexpr uint32_t enhanced_packet_size(uint32_t captured_length, uint32_t flags) {
  return pcapng::kPacketOverheadBytes + pcapng::padded(captured_length) + (flags != 0 ? pcapng::kPacketFlagsBytes : 0);
}

// Copies without the call that memcpy() of an unknown size is, which small packets feel.
inline void copy_packet(uint8_t* to, const uint8_t* from, uint32_t size) {
  constexpr uint32_t kStep = 16, kCallFrom = 512;
  if (size < kStep || size >= kCallFrom) {
    std::memcpy(to, from, size);
    return;
  }
  for (uint32_t at = 0; at + kStep <= size; at += kStep) std::memcpy(to + at, from + at, kStep);
  std::memcpy(to + size - kStep, from + size - kStep, kStep);  // the rest, over what is there already
}

// Writes an EPB at `at` and returns its size. REQUIRES: enhanced_packet_size() bytes there; original_length >= captured_length.
inline uint32_t write_enhanced_packet(uint8_t* at, uint32_t interface, uint64_t time_ns, const uint8_t* data,
                                      uint32_t captured_length, uint32_t original_length, uint32_t flags) {
  const uint32_t size = enhanced_packet_size(captured_length, flags);
  // Two words at a time: an array of words on the stack, copied in one, would stall on the way from its narrow stores.
  const auto put = [](uint8_t* to, uint64_t low, uint64_t high) {
    const uint64_t both = low | high << 32;
    std::memcpy(to, &both, sizeof(both));
  };
  put(at, pcapng::kEnhancedPacket, size);
  put(at + 8, interface, time_ns >> 32);
  put(at + 16, time_ns & 0xFFFFFFFF, captured_length);
  std::memcpy(at + 24, &original_length, 4);
  static_assert(pcapng::kPacketHeaderBytes == 28);
  uint8_t* options = at + pcapng::kPacketHeaderBytes + pcapng::padded(captured_length);
  const uint32_t zero = 0;
  if (captured_length > 0) {
    std::memcpy(options - 4, &zero, 4);  // the padding, before the bytes that overwrite all else of it
    copy_packet(at + pcapng::kPacketHeaderBytes, data, captured_length);
  }
  if (flags != 0) {
    put(options, pcapng::kPacketFlags | 4u << 16, flags);
    put(options + 8, pcapng::kOptionEnd, size);
  } else {
    std::memcpy(options, &size, 4);
  }
  return size;
}

// What add_drop_count() makes of a block of `size` bytes.
constexpr uint32_t with_drop_count(uint32_t size, uint32_t flags) {
  return size + pcapng::kDropCountBytes + (flags != 0 ? 0 : pcapng::kOptionEndBytes);
}

// Tells with the EPB at `at`, of `size` bytes as write_enhanced_packet() has written it, how many packets of its interface were
// lost just before it. Returns its new size. REQUIRES: with_drop_count() bytes there.
uint32_t add_drop_count(uint8_t* at, uint32_t size, uint32_t flags, uint64_t drop_count);

}  // namespace parallax
