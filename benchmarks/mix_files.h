// Connections that come and go, written to two pcap files: what was seen outside and inside of a NAT.
//
// So many connections are open at any time; where one ends, the next one begins. Each has a handshake, requests with their
// responses and acknowledgements, and both FINs. One packet passes the device every 2 us, and takes 20 us; both files are in the
// order of time, their stamps in nanoseconds, and their frames cut to 128 bytes.
#pragma once

#include <cstdint>
#include <string>

namespace parallax::bench {

struct Mix {
  std::string name;
  uint32_t at_once;      // connections
  uint32_t packets;      // of each connection, at one point; at least 8
  uint32_t connections;  // in all

  uint64_t packets_in_all() const { return 2ull * packets * connections; }  // of both files
};

// Throws std::runtime_error, with what the system says, where a file cannot be written.
void write_mix(const Mix& mix, const std::string& outside, const std::string& inside);

}  // namespace parallax::bench
