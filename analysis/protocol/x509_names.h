// The names in an X.509 certificate (RFC 5280): whom it is for. Nothing is verified; promises: parse_status.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "analysis/protocol/parse_status.h"

namespace parallax {

inline constexpr size_t kX509DnsNamesMax = 4;

struct X509Names {
  std::string_view common_name;                              // of the subject, the last one if several; empty: none
  std::array<std::string_view, kX509DnsNamesMax> dns_names;  // subjectAltName, the first ones
  uint32_t dns_name_count = 0;  // those beyond kX509DnsNamesMax are counted only; provisional until `done`
  std::span<const std::string_view> kept_dns_names() const {
    return {dns_names.data(), dns_name_count < kX509DnsNamesMax ? dns_name_count : kX509DnsNamesMax};
  }
};

// A certificate in DER, from its first byte. `done` where the names are all read, which may be before its end.
ParseStatus parse_x509_names(std::span<const uint8_t> bytes, X509Names& out);

}  // namespace parallax
