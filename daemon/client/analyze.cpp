#include "daemon/client/analyze.h"

#include <fmt/format.h>
#include <google/protobuf/arena.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>

#include "capture/decode/flow_filter.h"
#include "capture/source/file_source.h"
#include "config/loader.h"
#include "daemon/client/connection_ladder.h"
#include "daemon/client/page/html_report.h"
#include "daemon/client/paint.h"
#include "daemon/client/point_files.h"
#include "daemon/client/progress.h"
#include "daemon/client/text_report.h"
#include "daemon/client/whole_file.h"
#include "daemon/message/key_from.h"
#include "daemon/message/record_sink.h"
#include "daemon/message/text_table.h"
#include "daemon/message/time_text.h"
#include "daemon/message/to_proto.h"
#include "daemon/run/access_log_file.h"
#include "daemon/run/clock_alignment.h"
#include "daemon/run/detector_settings.h"
#include "daemon/run/file_survey.h"
#include "daemon/run/offline_pipeline.h"
#include "daemon/run/point_order.h"
#include "daemon/run/recordings.h"

namespace parallax {
namespace {

constexpr size_t kBatch = 256;  // records taken from the engine at a time
// Of larger captures connections are not kept until the end. Their legs end minutes after their last packets, and what is told
// late is told by then.
constexpr int64_t kHandOverAfterNs = 10'000'000'000;
// Of larger captures the report has no ladders, as for each packet of them 64 bytes would be kept: --ladder shows any one.
constexpr uint64_t kLaddersBytesMax = 128 << 20;

// By the locale of the environment: the first of these that is set (POSIX, 8.2).
bool speaks_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == 0) continue;
    return strcasestr(value, "utf-8") != nullptr || strcasestr(value, "utf8") != nullptr;
  }
  return false;
}

class Analysis {
 public:
  Analysis(const AnalyzeOptions& options, FILE* out, FILE* err)
      : options_(options), out_(out), err_(err), progress_(err), lines_(out) {}

  int run() {
    if (!check_options() || !load_config() || !parse_points() || !load_access_log()) return kExitUsage;
    if (!open_page()) return kExitFailed;
    open_files();
    if (inputs_.empty()) {
      error("no input could be read");
      return kExitUsage;
    }
    if (!compile_filter()) return kExitUsage;
    survey_files();
    is_small_ = is_small();
    records_packets_ = options_.packets || options_.ladder != 0 || (wants_report() && is_small_);
    OfflinePipeline pipeline(std::move(inputs_), engine_options(), config_.limits().ring_slots(), filter_ ? &*filter_ : nullptr,
                             key_from(config_.identity()));
    progress_.begin("analysing", stored_bytes());
    join_sinks();
    const std::string failure = pipeline.run([&] {
      progress_.at(bytes_read());
      add_handed_over(pipeline);
    });
    add_handed_over(pipeline);
    progress_.end();
    if (!failure.empty()) {
      error(failure);
      return kExitFailed;
    }
    const bool written = options_.ladder == 0 ? write(pipeline) : write_ladder(pipeline);
    if (std::fflush(out_) != 0 || std::ferror(out_) != 0) {
      error(fmt::format("the output could not be written: {}", std::strerror(errno)));
      return kExitFailed;
    }
    return files_failed_ || !written ? kExitFailed : kExitDone;
  }

 private:
  void error(const std::string& text) { fmt::print(err_, "parallax: {}\n", text); }
  void warning(const std::string& text) { fmt::print(err_, "parallax: warning: {}\n", text); }

  bool usage(const std::string& text) {
    error(text);
    return false;
  }

  bool check_options() {
    if (options_.format != "text" && options_.format != "json") {
      return usage(fmt::format("--format {}: must be text or json", options_.format));
    }
    if (options_.packets && options_.format != "json") {
      return usage("--packets writes a record for each packet and needs --format json");
    }
    if (options_.ladder != 0 && options_.format != "text") return usage("--ladder is text and takes no --format json");
    if (options_.html_file == "-") return usage("--html -: must be a file; standard output has what --format asks for");
    if (options_.ladder != 0 && !options_.html_file.empty()) return usage("--html is of the whole report and takes no --ladder");
    if (options_.align_clocks != "auto" && options_.align_clocks != "off") {
      return usage(fmt::format("--align-clocks {}: must be auto or off", options_.align_clocks));
    }
    if (options_.workers < 1 || options_.workers > kAnalyzeWorkersMax) {
      return usage(fmt::format("--workers {}: must be 1 to {}", options_.workers, kAnalyzeWorkersMax));
    }
    return true;
  }

