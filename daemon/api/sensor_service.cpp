#include "daemon/api/sensor_service.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "daemon/api/call_bounds.h"
#include "daemon/api/callers.h"
#include "daemon/api/finding_list.h"
#include "daemon/api/known_value.h"
#include "daemon/api/listen_address.h"
#include "daemon/api/record_filter.h"
#include "daemon/api/record_page.h"
#include "daemon/api/reflection.h"
#include "daemon/api/role_gate.h"
#include "daemon/api/slice_pace.h"
#include "daemon/api/standing_role.h"
#include "daemon/api/status_message.h"
#include "daemon/api/tls_credentials.h"
#include "daemon/api/unix_listener.h"
#include "daemon/api/wanted_findings.h"
#include "daemon/api/write_watch.h"
#include "daemon/background/background.h"
#include "daemon/history/history.h"
#include "daemon/message/time_text.h"
#include "daemon/run/log.h"
#include "daemon/run/message_names.h"
#include "daemon/run/pinned_files.h"
#include "daemon/run/tls_check.h"
#include "daemon/slice/pinned_slice.h"
#include "daemon/slice/slice_message.h"
#include "daemon/slice/slice_resume.h"
#include "daemon/slice/slice_selection.h"
#include "parallax/v1/sensor.grpc.pb.h"

namespace parallax {
namespace {

using grpc::ServerContext;
using grpc::StatusCode;

constexpr auto kWatchInterval = std::chrono::milliseconds(100);
constexpr auto kStopGrace = std::chrono::seconds(1);
constexpr std::chrono::milliseconds kKeepAlive{60'000}, kReceiverPatience{15'000};  // on TCP
constexpr size_t kWatchBatch = 256;
// Threads that gRPC may use beside those of the streams, which hold one each all the time.
constexpr uint32_t kThreadsOfShortCalls = 16;
constexpr const char* kServiceName = "parallax.v1.Sensor";

grpc::Status invalid(std::string error) { return {StatusCode::INVALID_ARGUMENT, std::move(error)}; }
grpc::Status bad_token() { return invalid("page_token: not one that this service gave"); }

// That of the least severe findings at or above the minimum.
Severity least_of(v1::Severity minimum) {
  int least = 0;
  while (least <= static_cast<int>(Severity::critical) && to_proto(static_cast<Severity>(least)) < minimum) ++least;
  return static_cast<Severity>(least);
}

class SensorService final : public v1::Sensor::Service {
 public:
  SensorService(const SensorState& state, const Callers& callers, CallBounds& bounds, std::chrono::milliseconds write_max)
      : state_(state),
        callers_(callers),
        bounds_(bounds),
        names_(names_of(state)),
        write_max_(write_max),
        write_watch_(write_max) {}

  void stop() { stopping_ = true; }

  grpc::Status GetStatus(ServerContext*, const v1::GetStatusRequest*, v1::Status* answer) override {
    *answer = status_message(state_);
    return grpc::Status::OK;
  }

  grpc::Status ListFindings(ServerContext*, const v1::ListFindingsRequest* request, v1::ListFindingsResponse* answer) override {
    const auto wanted = WantedFindings::of(
        *request, request->pinned() ? RecordFilter::of_pinned(request->filter()) : RecordFilter::of(request->filter()));
    if (!wanted) return invalid(wanted.error());
    const bool is_page =
        request->pinned() ? list_pinned(*request, *wanted, *answer)
                          : fill_page(
                                *request, *answer, *answer->mutable_findings(),
                                [&](uint64_t after, size_t n) { return listed_findings(state_, after, n, request->this_run()); },
                                [&](const ListedFinding& listed) { return wanted->has(listed); },
                                [&](const ListedFinding& listed) { return to_proto(listed, names_); });
    return is_page ? grpc::Status::OK : bad_token();
  }

  grpc::Status WatchFindings(ServerContext* context, const v1::WatchFindingsRequest* request,
                             grpc::ServerWriter<v1::Finding>* writer) override {
    const auto wanted = WantedFindings::of(*request, RecordFilter::of(request->filter()));
    if (!wanted) return invalid(wanted.error());
    return bounds_.watch(*context, [&] { return watch(*context, *request, *wanted, *writer); });
  }

