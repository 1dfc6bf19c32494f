// Certificates for a daemon on TCP and its clients.
#pragma once

#include <chrono>
#include <string>

#include "tests/support/child_process.h"

namespace parallax::test {

// A certificate `file`.crt of the authority that stands in the directory, and its key `file`.key. `names`: as openssl has
// subjectAltName, such as "DNS:anna"; empty: the common name alone. `days`: for how long it is valid; below 0: it has expired.
inline bool make_certificate(const TemporaryDirectory& directory, const std::string& file, const std::string& common_name,
                             const std::string& names, int days = 2) {
  const std::string script = R"(set -e; cd "$0"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$2" -keyout "$1.key" -out "$1.csr"
    echo "${3:+subjectAltName=$3}" > "$1.ext"
    openssl x509 -req -days "$4" -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -extfile "$1.ext" -out "$1.crt")";
  ChildProcess openssl({"sh", "-c", script, directory.path(), file, common_name, names, std::to_string(days)});
  return openssl.wait(std::chrono::seconds(30)) == 0;
}

// A small authority (ca) with a certificate each for the daemon (localhost, 127.0.0.1) and a client (anna): *.crt and *.key.
// False: there is no openssl to make them.
inline bool make_certificates(const TemporaryDirectory& directory) {
  const std::string script = R"(cd "$0" && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj /CN=ca -keyout ca.key -out ca.crt)";
  ChildProcess openssl({"sh", "-c", script, directory.path()});
  return openssl.wait(std::chrono::seconds(30)) == 0 &&
         make_certificate(directory, "localhost", "localhost", "DNS:localhost,IP:127.0.0.1") &&
         make_certificate(directory, "anna", "anna", "DNS:anna,IP:127.0.0.1");
}

}  // namespace parallax::test
