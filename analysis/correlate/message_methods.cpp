// What a message is found by on the other side of a proxy, strongest first.
#include <array>
#include <string_view>

#include "analysis/correlate/message_pairer.h"
#include "analysis/model/keyed_hash.h"
#include "analysis/protocol/http_head.h"

namespace parallax {
namespace {

using Keys = std::vector<uint64_t>;

enum class Salt : uint64_t { forwarded = 0x101, request_to_host, request, dns, dns_name, dhcp, first_bytes };

KeyedHash salted(Salt salt) { return KeyedHash().add(static_cast<uint64_t>(salt)); }

KeyedHash& add_text(KeyedHash& hash, std::string_view text) {
  for (; text.size() >= 8; text.remove_prefix(8)) {
    uint64_t word;
    std::memcpy(&word, text.data(), sizeof word);
    hash.add(word);
  }
  uint64_t rest = uint64_t{text.size() + 1} << 56;  // what is cut off cannot be mistaken for zeros
  std::memcpy(&rest, text.data(), text.size());
  return hash.add(rest);
}

// ---- X-Forwarded-For and Forwarded: the client's address, beside what it asked for ----

// Of the list each proxy appends to, the first is what the client may have written itself, the last whom the last proxy saw.
template <typename Parse>
void add_named_clients(std::string_view list, Parse parse, std::vector<Address>& clients) {
  constexpr size_t kNamedMax = 4;
  const size_t before = clients.size();
  while (!list.empty() && clients.size() < before + kNamedMax) {
    const size_t comma = list.find(',');
    Endpoint client;
    if (parse(list.substr(0, comma), client)) clients.push_back(client.address);
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  }
}

// By the leg's own client and by those that it names: the other leg has one of them for its own client.
Keys forwarded_keys(const LegState& leg, const RecognitionEvent& event) {
  std::vector<Address> clients = named_clients(event);
  clients.insert(clients.begin(), leg.client.address);
  Keys keys;
  for (const Address& client : clients) {
    KeyedHash hash = salted(Salt::forwarded);
    hash.add(client);
    add_text(hash, event.text(0));
    keys.push_back(add_text(hash, event.text(4)).value());
  }
  return keys;
}

// ---- what is asked for, by itself ----

// Most proxies leave the Host alone: those that do not are found without it.
Keys host_request_keys(const LegState&, const RecognitionEvent& event) {
  if (event.text(1).empty()) return {};
  KeyedHash hash = salted(Salt::request_to_host);
  add_text(hash, event.text(0));
  add_text(hash, event.text(1));
  return {add_text(hash, event.text(4)).value()};
}

Keys request_keys(const LegState&, const RecognitionEvent& event) {
  KeyedHash hash = salted(Salt::request);
  add_text(hash, event.text(0));
  return {add_text(hash, event.text(4)).value()};
}

// ---- identifiers of datagrams ----

Keys dns_keys(const LegState&, const RecognitionEvent& event) {
  if (event.answer) return {};
  KeyedHash hash = salted(Salt::dns);
  hash.add(event.id).add(event.code);
  return {add_text(hash, event.text(0)).value()};
}

// A forwarder asks under an ID of its own.
Keys dns_name_keys(const LegState&, const RecognitionEvent& event) {
  if (event.answer) return {};
  KeyedHash hash = salted(Salt::dns_name);
  hash.add(event.code);
  return {add_text(hash, event.text(0)).value()};
}

Keys dhcp_keys(const LegState&, const RecognitionEvent& event) {
  if (event.answer) return {};
  KeyedHash hash = salted(Salt::dhcp);
  hash.add(event.version).add(event.code).add(event.id);
  return {hash.value()};
}

// ---- the first bytes of a connection, of whatever protocol ----

Keys first_bytes_keys(const LegState&, const RecognitionEvent& event) {
  KeyedHash hash = salted(Salt::first_bytes);
  hash.add(static_cast<uint64_t>(event.from));
  return {add_text(hash, event.text(0)).value()};
}

bool always(const RecognitionEvent&) { return true; }
bool names_nobody(const RecognitionEvent& event) { return !names_client(event); }

// The turns (TurnPairer) have a word, too, of requests that are not clear: that may wait.
constexpr double kLeast = 0.8, kLeastOfRequests = 0.9;

constexpr std::array kMethods = {
    MessageMethodRow{PairingMethod::forwarded_header, RecognitionKind::http_request, 0.02, kLeast, forwarded_keys, names_client},
    MessageMethodRow{PairingMethod::application_id, RecognitionKind::dns, 0.02, kLeast, dns_keys, always},
    MessageMethodRow{PairingMethod::application_id, RecognitionKind::dhcp, 0.02, kLeast, dhcp_keys, always},
    MessageMethodRow{PairingMethod::payload, RecognitionKind::http_request, 0.5, kLeastOfRequests, host_request_keys,
                     names_nobody},
    MessageMethodRow{PairingMethod::payload, RecognitionKind::http_request, 0.5, kLeastOfRequests, request_keys, names_nobody},
    MessageMethodRow{PairingMethod::payload, RecognitionKind::dns, 0.5, kLeast, dns_name_keys, always},
    MessageMethodRow{PairingMethod::payload, RecognitionKind::first_bytes, 0.5, kLeast, first_bytes_keys, always},
};

}  // namespace

std::span<const MessageMethodRow> message_methods() { return kMethods; }

std::vector<Address> named_clients(const RecognitionEvent& event) {
  std::vector<Address> clients;
  add_named_clients(event.text(2), parse_forwarded_for, clients);
  add_named_clients(event.text(3), parse_forwarded, clients);
  return clients;
}

uint64_t asked_for(const RecognitionEvent& event) {
  return event.kind == RecognitionKind::http_request ? request_keys({}, event).front() : 0;
}

bool names_client(const RecognitionEvent& event) {
  return event.kind == RecognitionKind::http_request && (!event.text(2).empty() || !event.text(3).empty());
}

}  // namespace parallax
