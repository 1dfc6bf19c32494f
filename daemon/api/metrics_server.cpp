#include "daemon/api/metrics_server.h"

#include <CivetServer.h>
#include <absl/strings/ascii.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>
#include <zlib.h>

#include <exception>
#include <optional>

#include "daemon/api/exposition.h"
#include "daemon/api/listen_address.h"
#include "daemon/api/metrics.h"

namespace parallax {
namespace {

// A refusal ("gzip;q=0") is read as such.
bool takes_gzip(const std::string& accept_encoding) {
  for (const absl::string_view coding : absl::StrSplit(accept_encoding, ',')) {
    if (absl::AsciiStrToLower(absl::StripAsciiWhitespace(coding)) == "gzip") return true;
  }
  return false;
}

std::optional<std::string> gzipped(std::string& bytes) {
  constexpr int kGzip = 16;  // added to the window's bits: with gzip's header and trailer
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + kGzip, MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
    return std::nullopt;
  std::string result(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  const bool is_whole = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return is_whole ? std::optional(std::move(result)) : std::nullopt;
}

class Scrapes : public CivetHandler {
 public:
  explicit Scrapes(const SensorState& state) : state_(state) {}

  bool handleGet(CivetServer*, mg_connection* connection) override {
    const auto header = [&](const char* name) {
      const char* value = mg_get_header(connection, name);
      return std::string(value == nullptr ? "" : value);
    };
    const ExpositionFormat format = exposition_format(header("Accept"));
    std::string body = expose(metric_families(state_), format);
    const std::optional<std::string> packed = takes_gzip(header("Accept-Encoding")) ? gzipped(body) : std::nullopt;
    const std::string& sent = packed ? *packed : body;
    const std::string head = fmt::format(
        "HTTP/1.1 200 OK\r\nContent-Type: {}\r\n{}Vary: Accept, Accept-Encoding\r\nContent-Length: {}\r\nConnection: "
        "close\r\n\r\n",
        content_type(format), packed ? "Content-Encoding: gzip\r\n" : "", sent.size());
    mg_write(connection, head.data(), head.size());
    mg_write(connection, sent.data(), sent.size());
    return true;
  }

 private:
  const SensorState& state_;
};

}  // namespace

struct MetricsServer::Impl {
  Impl(const SensorState& state, const std::string& address)
      : scrapes(state), server({"listening_ports", address, "num_threads", "2"}) {
    server.addHandler("/metrics", scrapes);
  }
  Scrapes scrapes;
  CivetServer server;  // stops before it goes, and so uses the above no more
};

MetricsServer::MetricsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MetricsServer::~MetricsServer() = default;

std::unique_ptr<MetricsServer> MetricsServer::start(const SensorState& state, const std::string& address, std::string& error) {
  if (const std::string reason = why_not_listen(address); !reason.empty()) {
    error = "metrics.address " + reason;
    return nullptr;
  }
  try {
    return std::unique_ptr<MetricsServer>(new MetricsServer(std::make_unique<Impl>(state, address)));
  } catch (const std::exception& failure) {
    error = "metrics.address " + address + ": " + failure.what();
    return nullptr;
  }
}

int MetricsServer::port() const {
  const std::vector<int> ports = impl_->server.getListeningPorts();
  return ports.empty() ? 0 : ports.front();
}

}  // namespace parallax
