#include "analysis/recognise/protocol_parser.h"

#include <nmmintrin.h>

#include <algorithm>

#include "analysis/model/sequence.h"
#include "analysis/protocol/byte_reader.h"
#include "analysis/protocol/dhcp_message.h"
#include "analysis/protocol/dns_message.h"
#include "analysis/protocol/http_head.h"
#include "analysis/protocol/named_address.h"
#include "analysis/protocol/proxy_header.h"
#include "analysis/protocol/tls_hello.h"

namespace parallax {
namespace {

using Bytes = std::span<const uint8_t>;

constexpr uint8_t kMessagesMax = 96;    // told of a direction of a leg that has a partner: more than are kept of a connection
constexpr int kMessagesPerStep = 32;    // in one payload prefix or buffer
constexpr uint64_t kBodyMax = 1 << 30;  // a body as long as that has no end that sequence numbers could tell
constexpr uint8_t kTlsAlert = 21, kTlsHandshake = 22, kClientHello = 1, kServerHello = 2;
constexpr uint8_t kRpcVersion = 5;
constexpr uint16_t kFtpPassive = 227;
constexpr size_t kWaitingMax = 64;      // live: messages that wait for room in the ring to the correlator
constexpr size_t kFirstBytesLeast = 4;  // fewer say nothing
constexpr uint8_t kQuicPacketsMax = 8;  // told of a direction: a handshake, with version negotiation and a Retry, has five
constexpr std::string_view kHttp2 = "h2", kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";  // RFC 9113, 3.4
constexpr size_t kTlsFirstBytes = 6;  // record header, and the type of the handshake message

template <typename T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}
std::string_view text_of(const TlsSessionId& id) { return as_text({id.bytes.data(), id.length}); }
std::string_view text_of(const QuicId& id) { return as_text({id.bytes.data(), id.length}); }

// Of what it says, for who tells only what is new.
uint32_t hash_of(const QuicPacket& packet) {
  uint32_t hash = static_cast<uint32_t>(packet.type);
  for (const QuicId* id : {&packet.destination, &packet.source}) {
    for (const uint8_t byte : id->bytes) hash = _mm_crc32_u8(hash, byte);
    hash = _mm_crc32_u8(hash, id->length);
  }
  return hash;
}

bool begins(Bytes bytes, std::string_view text) { return as_text(bytes).substr(0, text.size()) == text.substr(0, bytes.size()); }
bool is_port(const Sighting& s, uint16_t port) { return s.source_port == port || s.destination_port == port; }

// Whether a whole message begins here. For bytes that would otherwise be taken for the middle of one.
bool is_message(Bytes bytes) {
  if (bytes.empty()) return false;
  if (bytes[0] == kTlsHandshake) {
    TlsClientHello hello;
    TlsServerFlight flight;
    return parse_tls_client_hello(bytes, hello) == ParseStatus::done ||
           (parse_tls_server_flight(bytes, flight) != ParseStatus::foreign && flight.has_hello);
  }
  HttpRequestHead request;
  HttpResponseHead response;
  return parse_http_request(bytes, request) == ParseStatus::done || parse_http_response(bytes, response) == ParseStatus::done;
}

}  // namespace

ProtocolParser::ProtocolParser(const ProtocolParserLimits& limits, SpscRing<RecognitionEvent>& ring, WorkerCounters& counters)
    : limits_(limits),
      counters_(counters),
      outbox_(ring, limits.offline ? Outbox<RecognitionEvent>::kUnbounded : kWaitingMax),
      buffers_(limits.buffers, limits.offline),
      state_of_slot_(limits.legs, kNone) {
  if (limits.offline) {
    reserve_room(states_);
    return;
  }
  states_.resize(std::max<size_t>(limits.states, 1));
  for (size_t i = states_.size(); i-- > 0;) free_states_.push_back(static_cast<uint32_t>(i));
}

ProtocolParser::State* ProtocolParser::state_of(uint32_t slot) {
  if (slot >= state_of_slot_.size()) state_of_slot_.resize(std::max<size_t>(slot + 1, 2 * state_of_slot_.size()), kNone);
  uint32_t& index = state_of_slot_[slot];
  if (index != kNone) return &states_[index];
  if (free_states_.empty()) {
    if (!limits_.offline) {
      counters_.protocol_parser_states_missing.add();
      return nullptr;
    }
    free_states_.push_back(static_cast<uint32_t>(states_.size()));
    states_.emplace_back();
  }
  index = free_states_.back();
  free_states_.pop_back();
  states_[index] = {};
  return &states_[index];
}

