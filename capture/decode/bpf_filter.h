// A compiled BPF expression (pcap-filter(7)), for one link type.
//
// Compiling may be called from any thread; calls wait for each other, since libpcap's parser and its look-up of names are
// not safe everywhere. An expression with host names asks the resolver and may block: numbers do not. A compiled filter is
// immutable, cheap to copy, and may be used by any number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "capture/core/link_type.h"
#include "capture/core/packet_source.h"
#include "capture/core/result.h"

struct bpf_insn;

namespace parallax {

class BpfFilter {
 public:
  static constexpr uint32_t kSnaplenDefault = 262144;
  // The time that libpcap takes grows with the square of the length and faster, most of it in its optimiser: 2 KiB of ports in
  // 0.25 s without it and 0.7 s with it, 4 KiB in 1.2 s and 6 s.
  static constexpr size_t kExpressionBytesMax = 2048, kOptimizedBytesMax = 1024;

  // The empty expression matches everything. The error has libpcap's text, and where possible the position: see error_position().
  static Result<BpfFilter> compile(std::string_view expression, LinkType link_type, uint32_t snaplen = kSnaplenDefault);

  // The byte at which `expression` goes wrong, 0-based; its size where more should follow; nullopt where it cannot be told.
  // REQUIRES: compile() refused it. Compiles beginnings of it, for half a second at most.
  static std::optional<size_t> error_position(std::string_view expression, LinkType link_type);

  bool matches(const RawPacket& packet) const { return matches(packet.data, packet.captured_length, packet.wire_length); }
  bool matches(const uint8_t* data, uint32_t captured_length, uint32_t wire_length) const;

  LinkType link_type() const { return link_type_; }

 private:
  struct Program;
  BpfFilter(std::shared_ptr<const Program> program, LinkType link_type);

  std::shared_ptr<const Program> program_;
  LinkType link_type_;
};

}  // namespace parallax
