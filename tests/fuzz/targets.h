// What the fuzzers do with an input: hand it to a parser in a heap buffer of exactly its size, and check what must hold for
// whatever comes out. Used by the libFuzzer programs of this folder and, with a mutator of its own, by fuzz_test.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace parallax::fuzz {

// First byte: link type. Second: how many bytes more were on the wire. The rest is the frame. Aborts where an invariant fails.
void decode_frame(const uint8_t* data, size_t size);

// First byte: a kind of tunnel. Second: what is done to the frame (fragments, further tunnels, cut); third: by how much. The rest
// is what the tunnel encloses, so that a fuzzer is inside at once.
void decode_tunnelled(const uint8_t* data, size_t size);

// The bytes of a capture file, read to its end; each packet is decoded.
void read_capture_file(const uint8_t* data, size_t size);

// The first byte: how many bytes more were on the wire. The rest are the options of a TCP header, at most 40 bytes of them.
void read_tcp_options(const uint8_t* data, size_t size);

// The lines of an access log, of whatever format.
void read_access_log(const uint8_t* data, size_t size);

// A configuration, an expression for packets (the first byte: how many bytes of a frame come before it), and the filter of a
// request, as a message of protobuf: refused with an error that says something, or good for what it is for.
void load_configuration(const uint8_t* data, size_t size);
void compile_filter(const uint8_t* data, size_t size);
void read_record_filter(const uint8_t* data, size_t size);

// The first bytes of a direction, given to each parser of that kind whole and cut short: the promises of
// analysis/protocol/parse_status.h.
void parse_tls(const uint8_t* data, size_t size);
void parse_http(const uint8_t* data, size_t size);
void parse_proxy(const uint8_t* data, size_t size);
void parse_named(const uint8_t* data, size_t size);
void parse_dns(const uint8_t* data, size_t size);
void parse_dhcp(const uint8_t* data, size_t size);
void parse_quic(const uint8_t* data, size_t size);

}  // namespace parallax::fuzz