  grpc::Status GetFinding(ServerContext*, const v1::GetFindingRequest* request, v1::Finding* answer) override {
    const uint64_t id = request->id();
    if (id != 0) {
      const std::vector<FindingRecord> found = state_.engine->findings(id - 1, 1);
      if (!found.empty() && found.front().id == id) {
        *answer = to_proto(found.front(), names_);
        return grpc::Status::OK;
      }
      if (std::optional<RecalledFinding> recalled = state_.history != nullptr ? state_.history->find(id) : std::nullopt) {
        *answer = std::move(*recalled->remembered.mutable_finding());
        return grpc::Status::OK;
      }
      if (std::optional<v1::Finding> pinned = pinned_finding(id)) {
        *answer = std::move(*pinned);
        return grpc::Status::OK;
      }
    }
    return {StatusCode::NOT_FOUND, fmt::format("there is no finding {}", id)};
  }

  grpc::Status ListConnections(ServerContext*, const v1::ListConnectionsRequest* request,
                               v1::ListConnectionsResponse* answer) override {
    if (std::string error = why_unknown("outcome", request->outcome()); !error.empty()) return invalid(std::move(error));
    const Result<RecordFilter> filter = RecordFilter::of(request->filter());
    if (!filter) return invalid(filter.error());
    const bool is_page = fill_page(
        *request, *answer, *answer->mutable_connections(),
        [&](uint64_t after, size_t n) { return state_.engine->connections(after, n); },
        [&](const ConnectionRecord& record) {
          const bool has_ended_so =
              request->outcome() == v1::OUTCOME_UNSPECIFIED || to_proto(record.outcome) == request->outcome();
          return has_ended_so && filter->covers(record);
        },
        [&](const ConnectionRecord& record) { return to_proto(record, names_); });
    return is_page ? grpc::Status::OK : bad_token();
  }

  grpc::Status GetConnection(ServerContext*, const v1::GetConnectionRequest* request, v1::Connection* answer) override {
    const uint64_t id = request->id();
    if (id != 0) {
      const std::vector<ConnectionRecord> found = state_.engine->connections(id - 1, 1);
      if (!found.empty() && found.front().id == id) {
        *answer = to_proto(found.front(), names_);
        return grpc::Status::OK;
      }
    }
    return {StatusCode::NOT_FOUND, fmt::format("there is no connection {}", id)};
  }

  grpc::Status ListDevices(ServerContext*, const v1::ListDevicesRequest* request, v1::ListDevicesResponse* answer) override {
    PageToken token;
    if (!PageToken::parse(request->page_token(), token)) return bad_token();
    uint64_t position = token.after;
    const std::vector<v1::Device> devices = listed_devices(state_, names_);
    const size_t size = page_size(request->page_size());
    for (; position < devices.size() && answer->devices_size() < static_cast<int>(size); ++position) {
      *answer->add_devices() = devices[position];
    }
    if (position < devices.size()) answer->set_next_page_token(std::to_string(position));
    return grpc::Status::OK;
  }

  grpc::Status PullSlice(ServerContext* context, const v1::PullSliceRequest* request,
                         grpc::ServerWriter<v1::SliceChunk>* writer) override {
    const std::string caller = callers_.of(*context).text;
    Pulled pulled;
    grpc::Status status;
    if (!run_in_background(kSliceNice,
                           [&] { status = bounds_.slice(*context, [&] { return pull(*context, *request, *writer, pulled); }); }))
      status = {StatusCode::RESOURCE_EXHAUSTED, "the system has no thread left for a slice; try again later"};
    log_notice("slice of {}{} pulled by {}: {} bytes; {}", asked_text(*request), pulled.is_pinned ? ", pinned," : "", caller,
               pulled.bytes, ended_text(status, pulled));
    return status;
  }

 private:
  // What the log says of a pull.
  struct Pulled {
    uint64_t bytes = 0;
    bool is_pinned = false, is_cut = false;
  };

  static std::string ended_text(const grpc::Status& status, const Pulled& pulled) {
    if (status.ok()) return pulled.is_cut ? "cut at api.limits.slice_size" : "complete";
    return "ended early: " + (status.error_message().empty() ? "the receiver has gone" : status.error_message());
  }

