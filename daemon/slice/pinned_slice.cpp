#include "daemon/slice/pinned_slice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "capture/core/bytes.h"
#include "capture/spool/spool_file.h"
#include "daemon/message/time_text.h"
#include "daemon/message/to_proto.h"
#include "daemon/slice/slice_filters.h"

namespace parallax {
namespace {

struct Interface {
  LinkType link_type = LinkType::ethernet;
  std::string point;
  uint64_t written = 0;
};

std::vector<Interface> interfaces_of(const SpoolFileHeader& header) {
  std::vector<Interface> interfaces;
  for (const PcapngInterface& from : header.interfaces) {
    Interface& interface = interfaces.emplace_back();
    interface.link_type = from.link_type;
    PortDirection direction{};
    parse_interface_description(from.description, interface.point, direction);
  }
  return interfaces;
}

// An interface's statistics, with so many packets as were written of it. REQUIRES: a whole block.
void correct_statistics(std::span<uint8_t> block, const std::vector<Interface>& interfaces) {
  constexpr size_t kOptions = 20;
  if (block.size() < kOptions + 4) return;
  const auto number = load_native<uint32_t>(block.data() + 8);
  if (number >= interfaces.size()) return;
  for (size_t at = kOptions; at + 4 <= block.size() - 4;) {
    const auto head = load_native<uint32_t>(block.data() + at);
    const auto code = static_cast<uint16_t>(head);
    const uint32_t length = head >> 16;
    if (code == pcapng::kOptionEnd || pcapng::padded(length) > block.size() - 4 - at - 4) return;
    if ((code == pcapng::kStatisticsFilterAccepted || code == pcapng::kStatisticsDelivered) && length == sizeof(uint64_t))
      std::memcpy(block.data() + at + 4, &interfaces[number].written, sizeof(uint64_t));
    at += 4 + pcapng::padded(length);
  }
}

// What is known of the file, and what has been written of it.
SliceSummary summary_of(const PinnedFiles::Open& file, const std::vector<Interface>& interfaces, int64_t pinned_ns) {
  SliceSummary summary;
  summary.pinned_ns = pinned_ns;
  if (file.end) {
    for (const v1::SlicePoint& point : file.end->summary().points()) summary.points.push_back({point.name(), 0, point.lost()});
    summary.loss_is_uncounted = file.end->summary().loss_is_uncounted();
    for (const std::string& sentence : file.end->summary().missing()) summary.missing.push_back(sentence);
  }
  for (const Interface& interface : interfaces) {
    const auto known = std::find_if(summary.points.begin(), summary.points.end(),
                                    [&](const SliceSummary::Point& point) { return point.name == interface.point; });
    if (known != summary.points.end()) {
      known->packets += interface.written;
    } else if (interface.written > 0) {
      summary.points.push_back({interface.point, interface.written});
    }
  }
  return summary;
}

}  // namespace

SliceResult pull_pinned(const PinnedFiles& files, uint64_t finding_id, const std::string& filter, const SliceSink& sink,
                        uint64_t bytes_max) {
  const std::optional<PinnedFile> known = files.find(finding_id);
  const Result<std::unique_ptr<PinnedFiles::Open>> opened = files.open(finding_id);
  if (!known || !opened) return {SliceCode::out_of_range, known ? opened.error() : "its pinned file has been removed", {}};
  const PinnedFiles::Open& file = **opened;
  PinnedReader reader(file.fd, file.bytes, file.end);
  std::optional<PcapngBlock> block = reader.next();
  const Result<SpoolFileHeader> header = read_spool_header(file.fd);
  if (!block || !header) {
    return {SliceCode::data_loss, block ? "the pinned file " + header.error() : reader.damage(), {}};
  }
  std::vector<Interface> interfaces = interfaces_of(*header);
  std::vector<LinkType> link_types;
  for (const Interface& interface : interfaces) link_types.push_back(interface.link_type);
  const Result<SliceFilters> filters = compile_slice_filters(filter, link_types, interfaces.size());
  if (!filters) return {SliceCode::invalid_argument, filters.error(), {}};

  PcapngBuffer out;
  uint64_t bytes = 0;                // so far
  std::optional<int64_t> cut_at_ns;  // at bytes_max: from there on packets are left out, and only statistics follow
  int64_t first_ns = kTimeMax, last_ns = kTimeMin;
  const auto send = [&](size_t at_least) {
    if (out.size() < at_least) return true;
    const std::span<const uint8_t> all = out;
    for (size_t sent = 0; sent < all.size(); sent += kSliceChunkBytes) {
      if (!sink(all.subspan(sent, std::min(kSliceChunkBytes, all.size() - sent)))) return false;
    }
    out.clear();
    return true;
  };
  const SliceResult gone{SliceCode::cancelled, "the receiver has gone", {}};
  uint64_t read = 0;
  for (; block; block = reader.next()) {
    if (++read % 1024 == 0 && !sink({})) return gone;
    if (block->type == pcapng::kEnhancedPacket) {
      const auto packet = enhanced_packet(*block);
      if (!packet || packet->interface >= interfaces.size()) continue;
      const auto& matching = (*filters)[packet->interface];
      if (!matching ||
          !matching->matches(packet->data.data(), static_cast<uint32_t>(packet->data.size()), packet->original_length))
        continue;
      if (!cut_at_ns && bytes + block->bytes.size() + interfaces.size() * kSliceStatisticsBytes > bytes_max)
        cut_at_ns = packet->time_ns;
      if (cut_at_ns) continue;
      ++interfaces[packet->interface].written;
      first_ns = std::min(first_ns, packet->time_ns);
      last_ns = std::max(last_ns, packet->time_ns);
    }
    bytes += block->bytes.size();
    out.insert(out.end(), block->bytes.begin(), block->bytes.end());
    if (block->type == pcapng::kInterfaceStatistics) correct_statistics(std::span(out).last(block->bytes.size()), interfaces);
    if (!send(kSliceChunkBytes)) return gone;
  }
  if (!send(1)) return gone;
  SliceSummary summary = summary_of(file, interfaces, known->pinned_ns);
  summary.first_ns = first_ns;
  summary.last_ns = last_ns;
  summary.is_cut = cut_at_ns.has_value();
  if (cut_at_ns) summary.missing.push_back(slice_cut_text(*cut_at_ns, bytes_max));
  if (std::string damage = reader.damage(); !damage.empty()) summary.missing.push_back(std::move(damage));
  if (known->is_withdrawn) {
    summary.remarks.push_back(
        fmt::format("finding {} was withdrawn after its packets had been pinned: what it claimed has been "
                    "disproved, or is told as part of another",
                    finding_id));
  }
  return {SliceCode::ok, {}, std::move(summary)};
}

}  // namespace parallax
