#include "capture/file/pcap_file.h"

#include <algorithm>
#include <utility>

#include "capture/core/bytes.h"

namespace parallax {

namespace {

constexpr uint32_t kMicroseconds = 0xa1b2c3d4, kNanoseconds = 0xa1b23c4d, kModified = 0xa1b2cd34;

constexpr uint32_t kMicrosecondsMax = 999'999;  // in a second's fraction

bool is_magic(uint32_t magic) { return magic == kMicroseconds || magic == kNanoseconds || magic == kModified; }

// What old writers put down for raw IP is a number of their system (DLT_RAW), not of the format.
LinkType link_type_of(uint32_t network) {
  const auto type = static_cast<uint16_t>(network);  // above stand the length of the FCS and its flag
  return type == 12 || type == 14 ? LinkType::raw_ip : static_cast<LinkType>(type);
}

}  // namespace

bool PcapFile::is_one(const uint8_t* magic) {
  const auto value = load_native<uint32_t>(magic);
  return is_magic(value) || is_magic(__builtin_bswap32(value));
}

Result<std::unique_ptr<CaptureFile>> PcapFile::make(FileBuffer buffer) {
  constexpr size_t kHeader = 24;
  if (!buffer.refill(kHeader)) return Error{"is cut in the middle of the file header, at byte " + std::to_string(buffer.size())};
  std::unique_ptr<PcapFile> file(new PcapFile(std::move(buffer)));
  const uint8_t* p = file->buffer_.data();
  file->swapped_ = !is_magic(load_native<uint32_t>(p));
  const uint32_t magic = file->file32(p);
  const uint16_t version = file->file16(p + 4);
  file->version_minor_ = file->file16(p + 6);
  if (version != 2) return Error{"is pcap of version " + std::to_string(version) + "; version 2 is read"};
  if (magic == kModified) file->packet_header_ = 24;
  if (magic == kNanoseconds) file->fraction_ns_ = 1;

  Interface interface {
    link_type_of(file->file32(p + 20)), file->file32(p + 16), {}, {}, {}
  };
  interface.unit = {1, 1, 0, 0, magic == kNanoseconds ? 0u : 1000u};
  file->interfaces_.push_back(std::move(interface));
  file->buffer_.consume(kHeader);
  file->look_for_nanoseconds();
  return Result<std::unique_ptr<CaptureFile>>(std::move(file));
}

// Some writers put nanoseconds under the magic number of microseconds. A fraction of a second has at most 999,999 of those, and
// of random nanoseconds one in a thousand is as small: where most of the first packets exceed it, the file counts in nanoseconds.
void PcapFile::look_for_nanoseconds() {
  if (fraction_ns_ == 1) return;
  size_t packets = 0, beyond = 0;
  for (size_t at = 0; at + packet_header_ <= buffer_.size();) {
    const uint8_t* p = buffer_.data() + at;
    ++packets;
    beyond += file32(p + 4) > kMicrosecondsMax;
    const uint32_t captured = std::min(file32(p + 8), version_minor_ < 3 ? file32(p + 12) : UINT32_MAX);
    if (captured > kPacketBytesMax) break;
    at += size_t{packet_header_} + captured;
  }
  if (beyond * 2 <= packets) return;
  fraction_ns_ = 1;
  under_wrong_magic_ = true;
}

int64_t PcapFile::fraction_ns(uint32_t fraction) {
  const bool beyond = fraction > kMicrosecondsMax && (fraction_ns_ != 1 || under_wrong_magic_);
  if (beyond) note_nanoseconds();
  return beyond ? fraction : int64_t{fraction} * fraction_ns_;
}

CaptureFile::Step PcapFile::step(Found& found) {
  in_packet_ = true;
  if (buffer_.size() < packet_header_) return incomplete(packet_header_);
  const uint8_t* p = buffer_.data();
  uint32_t captured = file32(p + 8), wire = file32(p + 12);
  // Up to version 2.2 they stood the other way round; writers of 2.3 did not agree.
  if (version_minor_ < 3 || (version_minor_ == 3 && captured > wire)) std::swap(captured, wire);
  if (captured > kPacketBytesMax) {
    return damaged("a packet of " + std::to_string(captured) + " bytes; at most " + std::to_string(kPacketBytesMax) +
                   " are read");
  }
  const size_t whole = size_t{packet_header_} + captured;
  if (buffer_.size() < whole) return incomplete(whole);
  const int64_t time_ns = int64_t{file32(p)} * 1'000'000'000 + fraction_ns(file32(p + 4));
  found.packet = {
      p + packet_header_,      captured, std::max(captured, wire), time_ns, interfaces_[0].unit.resolution_ns, ++packets_,
      interfaces_[0].link_type};
  found.interface = 0;
  buffer_.consume(whole);
  return Step::packet;
}

}  // namespace parallax
