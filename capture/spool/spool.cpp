#include "capture/spool/spool.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <thread>

#include "capture/file/pcapng_writer.h"
#include "capture/spool/spool_batch.h"
#include "capture/spool/spool_batch_queue.h"
#include "capture/spool/spool_directory.h"
#include "capture/spool/spool_gatherer.h"
#include "capture/spool/spool_lane.h"
#include "capture/spool/spool_reader.h"
#include "capture/spool/spool_writer.h"

namespace parallax {

namespace {

constexpr uint64_t kFileSizeMin = 1 << 20, kFileSizeMax = 32ull << 30;  // so that an index fits a block of 16 MiB
constexpr uint64_t kDefaultFiles = 64, kDefaultFileSizeMax = 1 << 30;
constexpr size_t kBatches = 2;           // one is gathered while the other is written
constexpr uint32_t kFirstSleepUs = 100;  // hardly a block is full sooner, and to wake costs 20 us
constexpr std::chrono::milliseconds kStopLook{1};

// Fills in what is left to choose. Error: a value that cannot be.
Result<SpoolOptions> effective(SpoolOptions options) {
  if (options.directory.empty()) return Error{"spool.directory is empty"};
  if (options.limits.size < kSpoolSizeMin) {
    return Error{"spool.size is " + std::to_string(options.limits.size) + " bytes; at least " + std::to_string(kSpoolSizeMin)};
  }
  if (options.file_size == 0)
    options.file_size = std::clamp(options.limits.size / kDefaultFiles, kFileSizeMin, kDefaultFileSizeMax);
  if (options.file_size < kFileSizeMin || options.file_size > kFileSizeMax || options.file_size > options.limits.size / 2) {
    return Error{"spool.file_size is " + std::to_string(options.file_size) + " bytes; at least " + std::to_string(kFileSizeMin) +
                 ", at most half of spool.size, and at most " + std::to_string(kFileSizeMax)};
  }
  constexpr uint32_t kFlags = pcapng::kDirectionInbound;
  const size_t packet_bytes = with_drop_count(enhanced_packet_size(options.snaplen, kFlags), kFlags);
  options.block_bytes = std::max(options.block_bytes, std::bit_ceil(packet_bytes));
  options.lanes = std::max<size_t>(options.lanes, 1);
  return options;
}

// A file holds several.
size_t batch_bytes(const SpoolOptions& options) {
  return std::max<size_t>(options.block_bytes, std::min<uint64_t>(SpoolBatch::kHugePageBytes, options.file_size / 4));
}

}  // namespace

struct Spool::Impl {
  SpoolOptions options;
  std::vector<SpoolPort> ports;
  std::unique_ptr<SpoolDirectory> directory;
  std::vector<std::unique_ptr<SpoolLane>> lanes;
  std::vector<std::unique_ptr<SpoolBatch>> batches;
  SpoolBatchQueue full{kBatches}, empty{kBatches};
  std::unique_ptr<SpoolGatherer> gatherer;
  std::unique_ptr<SpoolWriter> writer;
  std::unique_ptr<PollThread> gathering, writing;  // go first
};

Spool::Spool(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Spool::~Spool() { stop(); }

Result<std::unique_ptr<Spool>> Spool::open(SpoolOptions wanted, std::vector<SpoolPort> ports) {
  Result<SpoolOptions> options = effective(std::move(wanted));
  if (!options) return Error{options.error()};
  Result<std::unique_ptr<SpoolDirectory>> directory = SpoolDirectory::open(options->directory, options->require_mount);
  if (!directory) return Error{directory.error()};
  auto impl = std::make_unique<Impl>();
  impl->options = std::move(*options);
  impl->ports = std::move(ports);
  impl->directory = std::move(*directory);
  const size_t blocks = std::max<size_t>(impl->options.lane_bytes / impl->options.block_bytes, 4);
  for (size_t i = 0; i < impl->options.lanes; ++i) {
    impl->lanes.push_back(
        std::make_unique<SpoolLane>(lane_ports(impl->ports), impl->options.snaplen, impl->options.block_bytes, blocks));
  }
  for (size_t i = 0; i < kBatches; ++i) {
    impl->batches.push_back(std::make_unique<SpoolBatch>(lane_ports(impl->ports), batch_bytes(impl->options)));
    impl->empty.push(*impl->batches.back());
  }
  impl->gatherer = std::make_unique<SpoolGatherer>(impl->options, impl->lanes, impl->empty, impl->full);
  impl->writer =
      std::make_unique<SpoolWriter>(impl->options, impl->ports, *impl->directory, impl->lanes, impl->full, impl->empty);
  const auto thread_of = [](const char* name, Pollable& stage) {
    return std::make_unique<PollThread>(
        PollThreadOptions{.name = name, .stages = {&stage}, .spins_before_rest = 0, .first_sleep_us = kFirstSleepUs});
  };
  impl->gathering = thread_of("spool-gather", *impl->gatherer);
  impl->writing = thread_of("spool-write", *impl->writer);
  return std::unique_ptr<Spool>(new Spool(std::move(impl)));
}

PacketSink& Spool::lane(size_t rx_worker) { return *impl_->lanes.at(rx_worker); }

std::string Spool::start() {
  if (std::string error = impl_->writing->start(); !error.empty()) return error;
  return impl_->gathering->start();
}

void Spool::stop() {
  impl_->gatherer->stop();
  // It waits for batches that a writer which has failed will not give back.
  while (impl_->gathering->is_running() && impl_->writing->failure().empty()) std::this_thread::sleep_for(kStopLook);
  impl_->gathering->request_stop();
  impl_->gathering->join();
  impl_->writer->stop();
  impl_->writing->join();
}

std::vector<const PollThread*> Spool::threads() const { return {impl_->gathering.get(), impl_->writing.get()}; }

std::string Spool::set_limits(const SpoolLimits& limits) {
  if (limits.size / 2 < impl_->options.file_size)
    return "spool.size is " + std::to_string(limits.size) + " bytes, less than two of its files of " +
           std::to_string(impl_->options.file_size) + " bytes; smaller ones need a restart";
  impl_->writer->set_limits(limits);
  return {};
}

void Spool::set_snap_rules(SpoolSnapRules rules) { impl_->gatherer->set_snap_rules(std::move(rules)); }

SpoolStatus Spool::status() const {
  SpoolStatus status;
  const SpoolDirectory::Totals totals = impl_->directory->totals();
  const SpoolWriter::Counters& counters = impl_->writer->counters();
  status.directory = impl_->options.directory;
  status.bytes = totals.bytes;
  status.limit_bytes = impl_->writer->limits().size;
  status.files = totals.files;
  if (totals.packets > 0) {
    status.oldest_packet_ns = totals.first_ns;
    status.newest_packet_ns = totals.last_ns;
  }
  status.bytes_written = counters.bytes_written.get();
  status.bytes_written_direct = counters.bytes_written_direct.get();
  status.packets_written = counters.packets_written.get();
  status.dropped_packets = counters.packets_dropped.get();
  for (const auto& lane : impl_->lanes) status.dropped_packets += lane->dropped();
  status.write_errors = counters.write_errors.get();
  status.max_age_ns = impl_->writer->limits().max_age_ns;
  status.min_free = impl_->writer->limits().min_free;
  status.free_bytes = impl_->writer->free_bytes();
  status.removals = impl_->directory->removals();
  status.error = impl_->writer->error();
  status.repairs = impl_->directory->repairs();
  return status;
}

SpoolRemovals Spool::take_removals() { return impl_->directory->take_removals(); }

const std::vector<SpoolPort>& Spool::ports() const { return impl_->ports; }

Result<std::unique_ptr<SpoolSnapshot>> Spool::snapshot(int64_t from_ns, int64_t to_ns) const {
  const SpoolDirectory::Totals totals = impl_->directory->totals();
  auto views = impl_->directory->view(from_ns, to_ns);
  if (!views) return Error{views.error()};
  SpoolTimes times{from_ns, to_ns, totals.first_ns, totals.last_ns, totals.last_ns, impl_->directory->empty_since_ns()};
  // One lane may be on disk up to now, while another's packets of the last interval are still in memory.
  if (totals.packets > 0 && impl_->writing->rounds() > 0 && !impl_->writing->finished()) {
    times.complete_to_ns -= impl_->options.flush_interval_ns + int64_t{SpoolGatherer::kRestUs} * 1000;
  }
  std::vector<SpoolInterface> own;
  for (const SpoolPort& port : impl_->ports) {
    own.push_back(
        {{port.info.name, interface_description(port.point, port.info.direction), port.link_type, impl_->options.snaplen},
         port.point,
         port.info.direction});
  }
  return SpoolSnapshot::open(std::move(*views), std::move(own), times);
}

}  // namespace parallax
