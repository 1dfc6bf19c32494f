#include "capture/rx/drop_hook.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <string_view>

namespace parallax {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

bool parse_number(std::string_view text, uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

// The finaliser of splitmix64: neighbouring inputs give unrelated outputs.
uint64_t mixed(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

struct DropRule {
  DropStage stage = DropStage::nic;
  bool fails_thread = false;
  bool all_ports = true;
  PortIndex port = 0;
  uint64_t one_in = 100;
  uint64_t seed = 1;

  bool operator()(DropStage at, PortIndex of, const RawPacket& packet) const {
    if (at != stage || !(all_ports || of == port)) return false;
    const bool chosen = mixed(mixed(seed) ^ (uint64_t{of} << 32 | packet.frame)) % one_in == 0;
    if (chosen && fails_thread) throw std::runtime_error("the test hook has failed this thread");
    return chosen;
  }
};

Error wrong(std::string_view item, const char* right) {
  return {"drop hook: '" + std::string(item) + "' is not understood: " + right};
}

}  // namespace

Result<DropHook> parse_drop_hook(const std::string& text, const std::vector<std::string>& ports) {
  DropRule rule;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view item = trimmed(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    const size_t equals = std::min(item.find('='), item.size());
    const std::string_view key = trimmed(item.substr(0, equals));
    const std::string_view value = trimmed(item.substr(std::min(equals + 1, item.size())));
    if (key == "stage") {
      if (value != "nic" && value != "ring" && value != "thread") return wrong(item, "stage is nic, ring or thread");
      rule.stage = value == "ring" ? DropStage::ring : DropStage::nic;
      rule.fails_thread = value == "thread";
    } else if (key == "port") {
      rule.all_ports = value == "*";
      const auto found = std::find(ports.begin(), ports.end(), value);
      if (!rule.all_ports && found == ports.end()) return wrong(item, "there is no port of this name");
      if (!rule.all_ports) rule.port = static_cast<PortIndex>(found - ports.begin());
    } else if (key == "one_in") {
      if (!parse_number(value, rule.one_in) || rule.one_in == 0) return wrong(item, "one_in is a number from 1");
    } else if (key == "seed") {
      if (!parse_number(value, rule.seed)) return wrong(item, "seed is a number");
    } else {
      return wrong(item, "known are stage, port, one_in and seed");
    }
  }
  return DropHook(rule);
}

}  // namespace parallax