  grpc::Status watch(ServerContext& context, const v1::WatchFindingsRequest& request, const WantedFindings& wanted,
                     grpc::ServerWriter<v1::Finding>& writer) {
    StandingRole role(Rpc::WatchFindings, callers_, context);
    WriteWatch::Stream stream(write_watch_, [this, &context] { cut(context); });
    FindingWatch watch = state_.engine->watch_findings(least_of(request.minimum_severity()), request.new_only());
    if (request.new_only()) writer.SendInitialMetadata();  // tells the client that from now on nothing is missed
    uint64_t untold = 0;                                   // dropped before findings that are not wanted
    while (!context.IsCancelled()) {
      if (stopping_) return {StatusCode::UNAVAILABLE, "the daemon is stopping"};
      if (!role.holds()) return role.denial();
      const uint64_t dropped = watch.dropped;
      const std::vector<FindingChange> changes = state_.engine->finding_changes(watch, kWatchBatch);
      state_.api->watch_findings_dropped += watch.dropped - dropped;
      for (const FindingChange& change : changes) {
        untold += change.dropped_before;
        if (!wanted.has(change.finding)) continue;
        v1::Finding message = to_proto(change.finding, names_);
        message.set_dropped_before(std::exchange(untold, 0));
        if (!stream.write([&] { return writer.Write(message); })) return not_written(stream);
      }
      if (changes.size() < kWatchBatch) std::this_thread::sleep_for(kWatchInterval);
    }
    return grpc::Status::CANCELLED;
  }

  grpc::Status pull(ServerContext& context, const v1::PullSliceRequest& request, grpc::ServerWriter<v1::SliceChunk>& writer,
                    Pulled& pulled) {
    if (state_.spool == nullptr)
      return {StatusCode::FAILED_PRECONDITION, "this sensor keeps no spool (spool.directory is not set)"};
    const v1::ApiLimitsConfig limits = bounds_.limits();
    StandingRole role(Rpc::PullSlice, callers_, context);
    SliceSelection selection = selection_of(request);
    switch (selection.code) {
      case SelectionCode::ok:
        break;
      case SelectionCode::invalid_argument:
        return {StatusCode::INVALID_ARGUMENT, selection.error};
      case SelectionCode::not_found:
        return {StatusCode::NOT_FOUND, selection.error};
    }
    if (limits.slice_size() != 0) selection.request.bytes_max = limits.slice_size();
    pulled.is_pinned = selection.pinned != 0;
    v1::SliceChunk chunk;
    WriteWatch::Stream stream(write_watch_, [this, &context] { cut(context); });
    const auto is_wanted = [&] { return !context.IsCancelled() && !stopping_ && role.holds(); };
    SlicePace pace(limits.slice_rate(), is_wanted);
    ResumedSink sink(request.resume(), [&](std::span<const uint8_t> data) {
      if (!is_wanted()) return false;
      if (data.empty()) return true;
      chunk.set_data(data.data(), data.size());
      pulled.bytes += data.size();
      if (!stream.write([&] { return writer.Write(chunk); })) return false;
      pace.sent(data.size());
      return true;
    });
    SliceResult result = pulled.is_pinned ? pull_pinned(*state_.pinned, selection.pinned, request.filter(), std::ref(sink),
                                                        selection.request.bytes_max)
                                          : make_slice(*state_.spool, selection.request, std::ref(sink));
    if (pace.has_waited()) state_.api->count(ApiLimit::slice_rate);
    if (result.summary.is_cut) state_.api->count(ApiLimit::slice_size);
    pulled.is_cut = result.summary.is_cut;
    result.summary.remarks.insert(result.summary.remarks.begin(), selection.remarks.begin(), selection.remarks.end());
    const bool is_another =
        !sink.is_continued() && is_wanted() &&
        (result.code == SliceCode::ok || (result.code == SliceCode::cancelled && !stream.stalled() && pulled.bytes == 0));
    if (is_another) {
      return {StatusCode::FAILED_PRECONDITION,
              fmt::format(
                  "the slice does not begin with the {} bytes that are there: the spool, or what is known of the packets, has "
                  "gone on since; pull it anew",
                  request.resume().bytes())};
    }
    switch (result.code) {
      case SliceCode::ok:
        chunk.clear_data();
        *chunk.mutable_summary() = to_proto(result.summary);
        return stream.write([&] { return writer.Write(chunk); }) ? grpc::Status::OK : not_written(stream);
      case SliceCode::cancelled:
        if (stopping_) return {StatusCode::UNAVAILABLE, "the daemon is stopping"};
        if (!role.holds()) return role.denial();
        return not_written(stream);
      case SliceCode::invalid_argument:
        return {StatusCode::INVALID_ARGUMENT, result.message};
      case SliceCode::out_of_range:
        return {StatusCode::OUT_OF_RANGE, result.message + (selection.elsewhere.empty() ? "" : "; but " + selection.elsewhere)};
      case SliceCode::data_loss:
        return {StatusCode::DATA_LOSS, result.message};
      case SliceCode::internal:
        break;
    }
    return {StatusCode::INTERNAL, result.message};
  }