void ProtocolParser::take(uint32_t slot, LegId leg, const Sighting& s, Side from, std::optional<uint32_t> first_seq,
                          bool may_pair, Bytes payload_prefix) {
  State* state = state_of(slot);
  if (state == nullptr || payload_prefix.empty()) return;
  state->may_pair = may_pair;
  const bool dns = is_port(s, 53) || is_port(s, 5353) || is_port(s, 5355);
  const Packet packet{s.order_ns, leg, s.frame, s.stamp_uncertainty_ns, s.ack, s.port, s.point, from, false, dns};
  if (s.protocol == ip_protocol::udp) {
    take_datagram(*state, packet, s, payload_prefix);
  } else {
    const uint32_t seq = s.seq + ((s.tcp_flags & tcp_flag::syn) ? 1 : 0);
    take_stream(state_of_slot_[slot], packet, seq, first_seq, payload_prefix);
    if (may_pair && seq == first_seq) send_first_bytes(*state, packet, seq, payload_prefix);
  }
}

void ProtocolParser::close(uint32_t slot, LegId leg, const PacketFacts& last) {
  const uint32_t index = state_index(slot);
  if (index == kNone) return;
  State& state = states_[index];
  for (const Side side : kSides) {
    Stream& stream = state.streams[side];
    if (stream.buffer == kNone) continue;
    const Packet packet{last.order_ns, leg, last.frame, last.stamp_uncertainty_ns, 0, last.port, last.point, side, true, false};
    const Bytes bytes = buffers_[stream.buffer].contiguous();
    if (!bytes.empty()) read(state, packet, stream.message_seq, bytes, true);
    release(stream);
  }
  free_states_.push_back(index);
  state_of_slot_[slot] = kNone;
}

// ---- streams ----

void ProtocolParser::take_stream(uint32_t state_index, const Packet& packet, uint32_t seq, std::optional<uint32_t> first_seq,
                                 Bytes bytes) {
  Stream& stream = states_[state_index].streams[packet.from];
  if (stream.buffer != kNone) {
    go_on(state_index, packet, seq, bytes);
    return;
  }
  begin(state_index, packet, seq, bytes);
  // The direction's first segment may have been overtaken.
  const int32_t offset = first_seq ? sequence_distance(*first_seq, seq) : 0;
  if (stream.begun_count == 0 && offset > 0 && offset < static_cast<int32_t>(MessageBuffer::kBytesMax)) {
    keep(state_index, packet, *first_seq);
    buffers_[stream.buffer].add(static_cast<uint32_t>(offset), bytes);
  }
}

void ProtocolParser::begin(uint32_t state_index, const Packet& packet, uint32_t seq, Bytes bytes) {
  State& state = states_[state_index];
  Stream& stream = state.streams[packet.from];
  for (int i = 0; i < kMessagesPerStep && !bytes.empty(); ++i) {
    if (begun_before(stream, seq)) return;
    stream.has_body = stream.has_body && sequence_before(seq, stream.body_end);
    if (stream.has_body) return;
    const Read found = read(state, packet, seq, bytes, false);
    if (found.outcome == Outcome::nothing) return;
    stream.begun[stream.begun_count++ % stream.begun.size()] = seq;
    if (found.outcome == Outcome::more) {
      keep(state_index, packet, seq);
      buffers_[stream.buffer].add(0, bytes);
      return;
    }
    stream.hello_told = false;
    bytes = bytes.subspan(found.consumed);
    seq += found.consumed;
  }
  if (!bytes.empty()) counters_.messages_over.add();
}

