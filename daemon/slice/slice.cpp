#include "daemon/slice/slice.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "capture/decode/bpf_filter.h"
#include "capture/file/pcapng_writer.h"
#include "daemon/message/time_text.h"
#include "daemon/slice/slice_notes.h"
#include "daemon/slice/slice_packets.h"

namespace parallax {

namespace {

// Blocks on their way to the sink, in chunks of kSliceChunkBytes.
class SliceOutput {
 public:
  explicit SliceOutput(const SliceSink& sink) : sink_(sink) {}

  PcapngBuffer& buffer() { return buffer_; }
  // Sends whole chunks. False: the receiver has gone.
  bool send() {
    size_t sent = 0;
    for (; buffer_.size() - sent >= kSliceChunkBytes; sent += kSliceChunkBytes) {
      if (!sink_(std::span(buffer_).subspan(sent, kSliceChunkBytes))) return false;
    }
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(sent));
    return true;
  }
  bool send_rest() { return send() && (buffer_.empty() || sink_(buffer_)); }

 private:
  const SliceSink& sink_;
  PcapngBuffer buffer_;
};

// What was written, for the statistics at the end.
struct Written {
  uint64_t selected = 0, written = 0;
  int64_t first_ns = kTimeMax, last_ns = kTimeMin;
};

class SliceMaker {
 public:
  SliceMaker(const Spool& spool, const SpoolSnapshot& snapshot, const SliceRequest& request, const SliceSink& sink)
      : snapshot_(snapshot), request_(request), sink_(sink), path_(slice_path(spool.ports(), snapshot)), output_(sink) {}

  // By interface; nullopt: the filter has no meaning for its link type.
  void set_filters(std::vector<std::optional<BpfFilter>> filters) { filters_ = std::move(filters); }

  SliceError run();

 private:
  void write_header(const SliceNotes& notes);
  bool write_packets(const SliceNotes& notes);
  void write_statistics();
  std::string time_remark() const;

