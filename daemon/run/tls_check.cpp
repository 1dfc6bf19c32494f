#include "daemon/run/tls_check.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

namespace parallax {
namespace {

struct Closer {
  void operator()(FILE* file) const { std::fclose(file); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using File = std::unique_ptr<FILE, Closer>;
using Certificate = std::unique_ptr<X509, Closer>;
using Key = std::unique_ptr<EVP_PKEY, Closer>;

// A key behind a passphrase cannot be used: there is nobody to ask.
int no_passphrase(char*, int, int, void*) { return -1; }

class TlsCheck {
 public:
  std::vector<ConfigProblem> all(const v1::ApiConfig& api) {
    const Certificate own = valid_certificate("api.tls_certificate", api.tls_certificate());
    const Key own_key = key(api.tls_key());
    if (own != nullptr && own_key != nullptr && X509_check_private_key(own.get(), own_key.get()) != 1)
      problem("api.tls_key", fmt::format("{} is not the key of the certificate {}", api.tls_key(), api.tls_certificate()));
    valid_certificate("api.tls_client_ca", api.tls_client_ca());
    return take();
  }
  std::vector<ConfigProblem> authorities(const char* field, const std::string& path) {
    certificate(field, path);
    return take();
  }

 private:
  void problem(const char* field, const std::string& message) {
    problems_.push_back({field, fmt::format("{}: {}", field, message)});
  }
  std::vector<ConfigProblem> take() {
    ERR_clear_error();
    return std::move(problems_);
  }

  File open(const char* field, const std::string& path) {
    if (path.empty()) return nullptr;
    File file(std::fopen(path.c_str(), "re"));
    if (file == nullptr) problem(field, fmt::format("{} cannot be read: {}", path, std::strerror(errno)));
    return file;
  }

  // The first one of the file.
  Certificate certificate(const char* field, const std::string& path) {
    const File file = open(field, path);
    if (file == nullptr) return nullptr;
    Certificate found(PEM_read_X509(file.get(), nullptr, no_passphrase, nullptr));
    if (found == nullptr) problem(field, fmt::format("{} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", path));
    return found;
  }

  Certificate valid_certificate(const char* field, const std::string& path) {
    Certificate found = certificate(field, path);
    if (found == nullptr) return nullptr;
    if (X509_cmp_current_time(X509_get0_notAfter(found.get())) < 0) {
      problem(field, fmt::format("the certificate {} has expired", path));
    } else if (X509_cmp_current_time(X509_get0_notBefore(found.get())) > 0) {
      problem(field, fmt::format("the certificate {} is not valid yet; or the system's clock is wrong", path));
    }
    return found;
  }

  Key key(const std::string& path) {
    const File file = open("api.tls_key", path);
    if (file == nullptr) return nullptr;
    Key found(PEM_read_PrivateKey(file.get(), nullptr, no_passphrase, nullptr));
    if (found == nullptr)
      problem("api.tls_key",
              fmt::format("{} holds no private key in PEM form (-----BEGIN PRIVATE KEY-----), or one behind a passphrase", path));
    return found;
  }

  std::vector<ConfigProblem> problems_;
};

}  // namespace

std::vector<ConfigProblem> check_tls(const v1::ApiConfig& api) {
  return api.address().starts_with("unix:") ? std::vector<ConfigProblem>{} : TlsCheck().all(api);
}

std::vector<ConfigProblem> check_authorities(const char* field, const std::string& path) {
  return TlsCheck().authorities(field, path);
}

}  // namespace parallax