void ProtocolParser::go_on(uint32_t state_index, const Packet& packet, uint32_t seq, Bytes bytes) {
  State& state = states_[state_index];
  Stream& stream = state.streams[packet.from];
  MessageBuffer& buffer = buffers_[stream.buffer];
  int32_t offset = sequence_distance(stream.message_seq, seq);
  if (offset < 0) {
    if (static_cast<size_t>(-int64_t{offset}) >= bytes.size()) return;
    bytes = bytes.subspan(static_cast<size_t>(-int64_t{offset}));
    offset = 0;
  }
  const bool beyond_gap = static_cast<size_t>(offset) > buffer.contiguous().size();
  if (offset >= static_cast<int32_t>(MessageBuffer::kBytesMax) || (beyond_gap && is_message(bytes))) {
    // What is missing was never seen, and the stream has gone on.
    if (!buffer.contiguous().empty()) read(state, packet, stream.message_seq, buffer.contiguous(), true);
    release(stream);
    begin(state_index, packet, seq, bytes);
    return;
  }
  buffer.add(static_cast<uint32_t>(offset), bytes);
  buffers_.touch(stream.buffer, packet.order_ns);
  if (buffer.contiguous().empty()) return;  // its first segment is still to come
  for (int i = 0; i < kMessagesPerStep; ++i) {
    const Bytes whole = buffer.contiguous();
    const Read found = read(state, packet, stream.message_seq, whole, buffer.full());
    if (found.outcome == Outcome::more) return;
    if (found.outcome == Outcome::nothing || found.consumed >= whole.size()) break;
    buffer.drop_first(found.consumed);
    stream.message_seq += found.consumed;
    stream.begun[stream.begun_count++ % stream.begun.size()] = stream.message_seq;
    stream.hello_told = false;
    if (i + 1 == kMessagesPerStep) counters_.messages_over.add();
  }
  release(stream);
}

// A buffer for the message that begins at `seq`.
void ProtocolParser::keep(uint32_t state_index, const Packet& packet, uint32_t seq) {
  Stream& stream = states_[state_index].streams[packet.from];
  MessageBufferPool::Owner evicted;
  stream.buffer = buffers_.take({state_index, packet.from}, packet.order_ns, evicted);
  stream.message_seq = seq;
  if (evicted.state == kNone) return;
  counters_.messages_evicted.add();
  states_[evicted.state].streams[evicted.from].buffer = kNone;
  states_[evicted.state].streams[evicted.from].hello_told = false;
}

void ProtocolParser::release(Stream& stream) {
  buffers_.give_back(stream.buffer);
  stream.buffer = kNone;
  stream.hello_told = false;
}

bool ProtocolParser::begun_before(Stream& stream, uint32_t seq) const {
  const size_t known = std::min<size_t>(stream.begun_count, stream.begun.size());
  return std::find(stream.begun.begin(), stream.begun.begin() + static_cast<ptrdiff_t>(known), seq) !=
         stream.begun.begin() + static_cast<ptrdiff_t>(known);
}

// ---- messages ----

// `last`: no more bytes will come, so that what has been found so far is told.
ProtocolParser::Read ProtocolParser::read(State& state, const Packet& packet, uint32_t seq, Bytes bytes, bool last) {
  if (packet.dns) return read_dns_stream(state, packet, seq, bytes);
  if (bytes[0] == kTlsHandshake || bytes[0] == kTlsAlert) return read_tls(state, packet, seq, bytes, last);
  if (bytes[0] == '\r' || begins(bytes, "PROXY")) {
    const Read proxy = read_proxy(state, packet, seq, bytes, last);
    if (proxy.outcome != Outcome::nothing) return proxy;
  }
  if (bytes[0] == '2' || bytes[0] == kRpcVersion) return read_named_address(state, packet, seq, bytes, bytes[0] == kRpcVersion);
  if (begins(bytes, "HTTP/")) {
    const Read response = read_response(state, packet, seq, bytes, last);
    if (response.outcome != Outcome::nothing) return response;
  }
  if (bytes.size() >= kHttp2Preface.size() && begins(bytes, kHttp2Preface)) {
    state.is_multiplexed = true;
    return {Outcome::nothing, 0};
  }
  return read_request(state, packet, seq, bytes, last);
}

ProtocolParser::Read ProtocolParser::read_tls(State& state, const Packet& packet, uint32_t seq, Bytes bytes, bool last) {
  if (bytes[0] == kTlsAlert) {
    TlsAlert alert;
    const ParseStatus status = parse_tls_alert(bytes, alert);
    if (status == ParseStatus::more) return {Outcome::more, 0};
    if (status != ParseStatus::done || alert.encrypted) return {Outcome::nothing, 0};
    RecognitionEvent event = event_of(packet, RecognitionKind::tls_alert, seq);
    event.code = static_cast<uint16_t>(alert.level << 8 | alert.description);
    send(state, event);
    return {Outcome::done, static_cast<uint32_t>(kTlsRecordHeaderBytes + 2)};
  }
  if (bytes.size() < kTlsFirstBytes) return {Outcome::more, 0};
  const uint8_t type = bytes[kTlsRecordHeaderBytes];
  if (type == kClientHello) return read_client_hello(state, packet, seq, bytes, last);
  if (type == kServerHello) return read_server_flight(state, packet, seq, bytes, last);
  return {Outcome::nothing, 0};
}

