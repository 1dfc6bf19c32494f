#include "analysis/protocol/dhcp_message.h"

#include <algorithm>

#include "analysis/protocol/byte_reader.h"

namespace parallax {

namespace {

constexpr uint32_t kCookie = 0x63825363;
constexpr uint32_t kServerNameAndFileBytes = 64 + 128;

enum Option : uint8_t { kPad = 0, kHostName = 12, kRequestedAddress = 50, kMessageType = 53, kServerId = 54, kEnd = 255 };

Address mapped(std::span<const uint8_t> bytes) {
  Address address{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (bytes.size() == 4) std::ranges::copy(bytes, address.begin() + 12);
  return address;
}

void read_header(ByteReader& in, Scope& all, DhcpMessage& out) {
  DhcpMessage header;
  const uint8_t operation = in.u8(all);
  if (in.ok() && operation != 1 && operation != 2) return in.fail(ParseStatus::foreign);
  header.reply = operation == 2;
  in.u8(all);  // hardware type
  header.hardware_length = in.u8(all);
  if (header.hardware_length > header.hardware_address.size()) return in.fail(ParseStatus::foreign);
  in.u8(all);  // hops
  header.transaction_id = in.u32(all);
  in.u32(all);  // seconds and flags
  header.client_address = mapped(in.bytes(all, 4));
  header.your_address = mapped(in.bytes(all, 4));
  in.u32(all);  // the next server's address
  header.gateway_address = mapped(in.bytes(all, 4));
  std::ranges::copy(in.bytes(all, 16), header.hardware_address.begin());
  if (!in.ok()) return;
  header.has_header = true;
  out = header;
}

bool keep_address(std::span<const uint8_t> value, bool& has, Address& out) {
  if (value.size() != 4) return false;
  if (!has) out = mapped(value);
  has = true;
  return true;
}

// The first of each kind is kept. False: the option has another length than it should.
bool read_option(uint8_t code, std::span<const uint8_t> value, DhcpMessage& out) {
  switch (code) {
    case kMessageType:
      if (value.size() != 1) return false;
      if (out.message_type == 0) out.message_type = value[0];
      return true;
    case kRequestedAddress:
      return keep_address(value, out.has_requested_address, out.requested_address);
    case kServerId:
      return keep_address(value, out.has_server_id, out.server_id);
    case kHostName:
      if (out.host_name.empty()) out.host_name = as_text(value);
      return true;
    default:
      return true;
  }
}

void read_options(ByteReader& in, Scope& all, DhcpMessage& out) {
  while (in.ok() && out.option_count < kDhcpOptionsMax) {
    const uint8_t code = in.u8(all);
    if (!in.ok() || code == kEnd) return;
    if (code == kPad) continue;
    const std::span<const uint8_t> value = in.bytes(all, in.u8(all));
    if (!in.ok()) return;
    ++out.option_count;
    if (!read_option(code, value, out)) in.fail(ParseStatus::broken);
  }
}

}  // namespace

ParseStatus parse_dhcp_message(std::span<const uint8_t> bytes, DhcpMessage& out) {
  out = {};
  ByteReader in(bytes);
  Scope all;
  read_header(in, all, out);
  in.bytes(all, kServerNameAndFileBytes);
  if (in.u32(all) != kCookie) in.fail(ParseStatus::foreign);
  read_options(in, all, out);
  return in.status();
}

ParseStatus parse_dhcpv6_message(std::span<const uint8_t> bytes, Dhcpv6Message& out) {
  constexpr uint8_t kRelayForward = 12, kRelayReply = 13, kTypesMax = 36;  // IANA's registry
  out = {};
  ByteReader in(bytes);
  Scope all;
  const uint8_t type = in.u8(all);
  if (!in.ok()) return in.status();
  if (type == 0 || type > kTypesMax) return ParseStatus::foreign;
  out.message_type = type;
  out.relay = type == kRelayForward || type == kRelayReply;
  if (out.relay) {
    in.u8(all);  // hop count
    const auto link = in.bytes(all, 16), peer = in.bytes(all, 16);
    if (!in.ok()) return in.status();
    std::ranges::copy(link, out.link_address.begin());
    std::ranges::copy(peer, out.peer_address.begin());
  } else {
    const auto id = in.bytes(all, 3);
    for (const uint8_t byte : id) out.transaction_id = out.transaction_id << 8 | byte;
  }
  return in.status();
}

std::string_view dhcp_message_name(uint8_t message_type) {
  constexpr std::string_view kNames[] = {"", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM"};
  return message_type < std::size(kNames) ? kNames[message_type] : "";
}

std::string_view dhcpv6_message_name(uint8_t message_type) {
  constexpr std::string_view kNames[] = {
      "",        "SOLICIT",     "ADVERTISE",           "REQUEST",       "CONFIRM",    "RENEW", "REBIND", "REPLY", "RELEASE",
      "DECLINE", "RECONFIGURE", "INFORMATION-REQUEST", "RELAY-FORWARD", "RELAY-REPLY"};
  return message_type < std::size(kNames) ? kNames[message_type] : "";
}

}  // namespace parallax
