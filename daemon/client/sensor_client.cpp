#include "daemon/client/sensor_client.h"

#include <fmt/format.h>
#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <mutex>

#include "parallax/v1/sensor.grpc.pb.h"

namespace parallax {
namespace {

constexpr int kMessageBytesMax = 64 << 20;
constexpr int kReconnectMs = 1000;  // for who waits for a daemon that has gone away; gRPC's own is up to two minutes
constexpr int kExitFailed = 1, kExitUsage = 2;

bool read_file(const std::string& path, const char* option, std::string& text, ClientOutcome& outcome) {
  std::ifstream file(path, std::ios::binary);
  text.assign(std::istreambuf_iterator<char>(file), {});
  if (file && !text.empty()) return true;
  outcome = {kExitUsage, fmt::format("{}: cannot read {}", option, path)};
  return false;
}

// Why the unix socket of `target` cannot be reached; gRPC's own words for it are long and say less.
std::string why_unreachable(const std::string& target) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path = target.substr(std::strlen("unix:"));
  if (path.starts_with("//")) path.erase(0, 2);
  if (path.size() >= sizeof address.sun_path) return std::strerror(ENAMETOOLONG);
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected = probe >= 0 && ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const int failure = errno;
  if (probe >= 0) ::close(probe);
  return connected ? std::string() : std::strerror(failure);
}

}  // namespace

struct SensorClient::Impl {
  std::string target;
  std::chrono::milliseconds call_timeout;
  std::unique_ptr<v1::Sensor::Stub> stub;
  std::mutex mutex;                        // guards what follows
  grpc::ClientContext* running = nullptr;  // the call that cancel() ends
  bool cancelled = false;

  // A call that cancel() ends, for as long as it lives.
  class Running {
   public:
    Running(Impl& impl, grpc::ClientContext& context) : impl_(impl) {
      const std::lock_guard guard(impl_.mutex);
      impl_.running = &context;
      if (impl_.cancelled) context.TryCancel();
    }
    ~Running() {
      const std::lock_guard guard(impl_.mutex);
      impl_.running = nullptr;
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

   private:
    Impl& impl_;
  };

  ClientOutcome outcome_of(const grpc::Status& status) const {
    switch (status.error_code()) {
      case grpc::StatusCode::OK:
        return {};
      case grpc::StatusCode::INVALID_ARGUMENT:
        return {kExitUsage, status.error_message()};
      case grpc::StatusCode::UNAVAILABLE: {
        const std::string reason = target.starts_with("unix:") ? why_unreachable(target) : std::string();
        return {kExitFailed,
                fmt::format("no parallaxd answers at {}: {}", target, reason.empty() ? status.error_message() : reason)};
      }
      case grpc::StatusCode::DEADLINE_EXCEEDED:
        return {kExitFailed, fmt::format("parallaxd at {} does not answer", target)};
      default:
        return {kExitFailed, status.error_message()};
    }
  }

  // Calls `list` for page after page; `each` sees every element.
  template <typename Response, typename Request, typename List, typename Elements>
  ClientOutcome pages(Request request, List list, Elements elements) {
    do {
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + call_timeout);
      Response response;
      if (const grpc::Status status = list(context, request, response); !status.ok()) return outcome_of(status);
      elements(response);
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return {};
  }
};

SensorClient::SensorClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SensorClient::~SensorClient() = default;

std::unique_ptr<SensorClient> SensorClient::make(const ClientOptions& options, ClientOutcome& outcome) {
  // What goes wrong is told by the outcome; gRPC's own lines are for those who ask for them.
  if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
  auto impl = std::make_unique<Impl>();
  impl->target = options.target;
  impl->call_timeout = options.call_timeout;
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  const bool some_tls = !options.tls_ca.empty() || !options.tls_cert.empty() || !options.tls_key.empty();
  if (some_tls) {
    if (options.tls_ca.empty() || options.tls_cert.empty() || options.tls_key.empty()) {
      outcome = {kExitUsage, "--tls-ca, --tls-cert and --tls-key belong together: give all three"};
      return nullptr;
    }
    grpc::SslCredentialsOptions tls;
    if (!read_file(options.tls_ca, "--tls-ca", tls.pem_root_certs, outcome) ||
        !read_file(options.tls_cert, "--tls-cert", tls.pem_cert_chain, outcome) ||
        !read_file(options.tls_key, "--tls-key", tls.pem_private_key, outcome)) {
      return nullptr;
    }
    credentials = grpc::SslCredentials(tls);
  } else if (options.target.starts_with("unix:")) {
    credentials = grpc::InsecureChannelCredentials();
  } else {
    outcome = {kExitUsage, fmt::format("--target {}: a daemon on TCP wants --tls-ca, --tls-cert and --tls-key", options.target)};
    return nullptr;
  }
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMs);
  impl->stub = v1::Sensor::NewStub(grpc::CreateCustomChannel(options.target, credentials, arguments));
  return std::unique_ptr<SensorClient>(new SensorClient(std::move(impl)));
}

