#include "daemon/api/metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <map>
#include <numeric>
#include <string_view>

#include "analysis/detect/detector.h"
#include "daemon/api/exemplar.h"
#include "daemon/api/exposition.h"
#include "daemon/api/held_packet.h"
#include "daemon/connection_log/connection_log.h"
#include "daemon/history/history.h"
#include "daemon/message/to_proto.h"
#include "daemon/run/pinned_files.h"
#include "daemon/webhook/webhook.h"

namespace parallax {
namespace {

namespace client = io::prometheus::client;

struct Label {
  std::string name, value;
};
using Labels = std::vector<Label>;

constexpr double kNsPerSecond = 1e9;
constexpr PerSide<const char*> kSideNames{"client", "server"};
constexpr PerSide<const char*> kSenderNames{"client_to_server", "server_to_client"};
constexpr PerDirection<const char*> kDirectionNames{"toward_inside", "toward_outside"};

// ---- native histograms ----

constexpr int kSchema = 3;                                // 2^3 buckets an octave, as the sketch has
constexpr double kZeroThreshold = 2.938735877055719e-39;  // 2^-128, client libraries' usual one: by it a native one is known

// For each of the sketch's buckets the native one that holds its middle: octaves of seconds begin elsewhere than those of ns.
const std::array<int, transit::kBuckets>& native_buckets() {
  static const std::array<int, transit::kBuckets> buckets = [] {
    std::array<int, transit::kBuckets> result{};
    for (size_t i = 0; i < result.size(); ++i) {
      const double seconds = static_cast<double>(transit::middle_of(static_cast<int>(i))) / kNsPerSecond;
      result[i] = static_cast<int>(std::ceil(std::log2(seconds) * (1 << kSchema)));
    }
    return result;
  }();
  return buckets;
}

void add_native(const HistogramSnapshot& snapshot, client::Histogram& histogram) {
  histogram.set_schema(kSchema);
  histogram.set_zero_threshold(kZeroThreshold);
  std::map<int, uint64_t> counts;
  for (size_t i = 0; i < snapshot.fine.size(); ++i) {
    if (snapshot.fine[i] > 0) counts[native_buckets()[i]] += snapshot.fine[i];
  }
  int next = 0;
  int64_t before = 0;
  for (const auto& [bucket, count] : counts) {
    if (histogram.positive_span_size() == 0 || bucket != next) histogram.add_positive_span()->set_offset(bucket - next);
    client::BucketSpan& span = *histogram.mutable_positive_span()->rbegin();
    span.set_length(span.length() + 1);
    histogram.add_positive_delta(static_cast<int64_t>(count) - before);
    before = static_cast<int64_t>(count);
    next = bucket + 1;
  }
}

// Collects one scrape. Families come in the order in which they are opened.
class Page {
 public:
  void open(std::string_view name, client::MetricType type, std::string_view help) {
    client::MetricFamily& family = families_.emplace_back();
    family.set_name("parallax_" + std::string(name));
    family.set_help(std::string(help));
    family.set_type(type);
  }
  client::Metric& add(const Labels& labels, double value) {
    client::Metric& metric = add(labels);
    if (families_.back().type() == client::COUNTER) {
      metric.mutable_counter()->set_value(value);
    } else {
      metric.mutable_gauge()->set_value(value);
    }
    return metric;
  }
  // All counts are of one reading of the fine buckets: what is counted meanwhile is in none of them.
  client::Histogram& add(const Labels& labels, const HistogramSnapshot& snapshot) {
    client::Histogram& histogram = *add(labels).mutable_histogram();
    const uint64_t samples = std::accumulate(snapshot.fine.begin(), snapshot.fine.end(), uint64_t{0});
    uint64_t cumulative = 0;
    for (size_t i = 0; i < kHistogramBoundsNs.size(); ++i) {
      cumulative += snapshot.counts[i];
      client::Bucket& bucket = *histogram.add_bucket();
      bucket.set_cumulative_count(std::min(cumulative, samples));
      bucket.set_upper_bound(static_cast<double>(kHistogramBoundsNs[i]) / kNsPerSecond);
    }
    histogram.set_sample_count(samples);
    histogram.set_sample_sum(static_cast<double>(snapshot.sum_ns) / kNsPerSecond);
    add_native(snapshot, histogram);
    return histogram;
  }
  // Families of one sample.
  void count(std::string_view name, std::string_view help, auto value) {
    open(name, client::COUNTER, help);
    add({}, static_cast<double>(value));
  }
  void gauge(std::string_view name, std::string_view help, auto value) {
    open(name, client::GAUGE, help);
    add({}, static_cast<double>(value));
  }
  // REQUIRES: as many names as counts.
  void counts_by_reason(std::string_view name, std::string_view help, const auto& names, const auto& counts) {
    open(name, client::COUNTER, help);
    for (size_t i = 0; i < counts.size(); ++i) add({{"reason", names[i]}}, static_cast<double>(counts[i]));
  }
  std::vector<client::MetricFamily> take() { return std::move(families_); }