ProtocolParser::Read ProtocolParser::read_client_hello(State& state, const Packet& packet, uint32_t seq, Bytes bytes, bool last) {
  Stream& stream = state.streams[packet.from];
  if (state.tls_secret && stream.client_hellos > 0) return {Outcome::nothing, 0};
  TlsClientHello hello;
  const ParseStatus status = parse_tls_client_hello(bytes, hello);
  if (status == ParseStatus::more && !last) return {Outcome::more, 0};
  if (status == ParseStatus::foreign || !hello.has_random) return {Outcome::nothing, 0};
  RecognitionEvent event = event_of(packet, RecognitionKind::tls_client_hello, seq);
  event.version = hello.version;
  event.version_known = hello.has_version;
  event.add(0, as_text(hello.random), hello.random.size());
  event.add(1, text_of(hello.session_id), hello.session_id.bytes.size());
  event.add(2, hello.sni.view(), 255);
  event.add(3, hello.alpn.view(), 64);
  state.is_multiplexed = hello.alpn.view() == kHttp2;
  send(state, event);
  ++stream.client_hellos;
  return {Outcome::done, static_cast<uint32_t>(bytes.size())};
}

ProtocolParser::Read ProtocolParser::read_server_flight(State& state, const Packet& packet, uint32_t seq, Bytes bytes,
                                                        bool last) {
  Stream& stream = state.streams[packet.from];
  if (state.tls_secret && !stream.hello_told) return {Outcome::nothing, 0};
  TlsServerFlight flight;
  const ParseStatus status = parse_tls_server_flight(bytes, flight);
  if (status == ParseStatus::foreign || (status == ParseStatus::broken && !flight.has_hello)) return {Outcome::nothing, 0};
  const bool goes_on = status == ParseStatus::more && !last;
  // The hello is told at once; once more with the certificate's names, where there are any.
  const bool tell = flight.has_hello && (!stream.hello_told || (!goes_on && flight.has_certificate));
  if (tell) {
    RecognitionEvent event = event_of(packet, RecognitionKind::tls_server_hello, seq);
    event.version = flight.version;
    event.version_known = flight.has_version;
    event.add(0, as_text(flight.random), flight.random.size());
    event.add(1, text_of(flight.session_id), flight.session_id.bytes.size());
    event.add(2, flight.alpn.view(), 64);
    std::array<char, 512> names;
    size_t length = 0;
    const auto add_name = [&](std::string_view name) {
      if (name.empty() || length + name.size() + 1 > names.size()) return;
      std::memcpy(names.data() + length, name.data(), name.size());
      length += name.size();
      names[length++] = '\0';
    };
    if (flight.has_certificate) {
      for (const std::string_view name : flight.certificate.kept_dns_names()) add_name(name);
      if (length == 0) add_name(flight.certificate.common_name);
    }
    event.add(3, {names.data(), length}, names.size());
    send(state, event);
    state.tls_secret = true;
    stream.hello_told = true;
  }
  return goes_on ? Read{Outcome::more, 0} : Read{Outcome::done, static_cast<uint32_t>(bytes.size())};
}

ProtocolParser::Read ProtocolParser::read_request(State& state, const Packet& packet, uint32_t seq, Bytes bytes, bool last) {
  HttpRequestHead head;
  const ParseStatus status = parse_http_request(bytes, head);
  if (status == ParseStatus::more && !last) return {Outcome::more, 0};
  if (status == ParseStatus::foreign || !head.has_version) return {Outcome::nothing, 0};
  RecognitionEvent event = event_of(packet, RecognitionKind::http_request, seq);
  event.add(0, head.method, 24);
  event.add(1, head.fields.host, 128);
  event.add(2, head.fields.forwarded_for_count > 0 ? head.fields.forwarded_for : head.fields.real_ip, 96);
  event.add(3, head.fields.forwarded, 96);
  event.add(4, head.target, event.bytes.size());
  send(state, event);
  if (head.head_length == 0 || head.fields.chunked) return {Outcome::done, static_cast<uint32_t>(bytes.size())};
  const uint64_t body = head.fields.has_content_length ? head.fields.content_length : 0;
  if (body > 0 && body < kBodyMax) {
    Stream& stream = state.streams[packet.from];
    stream.body_end = seq + head.head_length + static_cast<uint32_t>(body);
    stream.has_body = true;
  }
  return {Outcome::done, static_cast<uint32_t>(std::min<uint64_t>(bytes.size(), head.head_length + body))};
}