ClientOutcome SensorClient::status(v1::Status& status) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + impl_->call_timeout);
  const Impl::Running running(*impl_, context);
  return impl_->outcome_of(impl_->stub->GetStatus(&context, {}, &status));
}

ClientOutcome SensorClient::findings(v1::ListFindingsRequest request, const std::function<void(const v1::Finding&)>& each) {
  return impl_->pages<v1::ListFindingsResponse>(
      std::move(request),
      [&](auto& context, auto& asked, auto& answer) { return impl_->stub->ListFindings(&context, asked, &answer); },
      [&](const auto& answer) {
        for (const v1::Finding& finding : answer.findings()) each(finding);
      });
}

ClientOutcome SensorClient::watch_findings(const v1::WatchFindingsRequest& request,
                                           const std::function<void(const v1::Finding&)>& each) {
  grpc::ClientContext context;  // no deadline: it is watched as long as it lives
  const auto reader = impl_->stub->WatchFindings(&context, request);
  v1::Finding finding;
  while (reader->Read(&finding)) each(finding);
  return impl_->outcome_of(reader->Finish());
}

ClientOutcome SensorClient::connections(v1::ListConnectionsRequest request,
                                        const std::function<void(const v1::Connection&)>& each) {
  return impl_->pages<v1::ListConnectionsResponse>(
      std::move(request),
      [&](auto& context, auto& asked, auto& answer) { return impl_->stub->ListConnections(&context, asked, &answer); },
      [&](const auto& answer) {
        for (const v1::Connection& connection : answer.connections()) each(connection);
      });
}

ClientOutcome SensorClient::devices(v1::ListDevicesRequest request, const std::function<void(const v1::Device&)>& each) {
  return impl_->pages<v1::ListDevicesResponse>(
      std::move(request),
      [&](auto& context, auto& asked, auto& answer) { return impl_->stub->ListDevices(&context, asked, &answer); },
      [&](const auto& answer) {
        for (const v1::Device& device : answer.devices()) each(device);
      });
}

ClientOutcome SensorClient::slice(const v1::PullSliceRequest& request, const std::function<bool(const std::string&)>& sink,
                                  std::optional<v1::SliceSummary>& summary) {
  grpc::ClientContext context;  // no deadline: a slice may be as long as the spool
  const Impl::Running running(*impl_, context);
  const auto reader = impl_->stub->PullSlice(&context, request);
  v1::SliceChunk chunk;
  bool wanted = true;
  while (wanted && reader->Read(&chunk)) {
    if (chunk.has_summary()) summary = chunk.summary();
    if (!chunk.data().empty()) wanted = sink(chunk.data());
  }
  if (!wanted) context.TryCancel();
  return impl_->outcome_of(reader->Finish());
}

void SensorClient::cancel() {
  const std::lock_guard guard(impl_->mutex);
  impl_->cancelled = true;
  if (impl_->running != nullptr) impl_->running->TryCancel();
}

}  // namespace parallax
