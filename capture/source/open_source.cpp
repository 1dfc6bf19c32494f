#include "capture/source/open_source.h"

#include "capture/source/dpdk_source.h"
#include "capture/source/file_source.h"
#include "capture/source/libpcap_source.h"

namespace parallax {
namespace {

template <typename Source>
Result<std::unique_ptr<PacketSource>> as_packet_source(Result<std::unique_ptr<Source>> source) {
  if (!source.ok()) return Error{source.error()};
  return std::unique_ptr<PacketSource>(std::move(*source));
}

}  // namespace

Result<SourceSpec> parse_source(const std::string& source) {
  const size_t colon = source.find(':');
  const std::string kind = source.substr(0, colon);
  const std::string device = colon == std::string::npos ? "" : source.substr(colon + 1);
  const bool known = kind == "dpdk" || kind == "pcap" || kind == "file";
  if (!known || device.empty()) {
    return Error{"source '" + source +
                 "' is not understood: it is dpdk:<PCI address or virtual device>, pcap:<interface> or file:<path>"};
  }
  return SourceSpec{kind == "dpdk" ? SourceKind::dpdk : kind == "pcap" ? SourceKind::pcap : SourceKind::file, device};
}

std::string start_eal_for(std::span<const std::string> sources, EalOptions options) {
  bool needed = false;
  for (const std::string& source : sources) {
    const Result<SourceSpec> spec = parse_source(source);
    if (!spec.ok()) return spec.error();
    if (spec->kind != SourceKind::dpdk) continue;
    needed = true;
    if (const std::string address = pci_address_of(spec->device); !address.empty()) options.pci_addresses.push_back(spec->device);
  }
  return needed ? eal_start(options) : std::string{};
}

Result<std::unique_ptr<PacketSource>> open_source(const std::string& source, const OpenOptions& options) {
  const Result<SourceSpec> spec = parse_source(source);
  if (!spec.ok()) return Error{spec.error()};
  switch (spec->kind) {
    case SourceKind::dpdk:
      return as_packet_source(DpdkSource::open(spec->device, {.clock = options.clock, .mbufs = options.mbufs}));
    case SourceKind::pcap: {
      LibpcapSourceOptions live;
      live.clock = options.clock;
      live.delivery_ns = options.kernel_delivery_ns;
      return as_packet_source(LibpcapSource::open(spec->device, live));
    }
    case SourceKind::file:
      break;
  }
  return as_packet_source(FileSource::open(spec->device));
}

}  // namespace parallax