ProtocolParser::Read ProtocolParser::read_response(State& state, const Packet& packet, uint32_t seq, Bytes bytes, bool last) {
  HttpResponseHead head;
  const ParseStatus status = parse_http_response(bytes, head);
  if (status == ParseStatus::more && !last) return {Outcome::more, 0};
  if (status == ParseStatus::foreign || !head.has_status) return {Outcome::nothing, 0};
  RecognitionEvent event = event_of(packet, RecognitionKind::http_response, seq);
  event.code = head.status;
  send(state, event);
  if (head.head_length == 0) return {Outcome::done, static_cast<uint32_t>(bytes.size())};
  // A body is announced that does not come where HEAD was asked for, or nothing has changed.
  const Bytes rest = bytes.subspan(head.head_length);
  const bool no_body = !rest.empty() && begins(rest, "HTTP/");
  const uint64_t body = no_body || !head.fields.has_content_length ? 0 : head.fields.content_length;
  return {Outcome::done, static_cast<uint32_t>(std::min<uint64_t>(bytes.size(), head.head_length + std::min(body, kBodyMax)))};
}

ProtocolParser::Read ProtocolParser::read_proxy(State& state, const Packet& packet, uint32_t seq, Bytes bytes, bool last) {
  ProxyHeader header;
  const ParseStatus status = parse_proxy_header(bytes, header);
  if (status == ParseStatus::more && !last) return {Outcome::more, 0};
  // Of a header that is longer than what is kept the endpoints are known: they come first.
  const bool part = status == ParseStatus::more && header.has_endpoints;
  if (status != ParseStatus::done && !part) return {Outcome::nothing, 0};
  RecognitionEvent event = event_of(packet, RecognitionKind::proxy_header, seq);
  event.code = header.version;
  if (header.has_endpoints) {
    event.add(0, bytes_of(header.source), sizeof(header.source));
    event.add(1, bytes_of(header.destination), sizeof(header.destination));
  }
  event.add(2, header.authority, 255);
  event.add(3, as_text(header.unique_id), 128);
  send(state, event);
  return {Outcome::done, part ? static_cast<uint32_t>(bytes.size()) : header.header_length};
}

ProtocolParser::Read ProtocolParser::read_named_address(State& state, const Packet& packet, uint32_t seq, Bytes bytes,
                                                        bool of_rpc) {
  Endpoint end;
  const ParseStatus status = of_rpc ? parse_rpc_endpoint_map(bytes, end) : parse_ftp_passive_reply(bytes, end);
  if (status == ParseStatus::more) return {Outcome::more, 0};
  if (status != ParseStatus::done) return {Outcome::nothing, 0};
  RecognitionEvent event = event_of(packet, RecognitionKind::named_address, seq);
  event.code = of_rpc ? kEndpointMapperPort : kFtpPassive;
  event.add(0, bytes_of(end), sizeof(end));
  send(state, event);
  return {Outcome::done, static_cast<uint32_t>(bytes.size())};
}

ProtocolParser::Read ProtocolParser::read_dns_stream(State& state, const Packet& packet, uint32_t seq, Bytes bytes) {
  DnsMessage message;
  uint16_t length = 0;
  const ParseStatus status = parse_dns_stream(bytes, message, length);
  if (status == ParseStatus::more && !message.has_question) return {Outcome::more, 0};
  if (status == ParseStatus::foreign || !message.has_question) return {Outcome::nothing, 0};
  send_dns(state, packet, seq, message);
  Stream& stream = state.streams[packet.from];
  stream.body_end = seq + 2 + length;
  stream.has_body = true;
  return {Outcome::done, static_cast<uint32_t>(std::min<size_t>(bytes.size(), size_t{2} + length))};
}

void ProtocolParser::send_dns(State& state, const Packet& packet, uint32_t seq, const DnsMessage& message) {
  RecognitionEvent event = event_of(packet, RecognitionKind::dns, seq);
  event.id = message.id;
  event.code = message.type;
  event.rcode = message.rcode;
  event.answer = message.response;
  event.add(0, message.name, kDnsNameBytesMax);
  send(state, event);
}

// Unless a message begins there, or they have been told.
void ProtocolParser::send_first_bytes(State& state, const Packet& packet, uint32_t seq, Bytes bytes) {
  Stream& stream = state.streams[packet.from];
  if (stream.begun_count > 0 || bytes.size() < kFirstBytesLeast) return;
  stream.begun[stream.begun_count++] = seq;
  RecognitionEvent event = event_of(packet, RecognitionKind::first_bytes, seq);
  event.add(0, as_text(bytes), kFirstBytes);
  send(state, event);
}