  bool load_config() {
    const LoadedConfig loaded = options_.config_file.empty() ? load_config_text("", "defaults", ConfigUse::offline)
                                                             : load_config_file(options_.config_file, ConfigUse::offline);
    if (!loaded.ok()) {
      fmt::print(err_, "{}", loaded.error_text());
      return false;
    }
    config_ = loaded.config;
    return true;
  }

  bool parse_points() {
    Result<std::vector<PointFiles>> points = parse_point_files(options_.points);
    if (!points.ok()) return usage(points.error());
    points_ = std::move(*points);
    for (const PointFiles& point : points_) names_.points.push_back(point.point);
    names_.offline = true;
    return true;
  }

  bool load_access_log() {
    if (options_.access_log.empty()) return true;
    if (options_.access_log == "-" && reads_input()) return usage("--access-log -: a point has standard input already");
    Result<AccessLog> log = read_access_log(options_.access_log);
    if (!log.ok()) return usage("--access-log " + log.error());
    if (!log->warning.empty()) warning(log->warning);
    if (log->malformed > 0) {
      warning(fmt::format("{}:{}: {} of {} lines could not be read; this is the first", log->file, log->first_malformed_line,
                          log->malformed, log->lines));
    }
    access_log_ = std::make_shared<const AccessLog>(std::move(*log));
    return true;
  }

  bool reads_input() const {
    return std::any_of(points_.begin(), points_.end(),
                       [](const PointFiles& p) { return std::find(p.files.begin(), p.files.end(), "-") != p.files.end(); });
  }

  bool open_page() {
    if (options_.html_file.empty()) return true;
    for (const PointFiles& point : points_) {
      for (const std::string& file : point.files) {
        std::error_code none;
        if (!std::filesystem::equivalent(options_.html_file, file.substr(0, file.find('#')), none)) continue;
        error(fmt::format("--html {}: is a capture that is to be read", options_.html_file));
        return false;
      }
    }
    Result<std::unique_ptr<WholeFile>> page = WholeFile::open(options_.html_file);
    if (!page.ok()) {
      error("--html " + page.error());
      return false;
    }
    page_ = std::move(*page);
    return true;
  }

  bool wants_report() const { return options_.ladder == 0 && (options_.format == "text" || page_ != nullptr); }

  // A file that cannot be read is said and counted, and the others are analysed.
  void open_files() {
    for (size_t point = 0; point < points_.size(); ++point) {
      for (const std::string& file : points_[point].files) {
        Result<std::unique_ptr<FileSource>> source = FileSource::open(file);
        if (source.ok()) {
          link_types_.insert((*source)->link_type());
          names_.ports.push_back(file);
          files_.push_back(source->get());
          inputs_.push_back({file, static_cast<PointIndex>(point), std::move(*source)});
        } else {
          error(source.error());
          files_failed_ = true;
        }
      }
    }
  }

  uint64_t stored_bytes() const {
    uint64_t bytes = 0;
    for (const std::string& file : names_.ports) bytes += can_be_surveyed(file) ? file_bytes(file) : 0;
    return bytes;
  }
  uint64_t bytes_read() const {
    uint64_t bytes = 0;
    for (const FileSource* source : files_) bytes += source->file().stored_bytes_read();
    return bytes;
  }

  // Small enough to keep what became of every packet, for the ladders of the report.
  bool is_small() const {
    uint64_t bytes = 0;
    for (const OfflineInput& input : inputs_) {
      if (!can_be_surveyed(input.name)) return false;
      bytes += capture_bytes(input.name);
    }
    return bytes <= kLaddersBytesMax;
  }