 private:
  client::Metric& add(const Labels& labels) {
    client::Metric& metric = *families_.back().add_metric();
    for (const Label& label : labels) {
      client::LabelPair& pair = *metric.add_label();
      pair.set_name(label.name);
      pair.set_value(label.value);
    }
    return metric;
  }

  std::vector<client::MetricFamily> families_;
};

std::string name(auto value) { return std::string(name_of(value)); }

void add_ports(Page& page, const SensorState& state) {
  const auto each_port = [&](auto&& value_of) {
    for (const PortChannel* channel : state.channels) {
      page.add({{"point", state.path[channel->info.point]}, {"port", channel->info.name}},
               static_cast<double>(value_of(channel->counters)));
    }
  };
  page.open("packets_total", client::COUNTER, "Packets received.");
  each_port([](const PortCounters& counters) { return counters.packets.get(); });
  page.open("bytes_total", client::COUNTER, "Bytes received, by their length on the wire.");
  each_port([](const PortCounters& counters) { return counters.bytes.get(); });
  page.open("filtered_packets_total", client::COUNTER, "Packets left out of the analysis by its filter.");
  each_port([](const PortCounters& counters) { return counters.filtered.get(); });
  page.open("unattributed_fragments_total", client::COUNTER, "Later fragments whose first fragment was not seen.");
  each_port([](const PortCounters& counters) { return counters.unattributed_fragments.get(); });

  page.open("ring_waits_total", client::COUNTER,
            "Times that packets waited in the capture buffer, since a ring to the analysis had no room (limits.ring_slots).");
  each_port([](const PortCounters& counters) { return counters.held_back.get(); });

  const auto each_channel = [&](auto&& value_of) {
    for (const PortChannel* channel : state.channels) {
      page.add({{"point", state.path[channel->info.point]}, {"port", channel->info.name}}, value_of(*channel));
    }
  };
  page.open("port_up", client::GAUGE, "1: the port has its link, and has not fallen silent while its neighbours go on.");
  each_channel([](const PortChannel& channel) { return channel.current_outage() ? 0.0 : 1.0; });
  page.open("port_outages_total", client::COUNTER,
            "Times for which the port proves nothing: link down, silent, sensor paused, system clock set.");
  each_channel(
      [](const PortChannel& channel) { return static_cast<double>(channel.outages.total() + channel.silences.total()); });
  page.open("stamp_uncertainty_seconds", client::GAUGE,
            "At most so long after it passed a packet is stamped: the worst of the last second.");
  each_channel([](const PortChannel& channel) {
    return static_cast<double>(channel.stamp_uncertainty_ns.load(std::memory_order_relaxed)) / kNsPerSecond;
  });

  page.open("capture_drops_total", client::COUNTER, "Packets that the sensor itself lost, by the place where it lost them.");
  for (const PortChannel* channel : state.channels) {
    for (int reason = 0; reason < kDropReasonCount; ++reason) {
      page.add({{"point", state.path[channel->info.point]},
                {"port", channel->info.name},
                {"reason", std::string(drop_reason_name(static_cast<DropReason>(reason)))}},
               static_cast<double>(channel->counters.drops[reason].get()));
    }
  }
  page.open("decode_errors_total", client::COUNTER, "Packets that could not be decoded, by reason.");
  for (size_t point = 0; point < state.path.size(); ++point) {
    for (int reason = 1; reason < kDecodeErrorCount; ++reason) {  // 0 is "none"
      uint64_t sum = 0;
      for (const PortChannel* channel : state.channels) {
        if (channel->info.point == point) sum += channel->counters.decode_errors[reason].get();
      }
      page.add({{"point", state.path[point]}, {"reason", std::string(decode_error_name(static_cast<DecodeError>(reason)))}},
               static_cast<double>(sum));
    }
  }
}

void add_points(Page& page, const SensorState& state, const EngineCounters& counters) {
  const size_t points = std::min(state.path.size(), counters.points.size());
  page.open("handshakes_total", client::COUNTER, "TCP handshakes that ended, by outcome, as each point saw them.");
  for (size_t point = 0; point < points; ++point) {
    for (const Outcome outcome :
         {Outcome::established, Outcome::refused, Outcome::unanswered, Outcome::incomplete, Outcome::midstream}) {
      page.add({{"point", state.path[point]}, {"outcome", name(outcome)}},
               static_cast<double>(counters.points[point].handshakes[static_cast<size_t>(outcome)]));
    }
  }
  page.open("handshake_rtt_seconds", client::HISTOGRAM,
            "Round trip of TCP handshakes, from the point to the client and to the server.");
  for (size_t point = 0; point < points; ++point) {
    for (const Side side : kSides) {
      page.add({{"point", state.path[point]}, {"side", kSideNames[side]}}, counters.points[point].handshake_rtt[side]);
    }
  }
  page.open("rtt_seconds", client::HISTOGRAM,
            "Round trips during TCP connections, from the point to the client and to the server, by how they were measured.");
  for (size_t point = 0; point < points; ++point) {
    for (const Side side : kSides) {
      for (const RoundTripMethod method : kRoundTripMethods) {
        page.add({{"point", state.path[point]}, {"side", kSideNames[side]}, {"method", name(method)}},
                 counters.points[point].rtt[side][method]);
      }
    }
  }
  page.open("retransmissions_total", client::COUNTER, "TCP segments sent again, by direction and by what made the sender do so.");
  for (size_t point = 0; point < points; ++point) {
    for (const Side side : kSides) {
      for (size_t kind = 0; kind < kRetransmissionKinds.size(); ++kind) {
        page.add({{"point", state.path[point]}, {"direction", kSenderNames[side]}, {"kind", name(kRetransmissionKinds[kind])}},
                 static_cast<double>(counters.points[point].retransmissions[side][kind]));
      }
    }
  }
  page.open("needless_retransmissions_total", client::COUNTER,
            "TCP segments sent again that the receiver had already, as its D-SACKs said.");
  for (size_t point = 0; point < points; ++point) {
    for (const Side side : kSides) {
      page.add({{"point", state.path[point]}, {"direction", kSenderNames[side]}},
               static_cast<double>(counters.points[point].needless_retransmissions[side]));
    }
  }
  page.open("capture_loss_segments_total", client::COUNTER,
            "Data segments that were acknowledged and never seen: the capture missed them.");
  for (size_t point = 0; point < points; ++point) {
    page.add({{"point", state.path[point]}}, static_cast<double>(counters.points[point].capture_loss_segments));
  }
  page.open("capture_copies_total", client::COUNTER, "Packets that a point has shown already.");
  for (size_t point = 0; point < points; ++point) {
    page.add({{"point", state.path[point]}}, static_cast<double>(counters.points[point].copies));
  }
  page.open("unpaired_legs_total", client::COUNTER, "Legs for which no leg at the neighbouring point was found.");
  for (size_t point = 0; point < points; ++point) {
    page.add({{"point", state.path[point]}}, static_cast<double>(counters.points[point].unpaired_legs));
  }
}

// The packets that the newest findings of each place tell of as held.
std::vector<HeldPacket> held_packets(const Engine& engine, const EngineCounters& counters) {
  std::vector<HeldPacket> held;
  for (const auto& [key, total] : counters.findings) {
    if (std::get<FindingKind>(key) != FindingKind::device_delay || total.raised == 0) continue;
    for (const FindingRecord& finding : engine.findings(total.last_id - 1, 1)) {
      const auto packet = finding.id == total.last_id ? held_packet(finding) : std::nullopt;
      if (packet) held.push_back(*packet);
    }
  }
  return held;
}

std::string between(const std::string& first, const std::string& second) { return "between " + first + " and " + second; }
std::string hairpin_at(const std::string& point) { return "at " + point; }  // as where_text()

void add_devices(Page& page, const SensorState& state, const EngineCounters& counters) {
  std::vector<std::pair<std::string, const EngineCounters::DeviceCounters*>> devices;
  for (size_t i = 0; i + 1 < state.path.size() && i < counters.devices.size(); ++i)
    devices.emplace_back(between(state.path[i], state.path[i + 1]), &counters.devices[i]);
  for (size_t i = 0; i < std::min(state.path.size(), counters.points.size()); ++i)
    devices.emplace_back(hairpin_at(state.path[i]), &counters.points[i].hairpin);
  page.open("segments_lost_total", client::COUNTER, "Data segments and datagrams seen entering a device and never leaving it.");
  for (const auto& [where, device] : devices) {
    for (const Direction direction : kDirections)
      page.add({{"where", where}, {"direction", kDirectionNames[direction]}},
               static_cast<double>(device->segments_lost[direction]));
  }
  const std::vector<HeldPacket> held = held_packets(*state.engine, counters);
  page.open("device_transit_seconds", client::HISTOGRAM, "Time that packets took through a device.");
  for (const auto& [where, device] : devices) {
    for (const Direction direction : kDirections) {
      client::Histogram& histogram =
          page.add({{"device", where}, {"direction", kDirectionNames[direction]}}, device->transit[direction]);
      for (const HeldPacket& packet : held) {
        if (packet.direction != direction || between(state.path[packet.outer], state.path[packet.inner]) != where) continue;
        attach(exemplar_of(packet.finding_id, static_cast<double>(packet.took_ns) / kNsPerSecond, packet.left_ns), histogram);
      }
    }
  }
}

// Every place that a finding can name: unknown, beyond each point, a hairpin there, between neighbours from either side.
std::vector<std::string> places(const std::vector<std::string>& path) {
  std::vector<std::string> result{"unknown"};
  for (const std::string& point : path) {
    result.push_back("beyond " + point);
    result.push_back(hairpin_at(point));
  }
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    result.push_back(between(path[i], path[i + 1]));
    result.push_back(between(path[i + 1], path[i]));
  }
  return result;
}

void add_findings(Page& page, const SensorState& state, const EngineCounters& counters) {
  auto findings = counters.findings;
  for (int kind = 0; kind < kFindingKindCount; ++kind) {
    const auto finding_kind = static_cast<FindingKind>(kind);
    for (const std::string& place : places(state.path))
      findings.try_emplace({finding_kind, place, detector_of(finding_kind)->severity});
  }
  page.count("watch_findings_dropped_total",
             "Findings that were forgotten before a WatchFindings stream could take their latest state, summed over the streams.",
             static_cast<double>(state.api->watch_findings_dropped.load(std::memory_order_relaxed)));
  page.open("findings_total", client::COUNTER, "Findings raised.");
  for (const auto& [key, total] : findings) {
    const auto& [kind, where, severity] = key;
    client::Metric& metric =
        page.add({{"kind", name(kind)}, {"where", where}, {"severity", name(severity)}}, static_cast<double>(total.raised));
    if (total.raised > 0) *metric.mutable_counter()->mutable_exemplar() = exemplar_of(total.last_id, 1, total.last_seen_ns);
  }
}

void add_engine(Page& page, const EngineCounters& counters) {
  page.open("connections_active", client::GAUGE, "Legs now in the tables, a connection once for each point that sees it.");
  for (const Protocol protocol : kProtocols) {
    page.add({{"protocol", name(protocol)}}, static_cast<double>(counters.connections_active[protocol]));
  }
  page.open("findings_without_blame_total", client::COUNTER,
            "Observations of failures that accuse nobody, by why an absence was not proved.");
  for (size_t doubt = 1; doubt < counters.unblamed.size(); ++doubt) {  // 0 is "none"
    page.add({{"reason", name(static_cast<Doubt>(doubt))}}, static_cast<double>(counters.unblamed[doubt]));
  }
  page.open("resets_total", client::COUNTER,
            "Established connections that a RST ended before any FIN, by who sent it; a device's own resets at any time.");
  for (size_t origin = 0; origin < counters.resets.size(); ++origin) {
    page.add({{"origin", name(static_cast<Origin>(origin))}}, static_cast<double>(counters.resets[origin]));
  }
  page.open("pairings_total", client::COUNTER, "Legs paired across a device, by the method that found the pair.");
  for (size_t method = 1; method < counters.pairings.size(); ++method) {  // 0 is "none"
    page.add({{"method", name(static_cast<PairingMethod>(method))}}, static_cast<double>(counters.pairings[method]));
  }
  page.open("pairings_taken_back_total", client::COUNTER, "Pairings that later evidence has disproved, by their method.");
  for (size_t method = 1; method < counters.pairings_taken_back.size(); ++method) {
    page.add({{"method", name(static_cast<PairingMethod>(method))}}, static_cast<double>(counters.pairings_taken_back[method]));
  }
  page.count("fates_taken_back_total",
             "Packets that were followed across a device for a pairing that was taken back; nothing is said of them.",
             counters.fates_taken_back);
  page.count("late_packets_total", "Packets that came after the merge had gone on; analysed all the same.",
             counters.late_packets);
  page.count("round_trips_uncertain_total",
             "Round trips that no histogram counts: shorter than the stamps of their packets may be wrong by.",
             counters.round_trips_uncertain);
  page.count("fates_begun_late_total", "Pairings whose first packets could not be followed, because their log had overflowed.",
             counters.fates_begun_late);
  page.open("ring_occupancy_ratio", client::GAUGE, "Fill of the fullest input ring of an analysis worker.");
  for (size_t worker = 0; worker < counters.ring_occupancy.size(); ++worker) {
    page.add({{"worker", std::to_string(worker)}}, counters.ring_occupancy[worker]);
  }
}

void add_spool(Page& page, const SpoolStatus& spool) {
  page.count("spool_bytes_written_total", "Bytes written to the spool.", spool.bytes_written);
  page.count("spool_dropped_packets_total", "Packets that the spool could not take: no free block, or a failed write.",
             spool.dropped_packets);
  page.gauge("spool_size_bytes", "Bytes that the spool holds.", spool.bytes);
  page.gauge("spool_oldest_packet_timestamp_seconds", "Unix time of the oldest packet in the spool; 0: it holds none.",
             static_cast<double>(spool.oldest_packet_ns) / kNsPerSecond);
  page.gauge("spool_newest_packet_timestamp_seconds", "Unix time of the newest packet in the spool; 0: it holds none.",
             static_cast<double>(spool.newest_packet_ns) / kNsPerSecond);
  page.gauge("spool_limit_bytes", "Bytes that the spool may hold (spool.size); 0: there is no spool.", spool.limit_bytes);
  page.gauge("spool_disk_free_bytes", "Bytes that are free on the spool's disk.", spool.free_bytes);
  page.gauge("spool_error",
             "1: something keeps the spool from writing, or did within the last seconds; `parallax status` and the log say what.",
             spool.error.empty() ? 0 : 1);
  page.count("spool_write_errors_total", "Writes to the spool that failed.", spool.write_errors);
  page.open("spool_files_removed_total", client::COUNTER,
            "Files that left the spool, by why: a limit (size, age, min_free), a full disk, or others than the daemon.");
  for (size_t reason = 0; reason < kSpoolRemovalReasonCount; ++reason) {
    page.add({{"reason", name(static_cast<SpoolRemovalReason>(reason))}}, static_cast<double>(spool.removals[reason].files));
  }
}

void add_pinned(Page& page, const PinnedFilesStatus& pinned) {
  page.count("spool_pins_total", "Findings whose packets were pinned.", pinned.made);
  page.open("spool_pins_failed_total", client::COUNTER, "Findings that met a rule and whose packets were not pinned, by why.");
  for (size_t reason = 0; reason < kPinFailureCount; ++reason) {
    page.add({{"reason", name(static_cast<PinFailure>(reason))}}, static_cast<double>(pinned.failed[reason]));
  }
  page.count(
      "spool_pins_dropped_total",
      "Findings whose packets were not pinned because too many waited for it, or that were forgotten before a rule was asked.",
      pinned.dropped);
  page.gauge("spool_pins_waiting", "Findings whose packets are going to be pinned.", pinned.waiting);
  page.gauge("spool_pinned_files", "Pinned files.", pinned.files);
  page.gauge("spool_pinned_bytes", "Bytes that the pinned files take.", pinned.bytes);
  page.gauge("spool_pinned_limit_bytes", "Bytes that they may take (spool.pinned.size).", pinned.limit_bytes);
  page.gauge("spool_pinned_oldest_packet_timestamp_seconds", "Unix time of the oldest pinned packet; 0: there is none.",
             static_cast<double>(pinned.oldest_packet_ns) / kNsPerSecond);
  page.open("spool_pinned_files_removed_total", client::COUNTER,
            "Pinned files that are gone, by why: a limit (size, age, min_free), or others than the daemon.");
  for (size_t reason = 0; reason < kSpoolRemovalReasonCount; ++reason) {
    page.add({{"reason", name(static_cast<SpoolRemovalReason>(reason))}}, static_cast<double>(pinned.removals[reason].files));
  }
}

void add_history(Page& page, const HistoryState& history) {
  page.gauge("history_findings", "Findings that the history holds, of all runs.", history.findings);
  page.gauge("history_limit_findings",
             "Findings that it may hold (history.findings); 0: there is no history (history.directory).", history.limit_findings);
  page.gauge("history_size_bytes", "Bytes that its file and the log of changes beside it take.", history.bytes);
  page.gauge("history_limit_bytes", "Bytes that its file may take (history.size).", history.limit_bytes);
  page.gauge("history_error", "1: something keeps the history from being written; `parallax status` says what.",
             history.error.empty() ? 0 : 1);
  page.count("history_written_findings_total", "Findings written to the history, each time that one is new or has changed.",
             history.written);
  page.count("history_dropped_findings_total", "Findings that were forgotten before their latest state could be written.",
             history.dropped);
  page.count("history_write_errors_total", "Times that the database refused to be opened, read or written.",
             history.write_errors);
  page.count("history_set_aside_total", "Databases that were damaged, or no history, and were set aside.", history.set_aside);
  page.counts_by_reason("history_removed_findings_total",
                        "Findings removed from the history to keep to a limit: count (history.findings), age or size.",
                        kHistoryBoundNames, history.removals);
}

void add_connection_log(Page& page, const ConnectionLogState& log) {
  page.count("connection_log_lines_total", "Lines written to the log of connections.", log.written);
  page.count("connection_log_written_bytes_total", "Bytes written to the log of connections.", log.written_bytes);
  page.counts_by_reason(
      "connection_log_dropped_connections_total",
      "Connections of which no line was written, by what kept the log from it: more came than it could take (overrun), a "
      "full disk, an error, or the stop of the daemon.",
      kLineDropNames, log.dropped);
  page.count("connection_log_write_errors_total", "Writes to the log of connections that failed.", log.write_errors);
  page.gauge("connection_log_error", "1: something keeps the log of connections from being written; `parallax status` says what.",
             log.error.empty() ? 0 : 1);
  page.gauge("connection_log_files", "Files of the log of connections.", log.files);
  page.gauge("connection_log_size_bytes", "Bytes that they take.", log.bytes);
  page.gauge("connection_log_limit_bytes",
             "Bytes that they may take (connection_log.size); 0: there is no such log (connection_log.directory).",
             log.limit_bytes);
  page.counts_by_reason(
      "connection_log_files_removed_total",
      "Files of the log of connections that are gone, by why: a limit (size, count, age), or others than the daemon.",
      kLogRemovalNames, log.removals);
}

void add_webhook(Page& page, const WebhookState& webhook) {
  page.count("webhook_posts_total", "Posts that the webhook's receiver has taken.", webhook.posts);
  page.count("webhook_alerts_total", "Changes of findings that were told with them.", webhook.alerts);
  page.counts_by_reason(
      "webhook_posts_failed_total",
      "Posts that the webhook's receiver has not taken, by why: no connection, TLS, its time, a status that asks to try again "
      "(unavailable), one that does not (refused), no answer in HTTP, or a token that cannot be read.",
      kPostFailureNames, webhook.failed);
  page.counts_by_reason(
      "webhook_dropped_alerts_total",
      "Changes of findings of which the webhook's receiver does not hear: forgotten by the engine before, more than may wait, "
      "refused, or left at the stop.",
      kAlertDropNames, webhook.dropped);
  page.gauge("webhook_alerts_firing", "Findings of which the webhook tells that are not over.", webhook.firing);
  page.gauge("webhook_alerts_waiting", "Changes of findings of which its receiver is to be told.", webhook.waiting);
  page.gauge("webhook_error", "1: the last post failed; `parallax status` says why.", webhook.error.empty() ? 0 : 1);
}

void add_api(Page& page, const ApiCounters& api) {
  page.open("api_calls_denied_total", client::COUNTER,
            "Calls refused because the caller lacks the role that the method needs, by method and by the role that it has.");
  for (size_t i = 0; i < kRpcCount; ++i) {
    const auto rpc = static_cast<Rpc>(i);
    for (int role = v1::ROLE_UNSPECIFIED; role < role_for(rpc); ++role) {
      page.add({{"method", name(rpc)}, {"role", role_text(static_cast<v1::Role>(role))}},
               static_cast<double>(api.denied[i][static_cast<size_t>(role)].load(std::memory_order_relaxed)));
    }
  }
  page.open("api_calls_limited_total", client::COUNTER,
            "Calls that met a limit of api.limits: refused (watches, slices), cut (slice_size) or slowed down (slice_rate).");
  for (size_t limit = 0; limit < kApiLimitNames.size(); ++limit) {
    page.add({{"limit", kApiLimitNames[limit]}}, static_cast<double>(api.limited[limit].load(std::memory_order_relaxed)));
  }
}

// From proc(5): the second number of statm is resident pages. 0: there is no /proc.
uint64_t resident_bytes() {
  uint64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

void add_sensor(Page& page, const SensorState& state) {
  page.gauge("clock_uncertainty_seconds", "How far the packets' time may be from UTC as the system clock has it.",
             static_cast<double>(state.time_uncertainty_ns()) / kNsPerSecond);
  page.gauge("start_timestamp_seconds", "Unix time at which the daemon started.",
             static_cast<double>(state.started_ns) / kNsPerSecond);
  page.gauge("config_last_reload_successful",
             "1 where the configuration that was read last is in effect; 0 where it was refused.",
             state.configured->last_was_taken ? 1 : 0);
  page.gauge("config_last_reload_success_timestamp_seconds", "Unix time at which the configuration that is in effect was read.",
             static_cast<double>(state.configured->taken_ns) / kNsPerSecond);

  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  page.count("process_cpu_seconds_total", "Processor time that the daemon has taken, in all its threads.",
             seconds(usage.ru_utime) + seconds(usage.ru_stime));
  page.gauge("process_resident_memory_bytes", "Memory that the daemon holds; huge pages are not counted.",
             static_cast<double>(resident_bytes()));
}

}  // namespace

std::vector<client::MetricFamily> metric_families(const SensorState& state) {
  const EngineCounters counters = state.engine->counters();
  Page page;
  page.open("build_info", client::GAUGE, "Always 1; the version is in the label.");
  page.add({{"version", state.version}}, 1);
  add_ports(page, state);
  add_points(page, state, counters);
  add_devices(page, state, counters);
  add_findings(page, state, counters);
  add_engine(page, counters);
  add_spool(page, state.spool ? state.spool->status() : SpoolStatus{});
  add_pinned(page, state.pinned ? state.pinned->status() : PinnedFilesStatus{});
  add_history(page, state.history ? state.history->state() : HistoryState{});
  add_connection_log(page, state.connection_log ? state.connection_log->state() : ConnectionLogState{});
  add_webhook(page, state.webhook ? state.webhook->state() : WebhookState{});
  add_api(page, *state.api);
  add_sensor(page, state);
  return page.take();
}

std::string metrics_text(const SensorState& state) { return expose(metric_families(state), ExpositionFormat::text); }

}  // namespace parallax