// ---- datagrams ----

void ProtocolParser::take_datagram(State& state, const Packet& packet, const Sighting& s, Bytes bytes) {
  if (packet.dns) {
    DnsMessage message;
    const ParseStatus status = parse_dns_message(bytes, message);
    if (status != ParseStatus::foreign && message.has_question) send_dns(state, packet, 0, message);
    return;
  }
  if (is_port(s, 67) || is_port(s, 68)) {
    take_dhcp(state, packet, bytes);
  } else if (is_port(s, 546) || is_port(s, 547)) {
    take_dhcpv6(state, packet, bytes);
  } else {
    take_quic(state, packet, bytes);
  }
}

void ProtocolParser::take_dhcp(State& state, const Packet& packet, Bytes bytes) {
  DhcpMessage message;
  if (parse_dhcp_message(bytes, message) == ParseStatus::foreign || !message.has_header) return;
  RecognitionEvent event = event_of(packet, RecognitionKind::dhcp, 0);
  event.id = message.transaction_id;
  event.code = message.message_type;
  event.answer = message.reply;
  event.version = 4;
  event.add(0, as_text(message.hardware_address).substr(0, message.hardware_length), message.hardware_address.size());
  event.add(1, bytes_of(message.client_address), sizeof(Address));
  event.add(2, message.has_requested_address ? bytes_of(message.requested_address) : std::string_view{}, sizeof(Address));
  event.add(3, bytes_of(message.your_address), sizeof(Address));
  event.add(4, message.host_name, 255);
  send(state, event);
}

void ProtocolParser::take_dhcpv6(State& state, const Packet& packet, Bytes bytes) {
  Dhcpv6Message message;
  if (parse_dhcpv6_message(bytes, message) != ParseStatus::done) return;
  RecognitionEvent event = event_of(packet, RecognitionKind::dhcp, 0);
  event.id = message.transaction_id;
  event.code = message.message_type;
  event.version = 6;
  send(state, event);
}

// The IDs in the clear, where they are not those told last; and what stands behind the first short header of a client of which
// none were seen, for it may be known from another leg.
void ProtocolParser::take_quic(State& state, const Packet& packet, Bytes bytes) {
  Stream& stream = state.streams[packet.from];
  QuicPacket quic;
  if (stream.quic_told == kQuicPacketsMax || parse_quic_packet(bytes, quic) == ParseStatus::foreign) return;
  const bool is_short = quic.type == QuicPacketType::one_rtt;
  if (is_short && (packet.from == Side::server || stream.quic_told > 0)) return;
  const uint32_t ids = hash_of(quic);
  if (stream.quic_told > 0 && ids == stream.quic_ids) return;
  stream.quic_ids = ids;
  ++stream.quic_told;
  RecognitionEvent event = event_of(packet, RecognitionKind::quic, 0);
  event.id = quic.version;
  event.code = static_cast<uint16_t>(quic.type);
  event.add(0, text_of(quic.destination), kQuicIdBytesMax);
  event.add(1, text_of(quic.source), kQuicIdBytesMax);
  send(state, event);
}

// ---- telling ----

RecognitionEvent ProtocolParser::event_of(const Packet& packet, RecognitionKind kind, uint32_t seq) const {
  RecognitionEvent event;
  event.order_ns = packet.order_ns;
  event.leg = packet.leg;
  event.frame = packet.frame;
  event.stamp_uncertainty_ns = packet.stamp_uncertainty_ns;
  event.seq = seq;
  event.ack = packet.ack;
  event.id = 0;
  event.port = packet.port;
  event.version = event.code = 0;
  event.point = packet.point;
  event.from = packet.from;
  event.kind = kind;
  event.rcode = 0;
  event.answer = event.version_known = false;
  event.closing = packet.closing;
  event.lengths = {};
  return event;
}

void ProtocolParser::send(State& state, const RecognitionEvent& event) {
  uint8_t& told = state.streams[event.from].messages;
  if (told == kMessagesMax && !state.may_pair) {
    counters_.messages_over.add();
    return;
  }
  told = std::min<uint8_t>(told + 1, kMessagesMax);
  if (!outbox_.send(event)) counters_.recognitions_dropped.add();
}

}  // namespace parallax
