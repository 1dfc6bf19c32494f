#include "daemon/api/tls_credentials.h"

#include <fmt/format.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <tuple>

namespace parallax {
namespace {

std::optional<std::string> why_not_read(const std::string& path, const char* key, std::string& text) {
  if (path.empty()) {
    return fmt::format("api.{}: missing; on TCP the API wants mutual TLS: api.tls_certificate, api.tls_key and api.tls_client_ca",
                       key);
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  const int failure = errno;
  text.assign(std::istreambuf_iterator<char>(file), {});
  if (file && !text.empty()) return std::nullopt;
  return fmt::format("api.{}: cannot read {}: {}", key, path, failure == 0 ? "it is empty" : std::strerror(failure));
}

// gRPC's C++ interface has certificates that are fixed, or files that it watches by itself; its C interface asks for them.
class TlsCredentials final : public grpc::ServerCredentials {
 public:
  explicit TlsCredentials(const TlsCertificates& certificates)
      : certificates_(certificates),
        credentials_(
            grpc_ssl_server_credentials_create_with_options(grpc_ssl_server_credentials_create_options_using_config_fetcher(
                GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, &TlsCredentials::fetch, this))) {}
  ~TlsCredentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}  // of no use here

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  // gRPC holds a lock over it.
  static grpc_ssl_certificate_config_reload_status fetch(void* self, grpc_ssl_server_certificate_config** config) {
    TlsCredentials& credentials = *static_cast<TlsCredentials*>(self);
    if (credentials.certificates_.version() == credentials.given_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    const auto [files, version] = credentials.certificates_.get();
    const grpc_ssl_pem_key_cert_pair pair{files.key.c_str(), files.certificate.c_str()};
    *config = grpc_ssl_server_certificate_config_create(files.client_ca.c_str(), &pair, 1);
    credentials.given_ = version;
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  const TlsCertificates& certificates_;
  uint64_t given_ = 0;  // the version that gRPC has; before credentials_, which may ask at once
  grpc_server_credentials* const credentials_;
};

}  // namespace

Result<TlsFiles> TlsFiles::read(const v1::ApiConfig& config) {
  TlsFiles files;
  for (const auto& [path, key, text] : {std::tuple(&config.tls_certificate(), "tls_certificate", &files.certificate),
                                        {&config.tls_key(), "tls_key", &files.key},
                                        {&config.tls_client_ca(), "tls_client_ca", &files.client_ca}}) {
    if (const auto error = why_not_read(*path, key, *text)) return Error{*error};
  }
  return files;
}

void TlsCertificates::set(TlsFiles files) {
  const std::lock_guard guard(mutex_);
  files_ = std::move(files);
  ++version_;
}

std::pair<TlsFiles, uint64_t> TlsCertificates::get() const {
  const std::lock_guard guard(mutex_);
  return {files_, version_};
}

uint64_t TlsCertificates::version() const {
  const std::lock_guard guard(mutex_);
  return version_;
}

std::shared_ptr<grpc::ServerCredentials> tls_credentials(const TlsCertificates& certificates) {
  return std::make_shared<TlsCredentials>(certificates);
}

}  // namespace parallax
