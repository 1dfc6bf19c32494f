// Reads the first bytes of messages out of payload prefixes, and tells the correlator what they say.
//
// One for each analysis worker, used by its thread. Of each direction of a leg: messages from their first byte to where the
// parsers know enough, one after the other (a PROXY header and what follows it, one HTTP head after another), each once, however
// often its segments come. Bounded: messages a direction, legs with a state, buffers for messages in several segments.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "analysis/event/recognition.h"
#include "analysis/event/worker_counters.h"
#include "analysis/protocol/dns_message.h"
#include "analysis/protocol/quic_packet.h"
#include "analysis/recognise/message_buffer.h"
#include "capture/core/large_table.h"
#include "capture/core/outbox.h"

namespace parallax {

struct ProtocolParserLimits {
  size_t legs = 0;     // slots of the leg table, at first
  size_t states = 0;   // legs of which something may be known at a time (live)
  size_t buffers = 0;  // messages that are incomplete at a time (live)
  bool offline = false;
};

class ProtocolParser {
 public:
  ProtocolParser(const ProtocolParserLimits& limits, SpscRing<RecognitionEvent>& ring, WorkerCounters& counters);

  // The payload prefix of a packet of the leg in that slot. `first_seq`: where the packet's direction begins, if that was seen.
  // `may_pair`: the leg has no partner, so that all its messages are of interest, and its first bytes whatever they are.
  void take(uint32_t slot, LegId leg, const Sighting& s, Side from, std::optional<uint32_t> first_seq, bool may_pair,
            std::span<const uint8_t> payload_prefix);
  // The leg is over: tells what is known of messages that were never completed. To be called before the leg's last event is sent,
  // whose place in the order is `last`.
  void close(uint32_t slot, LegId leg, const PacketFacts& last);

  // Whether several requests may be on their way on the leg at once (HTTP/2): its client has offered that before all else, or
  // speaks it.
  bool is_multiplexed(uint32_t slot) const {
    const uint32_t index = state_index(slot);
    return index != kNone && states_[index].is_multiplexed;
  }

  Outbox<RecognitionEvent>& outbox() { return outbox_; }

 private:
  struct Stream {                     // what one side sends
    uint32_t buffer = kNone;          // of a message that is incomplete
    uint32_t message_seq = 0;         // where it begins
    uint32_t body_end = 0;            // of the last HTTP request
    std::array<uint32_t, 4> begun{};  // where the last messages began
    uint32_t begun_count = 0;         // of those; goes on
    uint8_t messages = 0;             // told
    uint8_t client_hellos = 0;        // of those
    bool has_body = false;            // body_end holds
    bool hello_told = false;          // of the message in the buffer
    uint8_t quic_told = 0;            // packets
    uint32_t quic_ids = 0;            // a hash of those told last
  };
  struct State {
    PerSide<Stream> streams;
    bool may_pair = false;
    bool is_multiplexed = false;
    bool tls_secret = false;  // the server's hello was told: what follows looks like handshakes and is encrypted
  };
  // A packet, or the end of its leg.
  struct Packet {
    int64_t order_ns;
    LegId leg;
    uint32_t frame, stamp_uncertainty_ns, ack;
    PortIndex port;
    PointIndex point;
    Side from;
    bool closing;
    bool dns;  // by its port
  };
  enum class Outcome : uint8_t { done, more, nothing };
  struct Read {
    Outcome outcome;
    uint32_t consumed;  // done: where the next message may begin
  };
  using Bytes = std::span<const uint8_t>;

  // kNone: the leg in that slot has none.
  uint32_t state_index(uint32_t slot) const { return slot < state_of_slot_.size() ? state_of_slot_[slot] : kNone; }
  State* state_of(uint32_t slot);
  void take_datagram(State& state, const Packet& packet, const Sighting& s, Bytes bytes);
  void take_dhcp(State& state, const Packet& packet, Bytes bytes);
  void take_dhcpv6(State& state, const Packet& packet, Bytes bytes);
  void take_quic(State& state, const Packet& packet, Bytes bytes);
  void take_stream(uint32_t state_index, const Packet& packet, uint32_t seq, std::optional<uint32_t> first_seq, Bytes bytes);
  void begin(uint32_t state_index, const Packet& packet, uint32_t seq, Bytes bytes);
  void go_on(uint32_t state_index, const Packet& packet, uint32_t seq, Bytes bytes);
  void keep(uint32_t state_index, const Packet& packet, uint32_t seq);
  void release(Stream& stream);
  bool begun_before(Stream& stream, uint32_t seq) const;

  Read read(State& state, const Packet& packet, uint32_t seq, Bytes bytes, bool last);
  Read read_tls(State& state, const Packet& packet, uint32_t seq, Bytes bytes, bool last);
  Read read_client_hello(State& state, const Packet& packet, uint32_t seq, Bytes bytes, bool last);
  Read read_server_flight(State& state, const Packet& packet, uint32_t seq, Bytes bytes, bool last);
  Read read_request(State& state, const Packet& packet, uint32_t seq, Bytes bytes, bool last);
  Read read_response(State& state, const Packet& packet, uint32_t seq, Bytes bytes, bool last);
  Read read_proxy(State& state, const Packet& packet, uint32_t seq, Bytes bytes, bool last);
  Read read_named_address(State& state, const Packet& packet, uint32_t seq, Bytes bytes, bool of_rpc);
  Read read_dns_stream(State& state, const Packet& packet, uint32_t seq, Bytes bytes);
  void send_first_bytes(State& state, const Packet& packet, uint32_t seq, Bytes bytes);
  void send_dns(State& state, const Packet& packet, uint32_t seq, const DnsMessage& message);
  RecognitionEvent event_of(const Packet& packet, RecognitionKind kind, uint32_t seq) const;
  void send(State& state, const RecognitionEvent& event);

  const ProtocolParserLimits limits_;
  WorkerCounters& counters_;
  Outbox<RecognitionEvent> outbox_;
  MessageBufferPool buffers_;
  std::vector<uint32_t> state_of_slot_;
  LargeTable<State> states_;
  std::vector<uint32_t> free_states_;
};

}  // namespace parallax
