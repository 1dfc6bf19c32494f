#include "tests/support/pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <thread>

#include "capture/rx/rx_worker.h"
#include "capture/source/file_source.h"
#include "tests/support/capture_bytes.h"

namespace parallax::test {
namespace {

// Rounds over all stages in which none of them had anything to do, after which the pipeline counts as stuck.
constexpr int kIdleRoundsMax = 10'000;
constexpr size_t kRingSlots = 1024;

// A pcap file with stamps in nanoseconds.
std::vector<uint8_t> capture_file(const std::vector<TimedFrame>& frames) {
  constexpr int64_t kSecond = 1'000'000'000;
  CaptureBytes bytes(false);
  bytes.pcap_header(0xA1B23C4D);
  for (const TimedFrame& frame : frames) {
    bytes.pcap_packet(static_cast<uint32_t>(frame.time_ns / kSecond), static_cast<uint32_t>(frame.time_ns % kSecond), frame.bytes,
                      frame.wire_length > 0 ? frame.wire_length : static_cast<uint32_t>(frame.bytes.size()));
  }
  return bytes.bytes();
}

std::unique_ptr<PacketSource> source_of(const InputPort& port) {
  if (!port.as_file) return std::make_unique<MemorySource>(port.frames, port.losses);
  const TemporaryFile file(capture_file(port.frames));
  Result<std::unique_ptr<FileSource>> source = FileSource::open(file.path());
  if (!source.ok()) std::abort();
  return std::move(*source);
}

// A file tells of none: they are told before it is read.
void tell_losses(std::vector<SourceLoss> losses, PortChannel& channel) {
  std::sort(losses.begin(), losses.end(), [](const SourceLoss& a, const SourceLoss& b) { return a.to_ns < b.to_ns; });
  for (const SourceLoss& loss : losses) channel.loss.add(loss.from_ns, loss.to_ns, loss.count);
}

struct Pipeline {
  std::optional<FlowFilter> filter;
  std::vector<std::unique_ptr<PortChannel>> channels;
  std::unique_ptr<RxWorker> rx_worker;
  std::unique_ptr<Engine> engine;
  std::vector<Pollable*> stages;

  Pipeline(const PipelineInput& input, size_t workers) {
    std::vector<PortChannel*> pointers;
    std::vector<RxPort> rx_ports;
    for (const InputPort& port : input.ports) {
      channels.push_back(std::make_unique<PortChannel>(port.info, workers, kRingSlots));
      pointers.push_back(channels.back().get());
      for (const PortOutage& outage : port.outages) channels.back()->outages.add(outage);
      if (port.as_file) tell_losses(port.losses, *channels.back());
      rx_ports.push_back({static_cast<PortIndex>(rx_ports.size()), pointers.back(), source_of(port)});
    }
    EngineOptions options = input.options;
    options.workers = workers;
    RxWorkerOptions rx_options;
    if (!input.filter.empty()) {
      Result<FlowFilter> compiled = FlowFilter::compile(input.filter);
      if (!compiled.ok()) std::abort();
      filter = std::move(*compiled);
      rx_options.filters.analysis = &*filter;
      options.filtered = true;
    }
    rx_options.drop_hook = input.drop_hook;
    rx_options.key_from = input.key_from;
    rx_worker = std::make_unique<RxWorker>(std::move(rx_ports), rx_options);
    engine = std::make_unique<Engine>(options, pointers);
    stages.push_back(rx_worker.get());
    for (Pollable* worker : engine->workers()) stages.push_back(worker);
    stages.push_back(&engine->correlator());
  }

