// From a source as configured to an open one: dpdk:<device>, pcap:<interface>, file:<path>.
//
// Called at start, by the thread that wires the process.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "capture/core/packet_source.h"
#include "capture/core/result.h"
#include "capture/source/clock.h"
#include "capture/source/eal.h"

namespace parallax {

enum class SourceKind : uint8_t { dpdk, pcap, file };

struct SourceSpec {
  SourceKind kind;
  std::string device;  // what follows the colon
};

// The error names the value and what would be right.
Result<SourceSpec> parse_source(const std::string& source);

struct OpenOptions {
  const Clock* clock = nullptr;             // needed for dpdk: and pcap:; outlives the sources
  uint32_t mbufs = 8191;                    // per dpdk: port
  int64_t kernel_delivery_ns = 10'000'000;  // pcap: a stamped packet is handed over at most so late
};

// Starts DPDK's environment if one of the sources needs it; `options.pci_addresses` is filled in from them. Empty: done.
std::string start_eal_for(std::span<const std::string> sources, EalOptions options);

// REQUIRES: for dpdk:, start_eal_for() or eal_start() succeeded.
Result<std::unique_ptr<PacketSource>> open_source(const std::string& source, const OpenOptions& options);

}  // namespace parallax
