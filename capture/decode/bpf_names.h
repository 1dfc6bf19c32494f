// Host names in BPF expressions (pcap-filter(7)): libpcap asks the resolver for them while it compiles, which may take long, and
// tells the resolver what is looked for. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace parallax {

struct BpfWord {
  std::string text;
  size_t position = 0;  // of its first byte in the expression
};

// The first word that libpcap would look up as the name of a host, a network or a station: one that is neither a word of
// pcap-filter nor a number nor an address. Names of ports and protocols, which the system's own files have, are none. In doubt a
// word is a name. nullopt: there is none.
std::optional<BpfWord> find_host_name(std::string_view expression);

}  // namespace parallax
