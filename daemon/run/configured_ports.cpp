#include "daemon/run/configured_ports.h"

#include <algorithm>
#include <cctype>

#include "capture/source/open_source.h"

namespace parallax {
namespace {

// Of a virtual device of DPDK over an interface: "net_af_packet0,iface=eth1,blocksz=4096".
std::string interface_of(const std::string& device) {
  constexpr std::string_view kKey = ",iface=";
  const size_t at = device.find(kKey);
  if (at == std::string::npos) return "";
  const size_t begin = at + kKey.size();
  return device.substr(begin, device.find(',', begin) - begin);
}

}  // namespace

std::string full_pci_address(const std::string& device) {
  const std::string address = device.substr(0, device.find(','));
  const auto colons = std::count(address.begin(), address.end(), ':');
  const bool has_shape = colons >= 1 && address.find('.') != std::string::npos;
  const bool is_address = has_shape && std::all_of(address.begin(), address.end(),
                                                   [](unsigned char c) { return std::isxdigit(c) || c == ':' || c == '.'; });
  if (!is_address) return "";
  return colons == 1 ? "0000:" + address : address;
}

std::vector<ConfiguredPort> configured_ports(const v1::Config& config) {
  std::vector<ConfiguredPort> ports;
  for (const v1::PortConfig& port : config.ports()) {
    const Result<SourceSpec> source = parse_source(port.source());
    if (!source) continue;
    ConfiguredPort found{.name = port.name(), .interface = {}, .pci_address = {}, .is_dpdk = source->kind == SourceKind::dpdk};
    if (source->kind == SourceKind::pcap) found.interface = source->device;
    if (found.is_dpdk) {
      found.interface = interface_of(source->device);
      found.pci_address = full_pci_address(source->device);
    }
    ports.push_back(std::move(found));
  }
  return ports;
}

}  // namespace parallax
