#include "capture/file/pcapng_file.h"

#include <algorithm>

#include "capture/core/bytes.h"
#include "capture/file/pcapng_format.h"

namespace parallax {

using namespace pcapng;

namespace {

// What Parallax never writes, but reads.
constexpr uint32_t kOldPacket = 2, kSimplePacket = 3;
constexpr uint16_t kInterfaceTimeOffset = 14;

LinkType link_type_of(uint16_t type) { return type == 12 || type == 14 ? LinkType::raw_ip : static_cast<LinkType>(type); }

// if_tsresol: a negative power of ten, or of two where the highest bit is set.
StampUnit unit_of(uint8_t resolution) {
  StampUnit unit{1, 1, 0, 0, 0};
  const int exponent = resolution & 0x7f;
  if (resolution & 0x80) {
    unit.multiply = 1'000'000'000;
    unit.shift = static_cast<uint8_t>(exponent);
    unit.resolution_ns = exponent < 30 ? static_cast<uint32_t>(1'000'000'000u >> exponent) : 0;
    return unit;
  }
  for (int i = exponent; i < 9; ++i) unit.multiply *= 10;
  // 64 bits of anything finer than 10^-28 are less than a nanosecond.
  for (int i = 9; i < std::min(exponent, 28); ++i) unit.divide *= 10;
  if (exponent > 28) unit.multiply = 0;
  unit.resolution_ns = exponent < 9 ? static_cast<uint32_t>(unit.multiply) : 0;
  return unit;
}

}  // namespace

bool PcapngFile::is_one(const uint8_t* magic) { return load_native<uint32_t>(magic) == kSectionHeader; }

Result<std::unique_ptr<CaptureFile>> PcapngFile::make(FileBuffer buffer) {
  std::unique_ptr<PcapngFile> file(new PcapngFile(std::move(buffer)));
  Found found;
  Step step = file->step(found);
  if (step == Step::incomplete && file->buffer_.refill(file->needed_)) step = file->step(found);
  if (step == Step::incomplete)
    return Error{"is cut in the middle of the section header, at byte " + std::to_string(file->buffer_.size())};
  if (step == Step::damaged) return Error{"is no pcapng file that can be read: " + file->damage()};
  return Result<std::unique_ptr<CaptureFile>>(std::move(file));
}

CaptureFile::Step PcapngFile::step(Found& found) {
  in_packet_ = false;
  constexpr uint32_t kFirst = 12;  // type, length, and in a section header the magic, without which the length cannot be read
  if (buffer_.size() < kFirst) return incomplete(kFirst);
  const uint8_t* p = buffer_.data();
  if (load_native<uint32_t>(p) == kSectionHeader) {
    const auto magic = load_native<uint32_t>(p + 8);
    if (magic != kByteOrderMagic && magic != __builtin_bswap32(kByteOrderMagic))
      return damaged("a section header without its magic");
    swapped_ = magic != kByteOrderMagic;
  }
  const uint32_t type = file32(p), length = file32(p + 4);
  in_packet_ = type == kEnhancedPacket || type == kSimplePacket || type == kOldPacket;
  if (length < kBlockBytesMin || length % 4 != 0 || length > kBlockBytesMax) {
    return damaged("a block of " + std::to_string(length) + " bytes; it must be a multiple of 4 from 12 to " +
                   std::to_string(kBlockBytesMax));
  }
  if (buffer_.size() < length) return incomplete(length);
  if (file32(p + length - 4) != length) return damaged("a block whose two lengths differ");
  const uint8_t* body = p + kBlockHeaderBytes;
  const uint32_t size = length - kBlockBytesMin;
  Step step = Step::other;
  switch (type) {
    case kEnhancedPacket:
      step = take_enhanced_packet(body, size, found);
      break;
    case kSimplePacket:
      step = take_simple_packet(body, size, found);
      break;
    case kOldPacket:
      step = take_old_packet(body, size, found);
      break;
    case kSectionHeader:
      step = take_section(body, size);
      break;
    case kInterfaceDescription:
      step = take_interface(body, size);
      break;
    default:
      break;
  }
  if (step != Step::damaged) buffer_.consume(length);
  return step;
}

CaptureFile::Step PcapngFile::take_section(const uint8_t* body, uint32_t size) {
  if (size < 16) return damaged("a section header that is too short");
  const uint16_t version = file16(body + 4);
  if (version != kVersionMajor) return damaged("pcapng of version " + std::to_string(version) + "; version 1 is read");
  section_interface_ = interfaces_.size();
  return Step::other;
}

CaptureFile::Step PcapngFile::take_interface(const uint8_t* body, uint32_t size) {
  constexpr uint32_t kFixed = 8, kOptionHeader = 4;
  if (size < kFixed) return damaged("an interface description that is too short");
  if (interfaces_.size() == kInterfacesMax) return damaged("more than " + std::to_string(kInterfacesMax) + " interfaces");
  Interface interface {
    link_type_of(file16(body)), file32(body + 4), {}, {}, {}
  };
  for (uint32_t at = kFixed; at + kOptionHeader <= size;) {
    const uint16_t code = file16(body + at), length = file16(body + at + 2);
    at += kOptionHeader;
    if (code == kOptionEnd) break;
    if (length > size - at) return damaged("an interface option that is longer than its block");
    if (const Step step = take_option(code, body + at, length, interface); step == Step::damaged) return step;
    at += std::min(padded(length), size - at);
  }
  interfaces_.push_back(std::move(interface));
  return Step::other;
}

CaptureFile::Step PcapngFile::take_option(uint16_t code, const uint8_t* value, uint16_t length, Interface& interface) {
  const std::string text(reinterpret_cast<const char*>(value), length);
  switch (code) {
    case kInterfaceName:
      interface.name = text;
      break;
    case kInterfaceText:
      interface.description = text;
      break;
    case kInterfaceTimeResolution: {
      if (length != 1) return damaged("a time resolution that is not one byte");
      const int64_t offset_ns = interface.unit.offset_ns;
      interface.unit = unit_of(value[0]);
      interface.unit.offset_ns = offset_ns;
      break;
    }
    case kInterfaceTimeOffset: {
      if (length != 8) return damaged("a time offset that is not eight bytes");
      constexpr int64_t kSecondsMax = kTimeNsMax / 1'000'000'000;
      interface.unit.offset_ns = std::clamp(static_cast<int64_t>(file64(value)), -kSecondsMax, kSecondsMax) * 1'000'000'000;
      break;
    }
    default:
      break;
  }
  return Step::other;
}

CaptureFile::Step PcapngFile::take_enhanced_packet(const uint8_t* body, uint32_t size, Found& found) {
  constexpr uint32_t kFixed = 20;
  if (size < kFixed) return damaged("a packet block that is too short");
  const uint64_t stamp = uint64_t{file32(body + 4)} << 32 | file32(body + 8);
  return take_packet(file32(body), stamp, body + kFixed, file32(body + 12), file32(body + 16), size - kFixed, found);
}

CaptureFile::Step PcapngFile::take_old_packet(const uint8_t* body, uint32_t size, Found& found) {
  constexpr uint32_t kFixed = 20;
  if (size < kFixed) return damaged("a packet block that is too short");
  const uint64_t stamp = uint64_t{file32(body + 4)} << 32 | file32(body + 8);
  return take_packet(file16(body), stamp, body + kFixed, file32(body + 12), file32(body + 16), size - kFixed, found);
}

CaptureFile::Step PcapngFile::take_simple_packet(const uint8_t* body, uint32_t size, Found& found) {
  constexpr uint32_t kFixed = 4;
  if (size < kFixed) return damaged("a packet block that is too short");
  if (section_interface_ == interfaces_.size()) return damaged("a packet before the first interface");
  const uint32_t wire = file32(body), snaplen = interfaces_[section_interface_].snaplen;
  const uint32_t captured = snaplen != 0 ? std::min(wire, snaplen) : wire;
  return take_packet(0, std::nullopt, body + kFixed, captured, wire, size - kFixed, found);
}

CaptureFile::Step PcapngFile::take_packet(uint32_t interface, std::optional<uint64_t> stamp, const uint8_t* data,
                                          uint32_t captured, uint32_t wire, uint32_t room, Found& found) {
  if (captured > room) return damaged("a packet that is longer than its block");
  if (interface >= interfaces_.size() - section_interface_) {
    return damaged("a packet of interface " + std::to_string(interface) + ", which its section has not described");
  }
  found.interface = static_cast<uint32_t>(section_interface_ + interface);
  const Interface& from = interfaces_[found.interface];
  if (stamp) newest_ns_ = time_ns(from.unit, *stamp);
  found.packet = {data,       captured,      std::max(captured, wire), newest_ns_, stamp ? from.unit.resolution_ns : 0,
                  ++packets_, from.link_type};
  return Step::packet;
}

}  // namespace parallax