  // What has to be known before the analysis begins: which files follow one another, and whether the points' clocks agree.
  void survey_files() {
    const bool align = options_.align_clocks == "auto" && points_.size() > 1;
    std::vector<ClockSamples> samples(points_.size());
    std::vector<int64_t> stepped_ns(points_.size(), kTimeMax);
    std::vector<FileActivity> activity(inputs_.size());
    uint32_t recordings = 0;
    bool comparable = align;
    progress_.begin("looking at the clocks", stored_bytes());
    uint64_t looked_at = 0;
    for (size_t point = 0; point < points_.size(); ++point) {
      std::vector<size_t> files;
      std::vector<TimeSpan> spans;
      for (size_t i = 0; i < inputs_.size(); ++i) {
        if (inputs_[i].point != point || (!align && points_[point].files.size() == 1)) continue;
        if (!can_be_surveyed(inputs_[i].name)) {
          comparable = false;
          warning(fmt::format("{}: cannot be read twice, so that its clock is not compared with that of other points",
                              inputs_[i].name));
          continue;
        }
        const std::optional<FileSurvey> found =
            survey(inputs_[i].name, align ? &samples[point] : nullptr, [&](uint64_t bytes) { progress_.at(looked_at + bytes); });
        looked_at += file_bytes(inputs_[i].name);
        if (!found) continue;
        files.push_back(i);
        spans.push_back(found->span);
        stepped_ns[point] = std::min(stepped_ns[point], found->stepped_ns);
        activity[i] = {static_cast<PointIndex>(point), found->bursts};
      }
      const std::vector<RecordingPart> parts = recordings_of(spans, recordings);
      for (size_t i = 0; i < files.size(); ++i) {
        inputs_[files[i]].part = parts[i];
        recordings = std::max(recordings, parts[i].recording + 1);
      }
    }
    clocks_ = comparable ? align_clocks(samples) : std::vector<PointClock>(points_.size());
    for (size_t i = 0; i < inputs_.size(); ++i) files_[i]->set_clock(clocks_[inputs_[i].point].correction);
    point_notes_.resize(points_.size());
    progress_.end();
    clocks_compared_ = comparable;
    if (!comparable) return;
    const ClockLimits limits = clock_limits(samples, clocks_, stepped_ns);
    note_silences(std::move(activity));
    doubt_clocks(limits);
    note_order(order_by_ttl(samples));
    for (size_t i = 1; i < points_.size(); ++i) note_clock(i, limits, one_way_drift(samples[i - 1], samples[i]));
  }

  void note_silences(std::vector<FileActivity> activity) {
    for (size_t i = 0; i < inputs_.size(); ++i) {
      for (PacketBurst& burst : activity[i].bursts)
        burst.newest_ns = clocks_[inputs_[i].point].correction.corrected(burst.newest_ns);
    }
    const std::vector<std::vector<PortOutage>> silences = silences_of(activity);
    for (size_t i = 0; i < inputs_.size(); ++i) inputs_[i].silences = silences[i];
  }

  void note_order(const std::optional<PointOrder>& found) {
    if (!found) return;
    std::vector<std::string> names;
    for (const size_t point : found->order) names.push_back(names_.points[point]);
    point_notes_.front().push_back(fmt::format(
        "by their TTLs {} of the {} packets that all points show pass these in the order {}: name them in that order, "
        "as what is said of the devices between them may be of others",
        found->packets, found->seen, fmt::join(names, ", ")));
  }

  void doubt_clocks(const ClockLimits& limits) {
    for (OfflineInput& input : inputs_) {
      if (!limits.is_compared(input.point) && !input.silences.empty())
        input.outages.push_back({OutageCause::no_common_clock, kTimeMin, PortOutage::kGoesOn});
      for (const PortOutage& outage : limits.outages(input.point)) input.outages.push_back(outage);
    }
  }

