#include "capture/spool/spool.h"

#include <algorithm>
#include <atomic>
#include <bit>

#include "capture/file/pcapng_writer.h"
#include "capture/spool/spool_directory.h"
#include "capture/spool/spool_lane.h"
#include "capture/spool/spool_reader.h"
#include "capture/spool/spool_writer.h"

namespace parallax {

namespace {

constexpr uint64_t kFileSizeMin = 1 << 20, kFileSizeMax = 32ull << 30;  // so that an index fits a block of 16 MiB
constexpr uint64_t kDefaultFiles = 64, kDefaultFileSizeMax = 1 << 30;
constexpr uint32_t kIdleUs = 2000;

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
  const size_t packet_bytes = enhanced_packet_size(options.snaplen, pcapng::kDirectionInbound);
  options.block_bytes = std::max(options.block_bytes, std::bit_ceil(packet_bytes));
  options.lanes = std::max<size_t>(options.lanes, 1);
  return options;
}

}  // namespace

struct Spool::Impl {
  SpoolOptions options;
  std::vector<SpoolPort> ports;
  std::unique_ptr<SpoolDirectory> directory;
  std::vector<std::unique_ptr<SpoolLane>> lanes;
  std::unique_ptr<SpoolWriter> writer;
  // The writer as a stage that ends: told to stop, it finishes the file.
  class Stage : public Pollable {
   public:
    explicit Stage(SpoolWriter& writer) : writer_(writer) {}
    bool poll() override {
      if (!stopping_.load(std::memory_order_acquire)) return writer_.poll();
      if (!finished_.load(std::memory_order_relaxed)) writer_.finish();
      finished_.store(true, std::memory_order_relaxed);
      return false;
    }
    Rest rest() override { return {kIdleUs}; }
    bool finished() const override { return finished_.load(std::memory_order_relaxed); }
    void stop() { stopping_.store(true, std::memory_order_release); }

   private:
    SpoolWriter& writer_;
    std::atomic<bool> stopping_{false}, finished_{false};
  };
  std::unique_ptr<Stage> stage;
  std::unique_ptr<PollThread> thread;  // goes first
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
  impl->writer = std::make_unique<SpoolWriter>(impl->options, impl->ports, *impl->directory, impl->lanes);
  impl->stage = std::make_unique<Impl::Stage>(*impl->writer);
  impl->thread =
      std::make_unique<PollThread>(PollThreadOptions{.name = "spool", .stages = {impl->stage.get()}, .spins_before_rest = 0});
  return std::unique_ptr<Spool>(new Spool(std::move(impl)));
}

PacketSink& Spool::lane(size_t rx_worker) { return *impl_->lanes.at(rx_worker); }

std::string Spool::start() { return impl_->thread->start(); }

void Spool::stop() {
  impl_->stage->stop();
  impl_->thread->join();
}

const PollThread& Spool::thread() const { return *impl_->thread; }

std::string Spool::set_limits(const SpoolLimits& limits) {
  if (limits.size / 2 < impl_->options.file_size)
    return "spool.size is " + std::to_string(limits.size) + " bytes, less than two of its files of " +
           std::to_string(impl_->options.file_size) + " bytes; smaller ones need a restart";
  impl_->writer->set_limits(limits);
  return {};
}

void Spool::set_snap_rules(SpoolSnapRules rules) { impl_->writer->set_snap_rules(std::move(rules)); }

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
  if (totals.packets > 0 && impl_->thread->rounds() > 0 && !impl_->thread->finished()) {
    times.complete_to_ns -= impl_->options.flush_interval_ns + int64_t{kIdleUs} * 1000;
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