  PipelineOutput output(bool record_packets) const {
    PipelineOutput output;
    output.finished = engine->finished();
    output.handed_over = engine->take_handed_over();
    output.connections = engine->connections(0, SIZE_MAX);
    output.findings = engine->findings(0, SIZE_MAX);
    output.devices = engine->devices();
    output.points = engine->points();
    output.summary = engine->summary();
    output.counters = engine->counters();
    if (record_packets && output.finished) output.packets = engine->packets();
    return output;
  }
};

std::string describe(const std::optional<Distribution>& d) {
  return d ? fmt::format("{}/{}/{}/{}x{}", d->min_ns, d->median_ns, d->p99_ns, d->max_ns, d->count) : "-";
}
std::string describe(const OfferedOptions& o) {
  return fmt::format("mss {} ws {} sack {} ts {} ecn {} tfo {} window {}", o.mss, o.window_scale, o.sack, o.timestamps, o.ecn,
                     o.fast_open, o.initial_window);
}
std::string describe(const std::optional<RoundTripRecord>& r) {
  return r ? fmt::format("{}/{}/{}x{}", r->min_ns, r->smoothed_ns, r->max_ns, r->samples) : "-";
}
std::string describe_times(const LegRecord& l) {
  std::string text =
      fmt::format("        rtt client {} server {} first flight {}/{} ttl changes {}", describe(l.rtt[Side::client]),
                  describe(l.rtt[Side::server]), l.first_flight_bytes[Side::client].value_or(0),
                  l.first_flight_bytes[Side::server].value_or(0), fmt::join(l.ttl_changes, "/"));
  if (const auto& t = l.turn_totals) {
    text += fmt::format(" wait {} network {} longest {} transfer {} largest {} in flight {} outstanding {}/{:.3f}",
                        fmt::join(t->wait_ns, "/"), fmt::join(t->network_ns, "/"), fmt::join(t->longest_wait_ns, "/"),
                        fmt::join(t->transfer_ns, "/"), fmt::join(t->largest_message_bytes, "/"),
                        fmt::join(t->in_flight_max_bytes, "/"), t->outstanding_max, t->outstanding_mean);
  }
  return text + "\n";
}
template <typename T>
std::string optional_text(const std::optional<T>& value) {
  return value ? fmt::format("{}", *value) : "-";
}

}  // namespace

std::string describe(const Where& where, const std::vector<std::string>& path) {
  switch (where.kind) {
    case Where::Kind::beyond:
      return "beyond " + path.at(where.first);
    case Where::Kind::between:
      return "between " + path.at(where.first) + " " + path.at(where.second);
    default:
      return "unknown";
  }
}

std::string describe(const FindingRecord& f, const std::vector<std::string>& path) {
  std::string text = fmt::format(
      "finding {} {} {} confidence {:.3f} {} origin {} direction {} count {} time {}..{} lost {} rate {} period {} service {}",
      f.id, name_of(f.kind), name_of(f.severity), f.confidence, describe(f.where, path), name_of(f.origin), name_of(f.direction),
      f.count, f.first_seen_ns, f.last_seen_ns, optional_text(f.time_lost_seconds), optional_text(f.rate_per_second),
      optional_text(f.period_seconds), f.service.value_or("-"));
  text += fmt::format(" connections {} related {}\n", fmt::join(f.connection_ids, ","), fmt::join(f.related_connection_ids, ","));
  for (const Evidence& e : f.evidence) {
    text += fmt::format("    evidence {} at {} port {} frame {} time {}: {}\n", e.kind, path.at(e.point), optional_text(e.port),
                        e.frame, e.time_ns, e.detail);
  }
  return text + "    " + f.summary + "\n";
}

// What messages have said; nothing where they said nothing.
static std::string describe_messages(const ConnectionRecord& c) {
  std::string text;
  for (const LegRecord& l : c.legs) {
    if (l.tls) {
      text += fmt::format("    tls {} {} {} names {} alert {}\n", l.tls->sni, l.tls->alpn, l.tls->version,
                          fmt::join(l.tls->server_names, ","), l.tls->alert);
    }
    if (l.proxied) text += fmt::format("    proxied {} > {}\n", to_string(l.proxied->client), to_string(l.proxied->server));
  }
  for (const SharedPairingRecord& s : c.shared_with)
    text += fmt::format("    shared with {} {} confidence {:.3f} rivals {}\n", s.connection_id, name_of(s.method), s.confidence,
                        s.rivals);
  for (const HttpRequestRecord& r : c.http_requests)
    text += fmt::format("    http {} {} {} for {} host {}\n", r.method, r.target, r.status, r.forwarded_for, r.host);
  for (const DnsRecord& d : c.dns) text += fmt::format("    dns {} {} {} {}\n", d.id, d.name, d.type, d.rcode);
  for (const DhcpRecord& d : c.dhcp)
    text += fmt::format("    dhcp {} {} {} {}\n", d.transaction_id, d.first_message, d.last_message, d.assigned_address);
  return text;
}

std::string describe(const ConnectionRecord& c, const std::vector<std::string>& path) {
  std::string text =
      fmt::format("connection {} {} {} > {} {} syn_attempts {} close {} by {} replaced by {} findings {}\n", c.id,
                  name_of(c.protocol), to_string(c.client), to_string(c.server), name_of(c.outcome), c.syn_attempts,
                  name_of(c.close), name_of(c.closed_by), optional_text(c.replaced_by), fmt::join(c.finding_ids, ","));
  for (const LegRecord& l : c.legs) {
    text += fmt::format(
        "    leg {} {} > {} {} history {} packets {} bytes {} retransmissions {} isn {} time {}..{} rtt {}/{} hops {}/{} turns "
        "{} options {}; {}\n",
        path.at(l.point), to_string(l.client), to_string(l.server), name_of(l.conn_state), l.history, fmt::join(l.packets, "/"),
        fmt::join(l.bytes, "/"), fmt::join(l.retransmissions, "/"), fmt::join(l.isn, "/"), l.first_seen_ns, l.last_seen_ns,
        optional_text(l.handshake_client_rtt_ns), optional_text(l.handshake_server_rtt_ns), optional_text(l.hops_to_client),
        optional_text(l.hops_to_server), l.turns, describe(l.client_options), describe(l.server_options));
    text += describe_times(l);
  }
  if (c.waiting) {
    text += fmt::format("    waiting client {} before {} device {} after {} server {}\n", c.waiting->client_ns,
                        c.waiting->before_device_ns, c.waiting->device_ns, c.waiting->after_device_ns, c.waiting->server_ns);
  }
  for (const CrossingRecord& x : c.crossings) {
    text += fmt::format(
        "    crossing {} {} {} confidence {:.3f} rivals {} {} changes {:#x} lost {} undecided {} transit {} {} isn_offset {} "
        "{}\n",
        path.at(x.client_side), path.at(x.server_side), name_of(x.method), x.confidence, x.rivals, name_of(x.device_kind),
        x.changes, fmt::join(x.lost, "/"), x.undecided, describe(x.transit[Side::client]), describe(x.transit[Side::server]),
        optional_text(x.isn_offset[Side::client]), optional_text(x.isn_offset[Side::server]));
  }
  return text + describe_messages(c);
}

std::string PipelineOutput::text(const std::vector<std::string>& path) const {
  std::string text = finished ? "" : "NOT FINISHED\n";
  for (const PointRecord& p : points) {
    text += fmt::format("point {} packets {} bytes {} time {}..{} loss {} errors {}\n", p.name, p.packets, p.bytes,
                        p.first_seen_ns, p.last_seen_ns, p.capture_loss_segments, p.decode_errors);
  }
  for (const ConnectionRecord& c : connections) text += describe(c, path);
  for (const FindingRecord& f : findings) text += describe(f, path);
  for (const DeviceRecord& d : devices) {
    text +=
        fmt::format("device {} {} {} connections {} changes {:#x} transit {} {} lost {} {} resets {}\n", path.at(d.outer),
                    path.at(d.inner), name_of(d.kind), d.connections, d.changes, describe(d.transit[Direction::toward_inside]),
                    describe(d.transit[Direction::toward_outside]), d.segments_lost[Direction::toward_inside],
                    d.segments_lost[Direction::toward_outside], d.resets_originated);
    for (const AddressMapEntry& e : d.address_map)
      text += fmt::format("    {} = {} x{}\n", to_string(e.outside), to_string(e.inside), e.connections);
  }
  for (const PacketRecord& p : packets) {
    text += fmt::format("packet {} {} port {} frame {} connection {} leg {} labels {:#x} id {}\n", p.order_ns, path.at(p.point),
                        p.port, p.frame, p.connection_id, p.leg_index, p.labels, p.packet_id);
  }
  text += fmt::format("summary packets {} connections {} paired {} unpaired {} loss {}", summary.packets, summary.connections,
                      summary.paired_connections, summary.unpaired_legs, summary.sensor_loss);
  for (const auto& [kind, count] : summary.findings_by_kind) text += fmt::format(" {}={}", kind, count);
  for (const std::string& bound : summary.bounds_hit) text += " [" + bound + "]";
  return text + "\n";
}

// Whether a PollThread would leave the stage alone from now on.
static bool is_over(const Pollable& stage, bool worked) { return !worked && stage.finished(); }

PipelineOutput run(const PipelineInput& input, size_t workers) {
  Pipeline pipeline(input, workers);
  for (int idle = 0; idle < kIdleRoundsMax && !pipeline.engine->finished(); ++idle) {
    std::erase_if(pipeline.stages, [&idle](Pollable* stage) {
      const bool worked = stage->poll();
      if (worked) idle = 0;
      return is_over(*stage, worked);
    });
  }
  return pipeline.output(input.options.record_packets);
}

PipelineOutput run_threaded(const PipelineInput& input, size_t workers) {
  Pipeline pipeline(input, workers);
  std::atomic<uint64_t> work{0};  // polls that did something: a standstill is when this stands still
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (Pollable* stage : pipeline.stages) {
    threads.emplace_back([&, stage] {
      while (!stop.load(std::memory_order_relaxed)) {
        const bool worked = stage->poll();
        if (is_over(*stage, worked)) return;
        if (worked) {
          work.fetch_add(1, std::memory_order_relaxed);
        } else {
          std::this_thread::yield();
        }
      }
    });
  }
  uint64_t seen = 0;
  for (int idle = 0; idle < 10'000 && !pipeline.engine->finished(); ++idle) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (const uint64_t now = work.load(std::memory_order_relaxed); now != seen) {
      seen = now;
      idle = 0;
    }
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  return pipeline.output(input.options.record_packets);
}

}  // namespace parallax::test
