#include "capture/spool/spool_writer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "capture/file/pcapng_blocks.h"

namespace parallax {

namespace {

constexpr auto kRemovalInterval = std::chrono::seconds(1);
constexpr auto kLookInterval = std::chrono::seconds(1);
// A file is finished at the latest when its first packet is so much of the greatest age old: it goes as a whole.
constexpr int64_t kFilesOfAge = 16;
constexpr size_t kDirectBytesMin = 128 << 10;  // where padding to a whole disk block is 2 % on average
constexpr uint64_t kStatisticsBytes = 128;     // of an interface statistics block, less than this
constexpr uint64_t kFileSizeMin = 1 << 20;

int64_t utc_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

bool disk_full(int error) { return error == ENOSPC || error == EDQUOT; }

}  // namespace

SpoolWriter::SpoolWriter(const SpoolOptions& options, const std::vector<SpoolPort>& ports, SpoolDirectory& directory,
                         const std::vector<std::unique_ptr<SpoolLane>>& lanes, SpoolBatchQueue& full, SpoolBatchQueue& empty)
    : options_(options),
      size_(options.limits.size),
      min_free_(options.limits.min_free),
      max_age_ns_(options.limits.max_age_ns),
      ports_(ports),
      directory_(directory),
      lanes_(lanes),
      full_(full),
      empty_(empty),
      file_size_max_(options.file_size),
      file_size_(options.file_size),
      delivered_(ports.size()),
      at_begin_(ports.size()),
      not_written_(ports.size()),
      ports_dropped_(ports.size()),
      ports_asked_ns_(utc_ns()) {
  // Between the last run's packets and this one's nobody listened.
  const SpoolDirectory::Totals totals = directory.totals();
  if (totals.packets > 0) directory.add_loss({totals.last_ns, std::max(totals.last_ns, ports_asked_ns_)});
  for (size_t port = 0; port < ports_.size(); ++port) at_begin_[port] = port_statistics(static_cast<PortIndex>(port));
}

SpoolWriter::~SpoolWriter() = default;

bool SpoolWriter::poll() {
  const bool stopping = stopping_.load(std::memory_order_acquire);
  if (const Clock::time_point now = Clock::now(); now >= next_look_) look_after_directory(now);
  if (SpoolBatch* batch = full_.take()) {
    write(*batch);
    batch->clear();
    empty_.push(*batch);
    return true;
  }
  if (stopping && !finished()) {
    finish_file();
    finished_.store(true, std::memory_order_release);
  }
  return false;
}

Rest SpoolWriter::rest() {
  const auto wait = std::chrono::duration_cast<std::chrono::microseconds>(next_look_ - Clock::now());
  return {static_cast<uint32_t>(std::max<int64_t>(wait.count(), 1)), full_.descriptors()};
}

void SpoolWriter::look_after_directory(Clock::time_point now) {
  next_look_ = now + kLookInterval;
  const SpoolDirectory::Look look = directory_.look();
  if (look.current_lost && file_.is_open()) {
    file_.close();
    for (size_t port = 0; port < ports_.size(); ++port) at_begin_[port] = port_statistics(static_cast<PortIndex>(port));
  }
  if (look.fault.empty()) {
    directory_fault_.clear();
  } else {
    directory_fault_.raise(look.fault);
  }
  keep_age();
  keep_free(0);
  const uint64_t free = directory_.free_bytes();
  if (disk_was_full_ && free >= kFileSizeMin) write_fault_.clear();  // also where no packet comes to show it
  if (free != UINT64_MAX) free_bytes_.store(free, std::memory_order_relaxed);
}

void SpoolWriter::keep_age() {
  const int64_t max_age_ns = limits().max_age_ns;
  if (max_age_ns == 0) return;
  const int64_t now_ns = utc_ns();
  const SpoolFileIndex& current = directory_.current_index();
  if (file_.is_open() && current.packets > 0 && current.first_ns < now_ns - max_age_ns / kFilesOfAge) finish_file();
  if (const Result<bool> removed = directory_.remove_older_than(now_ns - max_age_ns); !removed) failed(removed.error(), 0);
}

void SpoolWriter::write(SpoolBatch& batch) {
  const uint64_t bytes = batch.bytes().size();
  if (file_.is_open() && file_.bytes() + bytes > file_size_ && directory_.current_index().packets > 0) finish_file();
  bool written = false;
  for (int attempt = 0; attempt < 2 && !written && make_room(bytes + 2 * SpoolOutput::kAlignment); ++attempt) {
    int error = 0;
    if (begin_file(error)) {
      written = append(batch, error);
      if (written) break;
      failed("cannot write", error);
    }
    if (!recover_space(error)) break;
  }
  if (written) {
    write_fault_.clear();
  } else {
    drop(batch);
  }
  take_losses();
}

bool SpoolWriter::append(SpoolBatch& batch, int& error) {
  const bool direct = file_.is_direct() && batch.bytes().size() >= kDirectBytesMin;
  if (direct && file_.bytes() % SpoolOutput::kAlignment != 0) {
    PcapngBuffer padding;
    append_padding(padding, SpoolOutput::kAlignment, file_.bytes());
    if (!append(padding, error)) return false;
  }
  const uint64_t begin = file_.bytes();
  const std::span<const uint8_t> bytes = direct ? batch.padded_bytes() : batch.bytes();
  const bool written = direct ? file_.append_direct(bytes, error) : file_.append(bytes, error);
  if (file_.why_not_cut() != 0) failed("cannot cut a file", file_.why_not_cut());
  if (!written) return false;
  counters_.bytes_written.add(bytes.size());
  if (direct && file_.is_direct()) counters_.bytes_written_direct.add(bytes.size());
  batch.for_each_chunk([&](SpoolChunk chunk, std::span<const uint64_t> legs) {
    chunk.offset += begin;
    directory_.grow_current(chunk, legs);
  });
  directory_.grow_current(bytes.size() - batch.bytes().size());
  for (size_t port = 0; port < delivered_.size(); ++port) delivered_[port] += batch.by_interface()[port].count;
  counters_.packets_written.add(batch.packets());
  return true;
}

void SpoolWriter::drop(const SpoolBatch& batch) {
  counters_.packets_dropped.add(batch.packets());
  for (const SpoolLoss& loss : batch.by_interface()) {
    if (loss.count == 0) continue;
    not_written_[loss.interface] += loss.count;
    directory_.add_loss(loss);
  }
}

// Losses of the lanes with their own times; those of the ports lie between the last question and now, a second earlier for
// counters that are polled.
void SpoolWriter::take_losses() {
  for (const auto& lane : lanes_) {
    for (SpoolLoss loss; lane->take_loss(loss);) directory_.add_loss(loss);
  }
  if (!options_.port_statistics) return;
  constexpr int64_t kPolledNs = 1'000'000'000;
  const int64_t now_ns = utc_ns();
  for (size_t port = 0; port < ports_.size(); ++port) {
    const uint64_t dropped = options_.port_statistics(static_cast<PortIndex>(port)).dropped;
    if (dropped > ports_dropped_[port]) {
      directory_.add_loss({ports_asked_ns_ - kPolledNs, now_ns, dropped - ports_dropped_[port], static_cast<uint32_t>(port), 0});
    }
    ports_dropped_[port] = dropped;
  }
  ports_asked_ns_ = now_ns;
}

bool SpoolWriter::make_room(uint64_t bytes) {
  const SpoolFileIndex& index = directory_.current_index();
  // With what finishing the file will add.
  bytes += (index.chunks.size() + index.losses.size() + 2) * sizeof(SpoolChunk) + index.legs.bytes() +
           ports_.size() * kStatisticsBytes;
  return keep_size(bytes) && keep_free(bytes);
}

bool SpoolWriter::keep_size(uint64_t bytes) {
  while (directory_.totals().bytes + bytes > limits().size) {
    if (!remove_oldest(SpoolRemovalReason::size)) return directory_.totals().files <= (file_.is_open() ? 1u : 0u);
  }
  return true;
}

// Others may take the disk meanwhile: then the spool gives way, file by file, and at last drops packets.
bool SpoolWriter::keep_free(uint64_t bytes) {
  const uint64_t min_free = limits().min_free;
  if (min_free == 0) {
    space_fault_.clear();
    return true;
  }
  while (true) {
    const uint64_t free = directory_.free_bytes();
    if (free >= min_free && free - min_free >= bytes) {
      space_fault_.clear();
      return true;
    }
    const Clock::time_point now = Clock::now();
    // Smaller files, so that less history goes with each.
    file_size_ = std::clamp(directory_.totals().bytes / 8, std::min(kFileSizeMin, options_.file_size), file_size_);
    if (now >= next_removal_ && file_.is_open() && file_.bytes() >= file_size_ && directory_.totals().files == 1) finish_file();
    if (now < next_removal_ || !remove_oldest(SpoolRemovalReason::min_free)) {
      space_fault_.raise(named("less than spool.min_free (" + std::to_string(min_free) + " bytes) is free on its disk"));
      return false;
    }
    // A reader may hold the file open, and some file systems take their time.
    if (directory_.free_bytes() <= free) next_removal_ = now + kRemovalInterval;
  }
}

bool SpoolWriter::remove_oldest(SpoolRemovalReason reason) {
  const Result<bool> removed = directory_.remove_oldest(reason);
  if (!removed) failed(removed.error(), 0);
  return removed && *removed;
}

// After a failed write; returns whether another attempt is worth while.
bool SpoolWriter::recover_space(int error) {
  if (error == EFBIG && file_.is_open()) {  // a limit on the size of files: the next one has room
    file_size_max_ = file_size_ = std::max(file_.bytes(), kFileSizeMin);
    finish_file();
    return true;
  }
  const Clock::time_point now = Clock::now();
  if (!disk_full(error) || now < next_removal_) return false;
  next_removal_ = now + kRemovalInterval;
  // The disk holds less than the configured size: smaller files, so that less history goes with each.
  file_size_ = std::clamp(directory_.totals().bytes / 8, std::min(kFileSizeMin, options_.file_size), file_size_);
  if (remove_oldest(SpoolRemovalReason::disk_full)) return true;
  // Only the current file is left to give way.
  if (!file_.is_open() || file_.bytes() < file_size_) return false;
  finish_file();
  remove_oldest(SpoolRemovalReason::disk_full);
  return true;
}

bool SpoolWriter::begin_file(int& error) {
  if (file_.is_open()) return true;
  if (this->error().empty()) file_size_ = file_size_max_;
  const Result<int> fd = directory_.begin_current();
  if (!fd) {
    error = errno;
    if (error == ENOENT) {
      next_look_ = {};  // which tells what is wrong with the directory
    } else {
      failed(fd.error(), 0);
    }
    return false;
  }
  file_.open(*fd, options_.direct);
  PcapngBuffer header;
  append_section_header(header, section_of_this_machine(options_.application));
  for (const SpoolPort& port : ports_) {
    append_interface(header,
                     {port.info.name, interface_description(port.point, port.info.direction), port.link_type, options_.snaplen});
  }
  if (!append(header, error)) {
    failed("cannot begin a file", error);
    finish_file();  // removes it: there is no packet in it
    return false;
  }
  std::fill(delivered_.begin(), delivered_.end(), 0);
  return true;
}

void SpoolWriter::finish_file() {
  if (!file_.is_open()) return;
  if (directory_.current_index().packets > 0) {
    take_losses();
    PcapngBuffer end;
    append_file_statistics(end);
    append_spool_index(end, directory_.current_index());
    // Without them the file is still whole: a restart finds its index by a scan.
    int error = 0;
    if (!append(end, error)) failed("cannot write the end of a file", error);
  }
  file_.close();
  const Result<bool> finished = directory_.finish_current();
  if (!finished) failed(finished.error(), 0);
  // What is dropped until the next file begins is in that one's account.
  for (size_t port = 0; port < ports_.size(); ++port) at_begin_[port] = port_statistics(static_cast<PortIndex>(port));
}

SpoolOptions::PortStatistics SpoolWriter::port_statistics(PortIndex port) const {
  SpoolOptions::PortStatistics statistics;
  if (options_.port_statistics) statistics = options_.port_statistics(port);
  for (const auto& lane : lanes_) statistics.dropped += lane->dropped(port);
  statistics.dropped += not_written_[port];
  return statistics;
}

void SpoolWriter::append_file_statistics(PcapngBuffer& out) const {
  const SpoolFileIndex& index = directory_.current_index();
  for (size_t port = 0; port < ports_.size(); ++port) {
    const SpoolOptions::PortStatistics now = port_statistics(static_cast<PortIndex>(port));
    const uint64_t dropped = now.dropped - at_begin_[port].dropped;
    PcapngStatistics statistics{static_cast<uint32_t>(port), index.first_ns, index.last_ns, 0, dropped, 0, delivered_[port], {}};
    statistics.received = options_.port_statistics ? now.received - at_begin_[port].received : delivered_[port] + dropped;
    statistics.filter_accepted = delivered_[port];
    append_statistics(out, statistics);
  }
}

bool SpoolWriter::append(std::span<const uint8_t> bytes, int& error) {
  const bool written = file_.append(bytes, error);
  if (file_.why_not_cut() != 0) failed("cannot cut a file", file_.why_not_cut());
  if (!written) return false;
  counters_.bytes_written.add(bytes.size());
  directory_.grow_current(bytes.size());
  return true;
}

void SpoolWriter::failed(const std::string& what, int error) {
  counters_.write_errors.add();
  disk_was_full_ = error == ENOSPC;
  write_fault_.raise(named(error != 0 ? what + ": " + std::strerror(error) : what));
}

std::string SpoolWriter::named(const std::string& what) const { return "spool " + options_.directory + ": " + what; }

std::string SpoolWriter::error() const {
  for (const SpoolFault* fault : {&directory_fault_, &space_fault_, &write_fault_}) {
    if (std::string text = fault->text(); !text.empty()) return text;
  }
  return {};
}

}  // namespace parallax
