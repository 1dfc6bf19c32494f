// Mutual TLS for the API's listener, with certificates that can be changed while it listens: a connection that is made from then
// on meets the new ones, and those that there are go on.
//
// gRPC asks for the certificates at each handshake, on a thread of its own; the control thread changes them.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "capture/core/result.h"
#include "parallax/v1/config.pb.h"

namespace parallax {

// What the files of api.tls_* hold.
struct TlsFiles {
  std::string certificate, key, client_ca;
  bool operator==(const TlsFiles&) const = default;

  // The error names the setting: one that is missing, or whose file cannot be read.
  //   api.tls_key: cannot read /etc/parallax/tls.key: Permission denied
  static Result<TlsFiles> read(const v1::ApiConfig& config);
};

// The certificates of now. Any thread.
class TlsCertificates {
 public:
  explicit TlsCertificates(TlsFiles files) : files_(std::move(files)) {}

  void set(TlsFiles files);
  // The files, and a number that grows whenever they were set.
  std::pair<TlsFiles, uint64_t> get() const;
  uint64_t version() const;

 private:
  mutable std::mutex mutex_;  // guards what follows
  TlsFiles files_;
  uint64_t version_ = 1;
};

// What is returned outlives the server, which asks it, and `certificates` outlive both.
std::shared_ptr<grpc::ServerCredentials> tls_credentials(const TlsCertificates& certificates);

}  // namespace parallax
