#include "daemon/slice/slice.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "capture/file/pcapng_writer.h"
#include "daemon/message/time_text.h"
#include "daemon/slice/slice_filters.h"
#include "daemon/slice/slice_notes.h"
#include "daemon/slice/slice_packets.h"

namespace parallax {

namespace {

// Blocks on their way to the sink, in chunks of kSliceChunkBytes.
class SliceOutput {
 public:
  explicit SliceOutput(const SliceSink& sink) : sink_(sink) {}

  PcapngBuffer& buffer() { return buffer_; }
  uint64_t bytes() const { return sent_ + buffer_.size(); }  // so far
  // Sends whole chunks. False: the receiver has gone.
  bool send() {
    size_t sent = 0;
    for (; buffer_.size() - sent >= kSliceChunkBytes; sent += kSliceChunkBytes) {
      if (!sink_(std::span(buffer_).subspan(sent, kSliceChunkBytes))) return false;
    }
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(sent));
    sent_ += sent;
    return true;
  }
  bool send_rest() { return send() && (buffer_.empty() || sink_(buffer_)); }

 private:
  const SliceSink& sink_;
  PcapngBuffer buffer_;
  uint64_t sent_ = 0;
};

std::string removed_text(const std::vector<SpoolLoss>& removed) {
  int64_t from_ns = kTimeMax, to_ns = kTimeMin;
  for (const SpoolLoss& file : removed) {
    from_ns = std::min(from_ns, file.from_ns);
    to_ns = std::max(to_ns, file.to_ns);
  }
  return fmt::format("files of the spool from {} to {} were removed by others than parallaxd", time_text_ns(from_ns),
                     time_text_ns(to_ns));
}

std::string held_text(const SpoolTimes& times) {
  if (times.oldest_ns > times.newest_ns) return "the spool holds no packets";
  return fmt::format("the spool holds packets from {} to {}", time_text_ns(times.oldest_ns), time_text_ns(times.newest_ns));
}

// Of what was asked for. `fault` keeps the spool from writing: what has passed since its newest packet is not in it.
std::vector<std::string> what_is_missing(const SpoolSnapshot& snapshot, const std::string& fault) {
  const SpoolTimes& times = snapshot.times();
  std::vector<std::string> missing;
  const bool is_empty = times.oldest_ns > times.newest_ns;
  const int64_t held_from_ns = is_empty ? times.empty_since_ns : times.oldest_ns;
  if (times.from_ns != kTimeMin && times.from_ns < held_from_ns) {
    missing.push_back(fmt::format("asked for packets from {}; the spool holds none before {}", time_text_ns(times.from_ns),
                                  time_text_ns(held_from_ns)));
  }
  if (!snapshot.removed().empty()) missing.push_back(removed_text(snapshot.removed()));
  if (!fault.empty() && times.to_ns > times.newest_ns) {
    missing.push_back(fmt::format("what has passed{} may not have been written: {}",
                                  is_empty ? "" : " since " + time_text_ns(times.newest_ns), fault));
  }
  return missing;
}

// Whether what was asked for is past what the spool can have, so that to find nothing says nothing. Empty: it is not.
std::string why_out_of_range(const SpoolSnapshot& snapshot, const std::string& fault) {
  const SpoolTimes& times = snapshot.times();
  const bool is_empty = times.oldest_ns > times.newest_ns;
  if (snapshot.holds_packets()) return {};
  if (!snapshot.removed().empty()) return removed_text(snapshot.removed()) + "; " + held_text(times);
  if (times.to_ns < (is_empty ? times.empty_since_ns : times.oldest_ns)) return held_text(times);
  if (!fault.empty() && times.to_ns > times.newest_ns) return fault + "; " + held_text(times);
  return {};
}

// Of a packet's block beside the packet and its comment no more than this.
constexpr uint64_t kBlockBytesMax = 80;

// What was written, for the statistics at the end.
struct Written {
  uint64_t selected = 0, written = 0;
  uint64_t shortened = 0;  // of those written
  int64_t first_ns = kTimeMax, last_ns = kTimeMin;
};

class SliceMaker {
 public:
  SliceMaker(const Spool& spool, const SpoolSnapshot& snapshot, const SliceRequest& request, const SliceSink& sink)
      : snapshot_(snapshot),
        request_(request),
        sink_(sink),
        path_(slice_path(spool.ports(), snapshot)),
        missing_(request.missing),
        output_(sink) {
    for (std::string& sentence : what_is_missing(snapshot, spool.status().error)) missing_.push_back(std::move(sentence));
  }