  // As it was before, where it is to be resumed and is still known. Packets newer than the newest of now would make it another
  // one when it is resumed.
  SliceSelection selection_of(const v1::PullSliceRequest& request) {
    if (request.resume().bytes() > 0) {
      if (std::optional<SliceSelection> known = slice_memory_.recall(request)) return std::move(*known);
    }
    SliceSelection selection = select_slice_or_pinned(state_, request);
    if (selection.code == SelectionCode::not_found && request.finding_id() != 0) say_when(request.finding_id(), selection.error);
    if (selection.code != SelectionCode::ok) return selection;
    const SpoolStatus status = state_.spool->status();
    if (status.error.empty() && status.newest_packet_ns >= selection.request.from_ns)
      selection.request.to_ns = std::min(selection.request.to_ns, status.newest_packet_ns);
    slice_memory_.remember(request, selection);
    return selection;
  }

  // The engine does not know it, and nothing is pinned of it; the ring may still have the packets.
  void say_when(uint64_t id, std::string& error) const {
    const std::optional<RecalledFinding> recalled = state_.history != nullptr ? state_.history->find(id) : std::nullopt;
    if (!recalled) return;
    const v1::Finding& finding = recalled->remembered.finding();
    error = fmt::format(
        "the connections of finding {} are no longer kept{}, and its packets were not pinned; pull its time, {} to {}, "
        "instead",
        id, finding.has_earlier_run() ? " (it is of an earlier run)" : "",
        time_text_ns(from_timestamp(finding.first_seen()) - kSliceMarginNs),
        time_text_ns(from_timestamp(finding.last_seen()) + kSliceMarginNs));
  }

  std::optional<v1::Finding> pinned_finding(uint64_t id) const {
    if (state_.pinned == nullptr || !state_.pinned->find(id)) return std::nullopt;
    const auto opened = state_.pinned->open(id);
    if (!opened || !(*opened)->end) return std::nullopt;
    v1::Finding finding = (*opened)->end->finding();
    if (state_.pinned->is_of_earlier_run(id)) finding.mutable_earlier_run();
    return finding;
  }

  // Those whose file is damaged at its end are told by their id alone. False: the request's token is none.
  bool list_pinned(const v1::ListFindingsRequest& request, const WantedFindings& wanted, v1::ListFindingsResponse& answer) const {
    if (state_.pinned == nullptr) return true;
    return fill_page(
        request, answer, *answer.mutable_findings(),
        [&](uint64_t after, size_t n) {
          std::vector<PinnedMessage> findings;
          for (const PinnedFile& file : state_.pinned->after(after, n)) {
            PinnedMessage& one = findings.emplace_back(PinnedMessage{file.id, pinned_finding(file.id).value_or(v1::Finding())});
            one.finding.set_id(file.id);
            if (state_.pinned->is_of_earlier_run(file.id)) one.finding.mutable_earlier_run();
            if (file.is_damaged) one.finding.set_summary("The pinned file is damaged at its end: what was found is not known.");
          }
          return findings;
        },
        [&](const PinnedMessage& one) { return wanted.has(one); }, [](const PinnedMessage& one) { return one.finding; });
  }

  // A call whose receiver takes nothing.
  void cut(ServerContext& context) const {
    callers_.hang_up(context);  // before: of a cancelled call gRPC no longer says whose it was
    context.TryCancel();
  }

  grpc::Status not_written(const WriteWatch::Stream& stream) const {
    if (!stream.stalled()) return grpc::Status::CANCELLED;
    return {StatusCode::DEADLINE_EXCEEDED,
            fmt::format("the receiver has taken nothing for {:.0f} s", write_max_.count() / 1000.0)};
  }

