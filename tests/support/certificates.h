// Certificates for a daemon on TCP and its client.
#pragma once

#include <chrono>

#include "tests/support/child_process.h"

namespace parallax::test {

// A small authority (ca) with a certificate each for the daemon (localhost, 127.0.0.1) and a client (anna): *.crt and *.key.
// False: there is no openssl to make them.
inline bool make_certificates(const TemporaryDirectory& directory) {
  const std::string script = R"(set -e; cd "$0"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.crt
    for who in localhost anna; do
      openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=$who -keyout $who.key -out $who.csr
      echo subjectAltName=DNS:$who,IP:127.0.0.1 > $who.ext
      openssl x509 -req -days 2 -in $who.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile $who.ext -out $who.crt
    done)";
  ChildProcess openssl({"sh", "-c", script, directory.path()});
  return openssl.wait(std::chrono::seconds(30)) == 0;
}

}  // namespace parallax::test
