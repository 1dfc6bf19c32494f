// What a parser of the first bytes of a direction says of them.
//
// All of these parsers (tls_hello.h, x509_names.h, http_head.h, proxy_header.h, named_address.h, dns_message.h, dhcp_message.h,
// quic_packet.h) keep the same promises. Pure, any thread, no allocation, no recursion. They read only `bytes`, each byte a
// bounded number of times, and stop where they know enough. Views that they hand out lie within `bytes` and are as hostile as
// those: bounded, not sanitised. A parser sets `out` anew. What a beginning was found to be, it stays, however it goes on: after
// `done`, `foreign` or `broken` further bytes change neither the status nor a field; after `more` a field that has been found
// stays as it is, unless it is a count or said to be provisional.
#pragma once

#include <cstdint>

namespace parallax {

enum class ParseStatus : uint8_t {
  done,     // complete
  more,     // right so far, and what it says goes on beyond these bytes; the fields found so far are valid
  foreign,  // not this protocol; the fields mean nothing
  broken,   // this protocol, and malformed; the fields found before the fault are valid
};

}  // namespace parallax