  // What the person should know of the clock and the record's numbers do not say.
  void note_clock(size_t point, const ClockLimits& limits, std::optional<double> drift) {
    const std::string& before = names_.points[point - 1];
    std::vector<std::string>& notes = point_notes_[point];
    const std::vector<ClockCorrection::Part>& parts = clocks_[point].correction.parts;
    for (size_t i = 1; i < parts.size(); ++i) {
      const int64_t at_ns = parts[i].from_ns;
      const auto by_ns = static_cast<double>(parts[i].line.ahead_ns(at_ns) - parts[i - 1].line.ahead_ns(at_ns));
      notes.push_back(fmt::format("its clock and that of {} moved apart by {:+.6f} s at {}; aligned before and after",
                                  names_.points.front(), by_ns / 1e9, time_text_ns(at_ns - parts[i - 1].line.ahead_ns(at_ns))));
    }
    for (const OfflineInput& input : inputs_) {
      if (limits.compared[point] || input.silences.empty() || (input.point != point && input.point + 1u != point)) continue;
      notes.push_back(
          fmt::format("no packets of both directions tell how far its clock and that of {} are apart: as {} was "
                      "silent for a time, nothing is said of what it did not show",
                      before, input.name));
    }
    if (limits.has(point, OutageCause::clock_jumped)) {
      notes.push_back(
          fmt::format("its clock and that of {} moved apart while both showed packets of one direction alone: by how "
                      "much cannot be told",
                      before));
      return;
    }
    if (!limits.has(point, OutageCause::clocks_apart) && !limits.has(point, OutageCause::clocks_unknown)) return;
    const std::string_view why = limits.has(point, OutageCause::clocks_apart)
                                     ? "packets left before they came"
                                     : "no packet crossed as fast as devices are, and none came back";
    notes.push_back(drift
                        ? fmt::format("the offset of its clock cannot be told: both show packets of one direction alone. Against "
                                      "that of {} it drifts by {:.2f} ppm",
                                      before, *drift * 1e6)
                        : fmt::format("{}, by its clock and that of {}, whose offset cannot be told", why, before));
  }

  bool compile_filter() {
    const std::string& expression = options_.filter.empty() ? config_.filter().analysis() : options_.filter;
    if (expression.empty()) return true;
    const std::vector<LinkType> link_types(link_types_.begin(), link_types_.end());
    Result<FlowFilter> filter = FlowFilter::compile(expression, link_types);
    if (!filter.ok()) {
      return usage(filter.error() + " (a BPF expression is needed, such as 'tcp port 443 and host 192.0.2.1')");
    }
    filter_ = std::move(*filter);
    return true;
  }

  EngineOptions engine_options() const {
    EngineOptions engine;
    engine.path = names_.points;
    engine.workers = options_.workers;
    engine.offline = true;
    engine.record_packets = records_packets_;
    engine.legs = config_.limits().legs();
    engine.half_open_legs = config_.limits().half_open_legs();
    engine.connections = config_.limits().connections();
    engine.findings = config_.limits().findings();
    const auto ns = [](double seconds) { return static_cast<int64_t>(seconds * 1e9); };
    engine.filtered = filter_.has_value();
    engine.access_log = access_log_;
    const bool keeps_all = records_packets_ || access_log_ != nullptr || is_small_;
    engine.hand_over_after_ns = keeps_all ? 0 : kHandOverAfterNs;
    engine.device_timeout_ns = ns(config_.timing().device_timeout_seconds());
    engine.idle_timeout_ns = ns(config_.timing().idle_timeout_seconds());
    engine.detectors = detector_settings(config_);
    return engine;
  }

  bool write_ladder(const OfflinePipeline& pipeline) {
    const Engine& engine = pipeline.engine();
    const std::vector<ConnectionRecord> found = engine.connections(options_.ladder - 1, 1);
    if (found.empty() || found.front().id != options_.ladder) {
      const uint64_t known = engine.summary().connections;
      error(fmt::format("--ladder {}: there is no such connection; {}", options_.ladder,
                        known == 0 ? "none was seen" : fmt::format("there are {}, and --format json has their ids", known)));
      return false;
    }
    for (const std::string& file : names_.ports) {
      if (!can_be_surveyed(file)) warning(file + ": cannot be read twice, so that its packets are not shown");
    }
    const std::vector<uint64_t>& ids = found.front().finding_ids;
    const std::vector<FindingRecord> findings = engine.findings(0, SIZE_MAX);
    std::string text =
        ladder_text(ladders(engine, found, findings).begin()->second, {.ascii = !speaks_utf8(), .colour = takes_colour(out_)});
    for (const FindingRecord& finding : findings) {
      if (std::find(ids.begin(), ids.end(), finding.id) != ids.end())
        text += wrapped(printable(fmt::format("[{}] {}: {}", finding.id, name_of(finding.kind), finding.summary)), 4, 0);
    }
    std::fwrite(text.data(), 1, text.size(), out_);
    return true;
  }

  Ladders ladders(const Engine& engine, const std::vector<ConnectionRecord>& connections,
                  const std::vector<FindingRecord>& findings) const {
    return ladders_of(connections, engine.packets(), findings, {names_.ports, names_.points, key_from(config_.identity())});
  }

