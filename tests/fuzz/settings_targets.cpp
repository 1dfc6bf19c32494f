// What people and clients write: configurations, filters, requests.
#include <algorithm>
#include <memory>
#include <string>

#include "capture/decode/bpf_names.h"
#include "capture/decode/flow_filter.h"
#include "config/loader.h"
#include "config/printer.h"
#include "daemon/api/record_filter.h"
#include "parallax/v1/sensor.pb.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/targets.h"

namespace parallax::fuzz {
namespace {

std::string text_of(const uint8_t* data, size_t size) { return {reinterpret_cast<const char*>(data), size}; }

}  // namespace

void load_configuration(const uint8_t* data, size_t size) {
  const LoadedConfig loaded = load_config_text(text_of(data, size), "fuzz.yaml", ConfigUse::daemon);
  for (const ConfigError& error : loaded.errors) REQUIRE(!error.message.empty() && error.line >= 0 && error.column >= 0);
  if (!loaded.ok()) return;
  // What is printed is what is in force.
  const std::string printed = config_to_yaml(loaded.config);
  const LoadedConfig again = load_config_text(printed, "printed.yaml", ConfigUse::daemon);
  REQUIRE(again.ok() && config_to_yaml(again.config) == printed);
}

// The first byte: how much of the rest is the frame that the filter is asked about.
void compile_filter(const uint8_t* data, size_t size) {
  if (size < 1) return;
  const size_t length = std::min<size_t>(data[0], size - 1);
  const std::string expression = text_of(data + 1 + length, size - 1 - length);
  if (find_host_name(expression)) return;  // the resolver would be asked
  const Result<FlowFilter> filter = FlowFilter::compile(expression);
  if (!filter) {
    REQUIRE(!filter.error().empty());
    return;
  }
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[length]);
  std::copy_n(data + 1, length, exact.get());
  RawPacket packet{};
  packet.data = exact.get();
  packet.captured_length = packet.wire_length = static_cast<uint32_t>(length);
  for (const LinkType link_type : kLinkTypes) {
    packet.link_type = link_type;
    if (!filter->matches(packet)) filter->misjudges(packet, KeyFrom::vlan_and_tunnel);
  }
}

void read_record_filter(const uint8_t* data, size_t size) {
  v1::RecordFilter request;
  if (!request.ParseFromArray(data, static_cast<int>(size))) return;
  for (const Result<RecordFilter>& filter : {RecordFilter::of(request), RecordFilter::of_pinned(request)})
    REQUIRE(filter || !filter.error().empty());
}

}  // namespace parallax::fuzz