  const SensorState& state_;
  const Callers& callers_;
  CallBounds& bounds_;
  const MessageNames names_;
  const std::chrono::milliseconds write_max_;
  WriteWatch write_watch_;
  SliceMemory slice_memory_;
  std::atomic<bool> stopping_{false};
};

// What gRPC has to say goes into the daemon's log, in the daemon's form: a client without a certificate, and the like.
void log_of_grpc(gpr_log_func_args* event) {
  if (event->severity == GPR_LOG_SEVERITY_ERROR) log_warning("api: {}", event->message);
}
// And protobuf, of requests that are not what they should be.
void log_of_protobuf(google::protobuf::LogLevel level, const char*, int, const std::string& text) {
  if (level >= google::protobuf::LOGLEVEL_ERROR) log_warning("api: a request: {}", text);
}

int threads_for(const v1::ApiLimitsConfig& limits) {
  return static_cast<int>(limits.watches() + limits.slices() + kThreadsOfShortCalls);
}

// gRPC ends with the last of its objects, and waits then for a thread that writes for receivers who are slow to read: that sleeps
// 10 s at a time, and would keep the daemon from stopping. So gRPC is never told that it is needed no more; the process ends it.
void keep_grpc() { [[maybe_unused]] static const bool is_kept = (::grpc_init(), true); }

std::vector<std::string> tls_paths(const v1::ApiConfig& config) {
  return {config.tls_certificate(), config.tls_key(), config.tls_client_ca()};
}

// The user that the daemon has become may not read what root could at start.
bool may_not_read(const std::vector<std::string>& paths) {
  return std::any_of(paths.begin(), paths.end(), [](const std::string& path) {
    return ::faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS) != 0 && errno == EACCES;
  });
}

}  // namespace

struct SensorServer::Impl {
  Impl(const SensorState& state, const v1::ApiLimitsConfig& limits, RoleRules rules, std::chrono::milliseconds write_max)
      : callers(std::move(rules)),
        bounds(callers, *state.api, limits),
        service(state, callers, bounds, write_max),
        reflection(bounds),
        gate(service, callers, *state.api) {
    quota.SetMaxThreads(threads_for(limits)).Resize(256 << 20);
  }

  Callers callers;
  CallBounds bounds;
  SensorService service;
  Reflection reflection;
  RoleGate gate;
  grpc::ResourceQuota quota{"api"};
  uid_t own_user = 0;
  std::vector<std::string> tls_paths_read;        // on TCP
  std::unique_ptr<TlsCertificates> certificates;  // the same
  std::shared_ptr<grpc::ServerCredentials> credentials;
  std::unique_ptr<grpc::Server> server;
  int tcp_port = 0;
  UnixListener listener;
  int wake = -1;         // eventfd: ends the accepting thread
  std::thread acceptor;  // only for a unix socket

  void accept_connections() {
    std::array<pollfd, 2> waiting{pollfd{listener.handle(), POLLIN, 0}, pollfd{wake, POLLIN, 0}};
    while (true) {
      if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
      if (waiting[1].revents != 0) return;
      const int connection = ::accept4(listener.handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (connection < 0) {
        // Out of file handles, at worst: the caller waits in the backlog, and this thread must not spin.
        if (errno != EAGAIN && errno != ECONNABORTED) std::this_thread::sleep_for(kWatchInterval);
        continue;
      }
      callers.accepted(connection);
      grpc::AddInsecureChannelFromFd(server.get(), connection);
    }
  }
};

SensorServer::SensorServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

std::unique_ptr<SensorServer> SensorServer::start(const SensorState& state, const v1::ApiConfig& config,
                                                  const std::optional<ServiceUser>& owner, std::string& error,
                                                  std::chrono::milliseconds write_max) {
  const uid_t own_user = owner ? owner->uid : ::geteuid();
  Result<RoleRules> rules = RoleRules::of(config, own_user);
  if (!rules) {
    error = rules.error();
    return nullptr;
  }
  const v1::ApiLimitsConfig& limits = config.limits();
  auto impl = std::make_unique<Impl>(state, limits, std::move(*rules), write_max);
  impl->own_user = own_user;
  keep_grpc();
  gpr_set_log_function(log_of_grpc);
  google::protobuf::SetLogHandler(log_of_protobuf);
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.RegisterService(&impl->gate);
  builder.RegisterService(&impl->reflection);
  builder.SetResourceQuota(impl->quota);

  const std::string unix_prefix = "unix:";
  const bool on_unix = config.address().starts_with(unix_prefix);
  if (on_unix) {
    std::string path = config.address().substr(unix_prefix.size());
    if (path.starts_with("//")) path.erase(0, 2);  // unix:///run/... is gRPC's other way to write it
    if (!impl->listener.open(path, error)) return nullptr;
    // Under systemd it is that user already, and may not call chown().
    const bool is_other = owner && owner->uid != ::geteuid();
    if (is_other && ::chown(path.c_str(), owner->uid, owner->gid) != 0) {
      error = fmt::format("api.address {}: cannot give it to {}: {}", path, owner->name, std::strerror(errno));
      return nullptr;
    }
  } else {
    Result<TlsFiles> files = TlsFiles::read(config);
    if (!files) {
      error = files.error();
      return nullptr;
    }
    impl->tls_paths_read = tls_paths(config);
    impl->certificates = std::make_unique<TlsCertificates>(std::move(*files));
    if (const std::string reason = why_not_listen(config.address()); !reason.empty()) {
      error = "api.address " + reason;
      return nullptr;
    }
    // With these the kernel ends a connection whose receiver has taken nothing for so long (TCP_USER_TIMEOUT).
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(kKeepAlive.count()));
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(kReceiverPatience.count()));
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a second daemon is to be refused
    if (config.roles().empty())
      log_notice("api: without api.roles whoever has a certificate of {} may pull packets", config.tls_client_ca());
    impl->credentials = tls_credentials(*impl->certificates);
    builder.AddListeningPort(config.address(), impl->credentials, &impl->tcp_port);
  }
  impl->server = builder.BuildAndStart();
  if (impl->server == nullptr || (!on_unix && impl->tcp_port == 0)) {
    error = fmt::format("api.address {}: cannot listen; is the certificate and its key in order?", config.address());
    return nullptr;
  }
  impl->server->GetHealthCheckService()->SetServingStatus(kServiceName, true);
  if (on_unix) {
    impl->wake = ::eventfd(0, EFD_CLOEXEC);
    impl->acceptor = std::thread([raw = impl.get()] { raw->accept_connections(); });
  }
  return std::unique_ptr<SensorServer>(new SensorServer(std::move(impl)));
}