  const SpoolSnapshot& snapshot_;
  const SliceRequest& request_;
  const SliceSink& sink_;
  const SlicePath path_;
  SliceOutput output_;
  bool there_ = true;  // the receiver
  const std::function<bool()> go_on_ = [this] { return there_ = there_ && sink_({}); };
  std::vector<std::optional<BpfFilter>> filters_;
  std::vector<Written> written_;  // by interface
  uint64_t chunks_damaged_ = 0;
};

SliceError SliceMaker::run() {
  const SliceNotes notes(snapshot_, request_, path_, go_on_);
  if (!there_) return {SliceCode::cancelled, "the receiver has gone"};
  write_header(notes);
  if (!write_packets(notes)) return {SliceCode::cancelled, "the receiver has gone"};
  write_statistics();
  if (!output_.send_rest()) return {SliceCode::cancelled, "the receiver has gone"};
  return {};
}

// Where the spool holds only a part of the time asked for.
std::string SliceMaker::time_remark() const {
  const SpoolTimes& times = snapshot_.times();
  if (times.from_ns == kTimeMin || times.from_ns >= times.oldest_ns) return {};
  return fmt::format("asked for packets from {}; the spool holds none before {}", time_text_ns(times.from_ns),
                     time_text_ns(times.oldest_ns));
}

void SliceMaker::write_header(const SliceNotes& notes) {
  PcapngSection section = section_of_this_machine("parallax " PARALLAX_VERSION);
  if (!request_.comment.empty()) section.comments.push_back(request_.comment);
  if (const std::string remark = time_remark(); !remark.empty()) section.comments.push_back(remark);
  for (const std::string& remark : notes.remarks()) section.comments.push_back(remark);
  append_section_header(output_.buffer(), section);
  for (const SpoolInterface& interface : snapshot_.interfaces()) append_interface(output_.buffer(), interface.block);
}

bool SliceMaker::write_packets(const SliceNotes& notes) {
  written_.resize(snapshot_.interfaces().size());
  SlicePackets packets(snapshot_, request_, path_.points, false, go_on_);
  for (SlicePacket packet; packets.next(packet);) {
    const RawPacket& raw = packet.spooled.packet;
    const uint16_t number = packet.spooled.interface;
    Written& written = written_[number];
    ++written.selected;
    if (!filters_[number] || !filters_[number]->matches(raw)) continue;
    ++written.written;
    written.first_ns = std::min(written.first_ns, raw.time_ns);
    written.last_ns = std::max(written.last_ns, raw.time_ns);
    append_packet(output_.buffer(), {number,
                                     raw.time_ns,
                                     {raw.data, raw.captured_length},
                                     raw.wire_length,
                                     snapshot_.interfaces()[number].direction,
                                     notes.packet_id(number, raw.frame),
                                     notes.comment(number, raw.frame)});
    if (!output_.send()) return false;
  }
  chunks_damaged_ = packets.chunks_damaged();
  return !packets.stopped();
}

void SliceMaker::write_statistics() {
  Written all;
  for (const Written& written : written_) {
    all.first_ns = std::min(all.first_ns, written.first_ns);
    all.last_ns = std::max(all.last_ns, written.last_ns);
  }
  if (all.first_ns > all.last_ns) all.first_ns = all.last_ns = std::max(snapshot_.times().from_ns, snapshot_.times().oldest_ns);
  for (size_t i = 0; i < written_.size(); ++i) {
    PcapngStatistics statistics{static_cast<uint32_t>(i), all.first_ns,        all.last_ns, written_[i].selected, 0,
                                written_[i].written,      written_[i].written, {}};
    bool uncounted = false;
    for (const SpoolLoss& loss : snapshot_.losses()) {
      if (loss.from_ns > all.last_ns || loss.to_ns < all.first_ns) continue;
      if (loss.interface == i) statistics.dropped += loss.count;
      uncounted |= loss.interface == SpoolLoss::kAllInterfaces;
    }
    if (uncounted)
      statistics.comment = "the sensor was not running, or was killed, within this time: what was lost then is not counted";
    if (chunks_damaged_ > 0) {
      if (!statistics.comment.empty()) statistics.comment += "; ";
      statistics.comment += fmt::format("{} pieces of the spool could not be read in full", chunks_damaged_);
    }
    append_statistics(output_.buffer(), statistics);
  }
}

// The present ports' link types must fit the filter; what earlier runs recorded may be of others, which then do not match.
// Compiled once for each link type, for it may take long.
SliceError compile_filters(const SliceRequest& request, size_t ports, const std::vector<SpoolInterface>& interfaces,
                           std::vector<std::optional<BpfFilter>>& filters) {
  std::map<LinkType, std::optional<BpfFilter>> compiled;
  for (size_t i = 0; i < interfaces.size(); ++i) {
    const LinkType link_type = interfaces[i].block.link_type;
    if (!compiled.contains(link_type)) {
      Result<BpfFilter> filter = BpfFilter::compile(request.filter, link_type);
      if (!filter && i < ports) return {SliceCode::invalid_argument, filter.error()};
      compiled.emplace(link_type, filter ? std::optional(std::move(*filter)) : std::nullopt);
    }
    filters.push_back(compiled.at(link_type));
  }
  return {};
}

}  // namespace

SliceError make_slice(const Spool& spool, const SliceRequest& request, const SliceSink& sink) {
  const auto snapshot = spool.snapshot(request.from_ns, request.to_ns);
  if (!snapshot) return {SliceCode::internal, snapshot.error()};
  std::vector<std::optional<BpfFilter>> filters;
  if (SliceError error = compile_filters(request, spool.ports().size(), (*snapshot)->interfaces(), filters);
      error.code != SliceCode::ok) {
    return error;
  }
  const SpoolTimes& times = (*snapshot)->times();
  if (times.oldest_ns > times.newest_ns) return {SliceCode::out_of_range, "the spool holds no packets yet"};
  if (request.to_ns < times.oldest_ns || request.from_ns > times.newest_ns) {
    return {SliceCode::out_of_range,
            fmt::format("the spool holds packets from {} to {}", time_text_ns(times.oldest_ns), time_text_ns(times.newest_ns))};
  }
  SliceMaker maker(spool, **snapshot, request, sink);
  maker.set_filters(std::move(filters));
  return maker.run();
}

}  // namespace parallax
