#include "capture/file/pcapng_writer.h"

#include <sys/utsname.h>

#include <algorithm>
#include <bit>
#include <fstream>

namespace parallax {

static_assert(std::endian::native == std::endian::little,
              "write_enhanced_packet() packs an option's code and length into one word");

namespace {

template <typename T>
void put(PcapngBuffer& out, T value) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
  out.insert(out.end(), bytes, bytes + sizeof(T));
}

void put_padded(PcapngBuffer& out, std::span<const uint8_t> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
  out.resize(out.size() + (pcapng::padded(static_cast<uint32_t>(bytes.size())) - bytes.size()), 0);
}

void put_option(PcapngBuffer& out, uint16_t code, std::span<const uint8_t> value) {
  value = value.first(std::min<size_t>(value.size(), pcapng::kOptionBytesMax));
  put(out, code);
  put(out, static_cast<uint16_t>(value.size()));
  put_padded(out, value);
}

void put_text(PcapngBuffer& out, uint16_t code, std::string_view text) {
  if (!text.empty()) put_option(out, code, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

template <typename T>
void put_number(PcapngBuffer& out, uint16_t code, T value) {
  put_option(out, code, {reinterpret_cast<const uint8_t*>(&value), sizeof(T)});
}

uint64_t unsigned_time(int64_t time_ns) { return time_ns < 0 ? 0 : static_cast<uint64_t>(time_ns); }

// ISB times are halves, the high one first, also within an option.
void put_time(PcapngBuffer& out, uint16_t code, int64_t time_ns) {
  const uint64_t time = unsigned_time(time_ns);
  put_number(out, code, time << 32 | time >> 32);
}

// A block: its header at construction, and at end() the lengths.
class Block {
 public:
  Block(PcapngBuffer& out, uint32_t type) : out_(out), start_(out.size()) {
    put(out, type);
    put(out, uint32_t{0});
  }
  void end() {
    const auto size = static_cast<uint32_t>(out_.size() - start_ + 4);
    put(out_, size);
    std::memcpy(out_.data() + start_ + 4, &size, 4);
  }
  void end_options() { put(out_, uint32_t{pcapng::kOptionEnd}); }

 private:
  PcapngBuffer& out_;
  const size_t start_;
};

std::string processor_name() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return {};
}

constexpr std::string_view kTowardInside = ", toward inside", kTowardOutside = ", toward outside", kBoth = ", both directions";

std::string_view direction_text(PortDirection direction) {
  switch (direction) {
    case PortDirection::toward_inside:
      return kTowardInside;
    case PortDirection::toward_outside:
      return kTowardOutside;
    case PortDirection::both:
      break;
  }
  return kBoth;
}

}  // namespace

std::string interface_description(std::string_view point, PortDirection direction) {
  return std::string(point).append(direction_text(direction));
}

void parse_interface_description(std::string_view description, std::string& point, PortDirection& direction) {
  for (const PortDirection candidate : {PortDirection::toward_inside, PortDirection::toward_outside, PortDirection::both}) {
    const std::string_view text = direction_text(candidate);
    if (!description.ends_with(text)) continue;
    point = description.substr(0, description.size() - text.size());
    direction = candidate;
    return;
  }
  point = description;
  direction = PortDirection::both;
}

PcapngSection section_of_this_machine(std::string application) {
  PcapngSection section{processor_name(), {}, std::move(application), {}};
  utsname name{};
  if (uname(&name) == 0) section.os = std::string(name.sysname) + ' ' + name.release;
  return section;
}

void append_section_header(PcapngBuffer& out, const PcapngSection& section) {
  Block block(out, pcapng::kSectionHeader);
  put(out, pcapng::kByteOrderMagic);
  put(out, pcapng::kVersionMajor);
  put(out, pcapng::kVersionMinor);
  put(out, pcapng::kSectionLengthUnknown);
  for (const std::string& comment : section.comments) put_text(out, pcapng::kOptionComment, comment);
  put_text(out, pcapng::kSectionHardware, section.hardware);
  put_text(out, pcapng::kSectionOs, section.os);
  put_text(out, pcapng::kSectionApplication, section.application);
  block.end_options();
  block.end();
}

void append_interface(PcapngBuffer& out, const PcapngInterface& interface) {
  Block block(out, pcapng::kInterfaceDescription);
  put(out, static_cast<uint16_t>(interface.link_type));
  put(out, uint16_t{0});
  put(out, interface.snaplen);
  put_text(out, pcapng::kInterfaceName, interface.name);
  put_text(out, pcapng::kInterfaceText, interface.description);
  put_number(out, pcapng::kInterfaceTimeResolution, pcapng::kNanoseconds);
  block.end_options();
  block.end();
}

void append_packet(PcapngBuffer& out, const PcapngPacket& packet) {
  Block block(out, pcapng::kEnhancedPacket);
  const uint64_t time = unsigned_time(packet.time_ns);
  const auto captured = static_cast<uint32_t>(packet.data.size());
  put(out, packet.interface);
  put(out, static_cast<uint32_t>(time >> 32));
  put(out, static_cast<uint32_t>(time));
  put(out, captured);
  put(out, std::max(packet.original_length, captured));
  put_padded(out, packet.data);
  const uint32_t flags = pcapng_flags(packet.direction);
  if (flags != 0) put_number(out, pcapng::kPacketFlags, flags);
  if (packet.drop_count != 0) put_number(out, pcapng::kPacketDropCount, packet.drop_count);
  if (packet.packet_id != 0) put_number(out, pcapng::kPacketId, packet.packet_id);
  put_text(out, pcapng::kOptionComment, packet.comment);
  if (flags != 0 || packet.drop_count != 0 || packet.packet_id != 0 || !packet.comment.empty()) block.end_options();
  block.end();
}

uint32_t add_drop_count(uint8_t* at, uint32_t size, uint32_t flags, uint64_t drop_count) {
  const uint32_t new_size = with_drop_count(size, flags);
  uint8_t* option = at + size - sizeof(size) - (flags != 0 ? pcapng::kOptionEndBytes : 0);
  const uint32_t header = pcapng::kPacketDropCount | uint32_t{sizeof(drop_count)} << 16, end = pcapng::kOptionEnd;
  std::memcpy(option, &header, sizeof(header));
  std::memcpy(option + 4, &drop_count, sizeof(drop_count));
  std::memcpy(option + pcapng::kDropCountBytes, &end, sizeof(end));
  std::memcpy(at + new_size - sizeof(new_size), &new_size, sizeof(new_size));
  std::memcpy(at + 4, &new_size, sizeof(new_size));
  return new_size;
}

void append_statistics(PcapngBuffer& out, const PcapngStatistics& statistics) {
  Block block(out, pcapng::kInterfaceStatistics);
  const uint64_t time = unsigned_time(statistics.end_ns);
  put(out, statistics.interface);
  put(out, static_cast<uint32_t>(time >> 32));
  put(out, static_cast<uint32_t>(time));
  put_text(out, pcapng::kOptionComment, statistics.comment);
  put_time(out, pcapng::kStatisticsStart, statistics.start_ns);
  put_time(out, pcapng::kStatisticsEnd, statistics.end_ns);
  put_number(out, pcapng::kStatisticsReceived, statistics.received);
  put_number(out, pcapng::kStatisticsDropped, statistics.dropped);
  put_number(out, pcapng::kStatisticsFilterAccepted, statistics.filter_accepted);
  put_number(out, pcapng::kStatisticsDelivered, statistics.delivered);
  block.end_options();
  block.end();
}

void append_own(PcapngBuffer& out, uint64_t magic, std::span<const uint8_t> data) {
  Block block(out, pcapng::kOwn);
  put(out, magic);
  put_padded(out, data);
  block.end();
}

void append_padding(PcapngBuffer& out, size_t alignment, uint64_t before) {
  size_t gap = (alignment - (before + out.size()) % alignment) % alignment;
  if (gap == 0) return;
  if (gap < pcapng::kOwnBytesMin) gap += alignment;
  append_own(out, pcapng::kPaddingMagic, std::vector<uint8_t>(gap - pcapng::kOwnBytesMin));
}

}  // namespace parallax