  void join_sinks() {
    report_.set_path(names_.points);
    if (clocks_compared_) report_.set_clocks_compared();
    for (RecordSinks* sinks : {&early_sinks_, &sinks_}) {
      if (options_.format == "json") sinks->join(sinks == &sinks_ ? static_cast<RecordSink&>(lines_) : held_lines_);
      if (wants_report()) sinks->join(report_);
      if (page_ != nullptr) sinks->join(connections_);
    }
  }

  bool write(const OfflinePipeline& pipeline) {
    if (!add_records(pipeline)) return false;
    if (!wants_report()) return true;
    const Ladders examples = example_ladders(pipeline.engine(), report_);
    if (options_.format == "text") {
      const std::string text = text_report(report_, examples, {.ascii = !speaks_utf8(), .colour = takes_colour(out_)});
      std::fwrite(text.data(), 1, text.size(), out_);
    }
    if (page_ == nullptr) return true;
    const std::string failure = page_->put(html_report(report_, examples, connections_));
    if (!failure.empty()) error("--html " + failure);
    return failure.empty();
  }

  Ladders example_ladders(const Engine& engine, const Report& report) const {
    if (!records_packets_) return {};
    std::vector<ConnectionRecord> examples;
    for (const uint64_t id : report_examples(report)) {
      for (ConnectionRecord& connection : engine.connections(id - 1, 1)) examples.push_back(std::move(connection));
    }
    return ladders(engine, examples, engine.findings(0, SIZE_MAX));
  }

  void add_connections(const std::vector<ConnectionRecord>& connections, RecordSink& sink) const {
    google::protobuf::Arena arena;  // a message has many parts, of which each would be taken and freed by itself
    for (const ConnectionRecord& connection : connections) {
      auto& message = *google::protobuf::Arena::CreateMessage<v1::Record>(&arena);
      set_connection(connection, names_, *message.mutable_connection());
      sink.add(message);
    }
  }

  void add_handed_over(OfflinePipeline& pipeline) { add_connections(pipeline.take_handed_over(), early_sinks_); }

  bool add_records(const OfflinePipeline& pipeline) {
    RecordSink& sink = sinks_;
    v1::Record record;
    add_points(pipeline, record, sink);
    if (const std::string failure = held_lines_.write_to(out_); !failure.empty()) {
      error("temporary file: " + failure);
      return false;
    }
    const Engine& engine = pipeline.engine();
    for (uint64_t after = 0;;) {
      const std::vector<ConnectionRecord> batch = engine.connections(after, kBatch);
      if (batch.empty()) break;
      add_connections(batch, sink);
      after = batch.back().id;
    }
    for (uint64_t after = 0;;) {
      const std::vector<FindingRecord> batch = engine.findings(after, kBatch);
      if (batch.empty()) break;
      for (const FindingRecord& finding : batch) {
        *record.mutable_finding() = to_proto(finding, names_);
        note_alignment(finding.where, *record.mutable_finding());
        sink.add(record);
      }
      after = batch.back().id;
    }
    for (const DeviceRecord& device : engine.devices()) {
      *record.mutable_device() = to_proto(device, names_);
      sink.add(record);
    }
    if (options_.packets) {
      for (const PacketRecord& packet : engine.packets()) {
        *record.mutable_packet() = to_proto(packet, names_);
        sink.add(record);
      }
    }
    *record.mutable_summary() = to_proto(engine.summary());
    sink.add(record);
    return true;
  }

  // As of the first packets; what came of it later is in the warnings.
  static void set_clock(const ClockCorrection& clock, v1::Point& point) {
    if (clock.none()) return;
    point.set_clock_offset_seconds(static_cast<double>(clock.parts.front().line.offset_ns) / 1e9);
    point.set_clock_drift_ppm(clock.parts.front().line.drift * 1e6);
    point.set_clock_uncertainty_seconds(static_cast<double>(clock.uncertainty_ns) / 1e9);
  }

