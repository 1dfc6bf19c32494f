// PCAP-over-IP: a slice for programs that read it from a TCP connection, such as Wireshark (`-i TCP@127.0.0.1:57012`).
//
// The slice is pulled once, into a file without a name, by a thread of its own; readers are given it from there as it comes, each
// from its beginning. So the daemon waits for no reader, and what it refuses is told before one has come. The caller's thread
// serves; memory is bounded, disk by the size of the slice.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "daemon/client/sensor_client.h"

namespace parallax {

struct SliceListen {
  // PORT, which is 127.0.0.1:PORT; ADDRESS:PORT; [ADDRESS]:PORT. No host names. Port 0: one that is free, and told.
  std::string address;
  uint32_t readers = 1;                     // that are waited for and served; 0: until Ctrl-C
  std::chrono::seconds stall_max{60};       // a reader that has taken nothing for so long is closed
  static constexpr size_t kAtOnceMax = 64;  // further ones wait
};

// Says on `err` where it listens, who came, and what each was given. Exit code 0: the slice is whole, and so every reader had it.
ClientOutcome serve_slice(SensorClient& client, const v1::PullSliceRequest& request, const SliceListen& listen, std::FILE* err);

}  // namespace parallax