SensorServer::~SensorServer() {
  if (impl_->acceptor.joinable()) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(impl_->wake, &one, sizeof one);
    impl_->acceptor.join();
    ::close(impl_->wake);
  }
  impl_->service.stop();
  impl_->server->GetHealthCheckService()->Shutdown();
  // What a receiver has not taken by then keeps gRPC from ending, until its connection is gone.
  std::atomic<bool> is_down{false};
  std::thread last_resort([&] {
    const auto until = std::chrono::steady_clock::now() + kStopGrace + kWatchInterval;
    for (; !is_down; std::this_thread::sleep_for(kWatchInterval / 5))
      if (std::chrono::steady_clock::now() >= until) impl_->callers.hang_up_all();
  });
  impl_->server->Shutdown(std::chrono::system_clock::now() + kStopGrace);
  impl_->server->Wait();
  is_down = true;
  last_resort.join();
}

PreparedChange SensorServer::prepare(const v1::ApiConfig& config) {
  PreparedChange change;
  Result<RoleRules> rules = RoleRules::of(config, impl_->own_user);
  if (!rules) change.problems.push_back({"api.roles", rules.error()});
  std::optional<TlsFiles> files;
  if (impl_->certificates != nullptr) {
    const std::vector<std::string> paths = tls_paths(config);
    if (paths == impl_->tls_paths_read && may_not_read(paths)) {
      log_warning(
          "api: the daemon's user may not read the files of api.tls_*: connections go on to meet the certificates of the start");
    } else {
      for (ConfigProblem& problem : check_tls(config)) change.problems.push_back(std::move(problem));
      Result<TlsFiles> read = TlsFiles::read(config);
      if (read) files = std::move(*read);
      if (!read && change.problems.empty()) change.problems.push_back({"api", read.error()});
    }
  }
  if (!change.problems.empty()) return change;
  change.take = [this, config, rules = std::move(*rules), files = std::move(files)] {
    impl_->callers.set_rules(rules);
    impl_->bounds.set(config.limits());
    impl_->quota.SetMaxThreads(threads_for(config.limits()));
    if (!files || *files == impl_->certificates->get().first) return;
    impl_->certificates->set(*files);
    impl_->tls_paths_read = tls_paths(config);
    log_notice("api: new connections meet the certificates as they are now");
  };
  return change;
}

int SensorServer::port() const { return impl_->tcp_port; }
uint64_t SensorServer::calls() const { return impl_->gate.calls(); }

}  // namespace parallax