  // A finding between two points rests on the offset of their clocks.
  void note_alignment(const Where& where, v1::Finding& finding) const {
    if (where.kind != Where::Kind::between || where.first == where.second) return;
    const PointIndex point = std::max(where.first, where.second);
    const ClockCorrection& clock = clocks_[point].correction;
    if (clock.none()) return;
    v1::Evidence& evidence = *finding.add_evidence();
    evidence.set_kind("timing");
    evidence.set_point(names_.points[point]);
    *evidence.mutable_time() = finding.first_seen();
    evidence.set_detail(fmt::format("its clock was aligned to that of {}, to within {}", names_.points.front(),
                                    duration_text(static_cast<double>(clock.uncertainty_ns) / 1e9)));
  }

  void add_points(const OfflinePipeline& pipeline, v1::Record& record, RecordSink& sink) {
    const std::vector<PointRecord> points = pipeline.engine().points();
    for (size_t i = 0; i < points.size(); ++i) {
      v1::Point& point = *record.mutable_point();
      point = to_proto(points[i]);
      set_clock(clocks_[i].correction, point);
      for (const std::string& note : point_notes_[i]) {
        point.add_warnings(note);
        warning(point.name() + ": " + note);
      }
      std::set<std::string> link_types;
      for (size_t port = 0; port < pipeline.channels().size(); ++port) {
        const PortInfo& info = pipeline.channels()[port]->info;
        if (info.point != i) continue;
        const PacketSource& source = pipeline.source(static_cast<PortIndex>(port));
        link_types.insert(link_type_name(source.link_type()));
        if (const std::string text = source.warning(); !text.empty()) {
          point.add_warnings(info.name + ": " + text);
          warning(point.warnings(point.warnings_size() - 1));
        }
        const PortCounters& counters = pipeline.channels()[port]->counters;
        point.set_wrong_checksums(point.wrong_checksums() + counters.wrong_checksums.get());
        point.set_offloaded_checksums(point.offloaded_checksums() + counters.offloaded_checksums.get());
        report_if_unreadable(*pipeline.channels()[port], source);
      }
      for (const std::string& name : link_types)
        point.set_link_type(point.link_type() + (point.link_type().empty() ? "" : ",") + name);
      sink.add(record);
    }
  }

  // A file of which no packet could be decoded, though some may hold IP, or that is damaged before its first packet, was not
  // analysed.
  void report_if_unreadable(const PortChannel& channel, const PacketSource& source) {
    const PortCounters& counters = channel.counters;
    if (counters.packets.get() == 0 && !source.warning().empty()) {
      error(fmt::format("{}: no packet could be read", channel.info.name));
      files_failed_ = true;
    }
    uint64_t errors = 0;
    std::string reasons;
    for (size_t e = 1; e < counters.decode_errors.size(); ++e) {  // 0 is "none"
      const uint64_t count = counters.decode_errors[e].get();
      const auto error = static_cast<DecodeError>(e);
      errors += count;
      if (count > 0 && error != DecodeError::no_ip)
        reasons += fmt::format("{}{} ({})", reasons.empty() ? "" : ", ", decode_error_text(error), count);
    }
    if (reasons.empty() || errors + counters.filtered.get() < counters.packets.get()) return;
    error(fmt::format("{}: no packet could be decoded: {}", channel.info.name, reasons));
    files_failed_ = true;
  }

  const AnalyzeOptions& options_;
  FILE* const out_;
  FILE* const err_;
  Progress progress_;
  v1::Config config_;
  std::vector<PointFiles> points_;
  std::shared_ptr<const AccessLog> access_log_;
  MessageNames names_;
  std::vector<OfflineInput> inputs_;
  std::vector<FileSource*> files_;  // the sources of inputs_
  std::vector<PointClock> clocks_;  // by point
  std::vector<std::vector<std::string>> point_notes_;
  std::set<LinkType> link_types_;
  std::unique_ptr<WholeFile> page_;  // null: none was asked for
  Report report_;
  ConnectionList connections_;
  JsonLines lines_;
  HeldLines held_lines_;
  RecordSinks sinks_, early_sinks_;  // early: of what is handed over before the input has ended
  bool clocks_compared_ = false;
  bool is_small_ = false;
  bool records_packets_ = false;  // for packet records or ladders
  bool files_failed_ = false;
  std::optional<FlowFilter> filter_;
};

}  // namespace

int analyze(const AnalyzeOptions& options, FILE* out, FILE* err) { return Analysis(options, out, err).run(); }

}  // namespace parallax