  // By interface; nullopt: the filter has no meaning for its link type.
  void set_filters(SliceFilters filters) { filters_ = std::move(filters); }

  SliceResult run();

 private:
  void write_header(const SliceNotes& notes);
  bool write_packets(const SliceNotes& notes);
  void write_statistics();
  int64_t time_without_packets() const;
  SliceSummary summary() const;
  std::string cut_text() const;

  const SpoolSnapshot& snapshot_;
  const SliceRequest& request_;
  const SliceSink& sink_;
  const SlicePath path_;
  std::vector<std::string> missing_;  // of what was asked for
  SliceOutput output_;
  bool there_ = true;  // the receiver
  const std::function<bool()> go_on_ = [this] { return there_ = there_ && sink_({}); };
  SliceFilters filters_;
  std::vector<Written> written_;  // by interface
  uint64_t chunks_damaged_ = 0;
  std::optional<int64_t> cut_at_ns_;  // at the bound of its bytes
};

SliceResult SliceMaker::run() {
  const SliceNotes notes(snapshot_, request_, path_, go_on_);
  const SliceResult gone{SliceCode::cancelled, "the receiver has gone", {}};
  if (!there_) return gone;
  write_header(notes);
  if (!write_packets(notes)) return gone;
  write_statistics();
  if (!output_.send_rest()) return gone;
  return {SliceCode::ok, {}, summary()};
}

std::string SliceMaker::cut_text() const { return slice_cut_text(*cut_at_ns_, request_.bytes_max); }

SliceSummary SliceMaker::summary() const {
  SliceSummary summary;
  for (const std::string& name : path_.names) summary.points.push_back({name});
  const auto point_of = [&](size_t interface) -> SliceSummary::Point& {
    const std::string& name = snapshot_.interfaces()[interface].point;
    const auto known = std::find_if(summary.points.begin(), summary.points.end(), [&](const auto& p) { return p.name == name; });
    return known != summary.points.end() ? *known : summary.points.emplace_back(SliceSummary::Point{name});
  };
  for (size_t i = 0; i < written_.size(); ++i) {
    if (written_[i].written == 0) continue;
    point_of(i).packets += written_[i].written;
    summary.first_ns = std::min(summary.first_ns, written_[i].first_ns);
    summary.last_ns = std::max(summary.last_ns, written_[i].last_ns);
  }
  for (const SpoolLoss& loss : snapshot_.losses()) {
    if (loss.from_ns > request_.to_ns || loss.to_ns < request_.from_ns) continue;
    if (loss.interface < written_.size()) point_of(loss.interface).lost += loss.count;
    summary.loss_is_uncounted |= loss.count == 0;
  }
  summary.missing = missing_;
  summary.is_cut = cut_at_ns_.has_value();
  if (cut_at_ns_) summary.missing.push_back(cut_text());
  if (chunks_damaged_ > 0) {
    summary.missing.push_back(fmt::format("{} pieces of the spool could not be read in full", chunks_damaged_));
  }
  return summary;
}

void SliceMaker::write_header(const SliceNotes& notes) {
  PcapngSection section = section_of_this_machine("parallax " PARALLAX_VERSION);
  section.comments = request_.comments;
  if (request_.bytes_max != UINT64_MAX) section.comments.push_back(fmt::format("at most {} bytes", request_.bytes_max));
  for (const std::string& sentence : missing_) section.comments.push_back(sentence);
  for (const std::string& remark : notes.remarks()) section.comments.push_back(remark);
  append_section_header(output_.buffer(), section);
  for (const SpoolInterface& interface : snapshot_.interfaces()) append_interface(output_.buffer(), interface.block);
}

bool SliceMaker::write_packets(const SliceNotes& notes) {
  const size_t interface_count = snapshot_.interfaces().size();
  written_.resize(interface_count);
  SlicePackets packets(snapshot_, request_, path_.points, false, go_on_);
  for (SlicePacket packet; packets.next(packet);) {
    const RawPacket& raw = packet.spooled.packet;
    const uint16_t number = packet.spooled.interface;
    Written& written = written_[number];
    ++written.selected;
    if (!filters_[number] || !filters_[number]->matches(raw)) continue;
    const std::string comment = notes.comment(number, raw.frame);
    // With what the block has beside the packet, and what is still to come at the end.
    const uint64_t bytes = raw.captured_length + comment.size() + kBlockBytesMax + interface_count * kSliceStatisticsBytes;
    if (output_.bytes() + bytes > request_.bytes_max) {
      cut_at_ns_ = raw.time_ns;
      break;
    }
    ++written.written;
    written.shortened += raw.captured_length < std::min(raw.wire_length, snapshot_.interfaces()[number].block.snaplen);
    written.first_ns = std::min(written.first_ns, raw.time_ns);
    written.last_ns = std::max(written.last_ns, raw.time_ns);
    append_packet(output_.buffer(), {number,
                                     raw.time_ns,
                                     {raw.data, raw.captured_length},
                                     raw.wire_length,
                                     snapshot_.interfaces()[number].direction,
                                     notes.packet_id(number, raw.frame),
                                     comment,
                                     packet.spooled.drop_count});
    if (!output_.send()) return false;
  }
  chunks_damaged_ = packets.chunks_damaged();
  return !packets.stopped();
}

// For statistics of nothing: a time within what was asked for that pcapng can say.
int64_t SliceMaker::time_without_packets() const {
  const SpoolTimes& times = snapshot_.times();
  const bool is_empty = times.oldest_ns > times.newest_ns;
  return std::clamp<int64_t>(is_empty ? times.empty_since_ns : times.oldest_ns, std::max<int64_t>(times.from_ns, 0),
                             std::max<int64_t>(times.to_ns, 0));
}

void SliceMaker::write_statistics() {
  Written all;
  for (const Written& written : written_) {
    all.first_ns = std::min(all.first_ns, written.first_ns);
    all.last_ns = std::max(all.last_ns, written.last_ns);
  }
  if (all.first_ns > all.last_ns) all.first_ns = all.last_ns = time_without_packets();
  for (size_t i = 0; i < written_.size(); ++i) {
    PcapngStatistics statistics{static_cast<uint32_t>(i), all.first_ns,        all.last_ns, written_[i].selected, 0,
                                written_[i].written,      written_[i].written, {}};
    bool uncounted = false;
    for (const SpoolLoss& loss : snapshot_.losses()) {
      if (loss.from_ns > all.last_ns || loss.to_ns < all.first_ns) continue;
      if (loss.interface == i) statistics.dropped += loss.count;
      uncounted |= loss.interface == SpoolLoss::kAllInterfaces && loss.count == 0;
    }
    if (uncounted)
      statistics.comment = "the sensor was not running, or was killed, within this time: what was lost then is not counted";
    if (chunks_damaged_ > 0) {
      if (!statistics.comment.empty()) statistics.comment += "; ";
      statistics.comment += fmt::format("{} pieces of the spool could not be read in full", chunks_damaged_);
    }
    if (written_[i].shortened > 0) {
      if (!statistics.comment.empty()) statistics.comment += "; ";
      statistics.comment +=
          fmt::format("{} packets were cut before the snap length: spool.snap_rules keep less of them, or they came so",
                      written_[i].shortened);
    }
    if (cut_at_ns_) {
      if (!statistics.comment.empty()) statistics.comment += "; ";
      statistics.comment += "missing: " + cut_text();
    }
    append_statistics(output_.buffer(), statistics);
  }
}

}  // namespace

std::string slice_cut_text(int64_t cut_at_ns, uint64_t bytes_max) {
  return fmt::format("packets from {} on: it may have {} bytes, and they would be more", time_text_ns(cut_at_ns), bytes_max);
}

SliceResult make_slice(const Spool& spool, const SliceRequest& request, const SliceSink& sink) {
  const auto snapshot = spool.snapshot(request.from_ns, request.to_ns);
  if (!snapshot) return {SliceCode::internal, snapshot.error(), {}};
  // The present ports' link types must fit the filter; what earlier runs recorded may be of others, which then do not match.
  std::vector<LinkType> link_types;
  for (const SpoolInterface& interface : (*snapshot)->interfaces()) link_types.push_back(interface.block.link_type);
  Result<SliceFilters> filters = compile_slice_filters(request.filter, link_types, spool.ports().size());
  if (!filters) return {SliceCode::invalid_argument, filters.error(), {}};
  if (std::string why = why_out_of_range(**snapshot, spool.status().error); !why.empty())
    return {SliceCode::out_of_range, std::move(why), {}};
  SliceMaker maker(spool, **snapshot, request, sink);
  maker.set_filters(std::move(*filters));
  return maker.run();
}

}  // namespace parallax
