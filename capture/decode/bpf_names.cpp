#include "capture/decode/bpf_names.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <vector>

namespace parallax {

namespace {

// What a word after this one is. `joined`: as before.
enum class Names : uint8_t { hosts, services, one_value, joined };

struct Keyword {
  std::string_view text;
  Names after;
};

// Those of libpcap 1.10 that say what follows them; kOtherKeywords has the rest.
constexpr Keyword kKeywords[] = {
    {"and", Names::joined},         {"or", Names::joined},        {"not", Names::joined},          {"port", Names::services},
    {"portrange", Names::services}, {"proto", Names::services},   {"protochain", Names::services}, {"type", Names::one_value},
    {"subtype", Names::one_value},  {"dir", Names::one_value},    {"direction", Names::one_value}, {"llc", Names::one_value},
    {"on", Names::one_value},       {"ifname", Names::one_value}, {"rset", Names::one_value},      {"ruleset", Names::one_value},
    {"reason", Names::one_value},   {"action", Names::one_value},
};

constexpr std::string_view kOtherKeywords[] = {
    // clang-format off
    "dst", "src", "host", "net", "mask", "gateway", "ra", "ta", "addr1", "addr2", "addr3", "addr4", "address1", "address2",
    "address3", "address4", "less", "greater", "byte", "broadcast", "multicast", "len", "length", "inbound", "outbound", "ifindex",
    "link", "ether", "ppp", "slip", "fddi", "tr", "wlan", "arp", "rarp", "ip", "ip6", "sctp", "tcp", "udp", "icmp", "icmp6", "igmp",
    "igrp", "pim", "vrrp", "carp", "radio", "ah", "esp", "atalk", "aarp", "decnet", "lat", "sca", "moprc", "mopdl", "iso", "esis",
    "es-is", "isis", "is-is", "l1", "l2", "iih", "lsp", "snp", "csnp", "psnp", "clnp", "stp", "ipx", "netbeui", "vlan", "mpls",
    "pppoed", "pppoes", "geneve", "lane", "metac", "bcc", "oam", "oamf4", "oamf4ec", "oamf4sc", "sc", "ilmic", "vpi", "vci",
    "connectmsg", "metaconnect", "rnr", "rulenum", "srnr", "subrulenum", "fisu", "lssu", "lsu", "msu", "hfisu", "hlssu", "hmsu",
    "sio", "opc", "dpc", "sls", "hsio", "hopc", "hdpc", "hsls",
    "tcpflags", "tcp-fin", "tcp-syn", "tcp-rst", "tcp-push", "tcp-ack", "tcp-urg", "tcp-ece", "tcp-cwr",
    "icmptype", "icmpcode", "icmp-echoreply", "icmp-unreach", "icmp-sourcequench", "icmp-redirect", "icmp-echo", "icmp-routeradvert",
    "icmp-routersolicit", "icmp-timxceed", "icmp-paramprob", "icmp-tstamp", "icmp-tstampreply", "icmp-ireq", "icmp-ireqreply",
    "icmp-maskreq", "icmp-maskreply", "icmp6type", "icmp6code", "icmp6-destinationunreach", "icmp6-packettoobig",
    "icmp6-timeexceeded", "icmp6-parameterproblem", "icmp6-echo", "icmp6-echoreply", "icmp6-multicastlistenerquery",
    "icmp6-multicastlistenerreportv1", "icmp6-multicastlistenerdone", "icmp6-routersolicit", "icmp6-routeradvert",
    "icmp6-neighborsolicit", "icmp6-neighboradvert", "icmp6-redirect", "icmp6-routerrenum", "icmp6-nodeinformationquery",
    "icmp6-nodeinformationresponse", "icmp6-ineighbordiscoverysolicit", "icmp6-ineighbordiscoveryadvert",
    "icmp6-multicastlistenerreportv2", "icmp6-homeagentdiscoveryrequest", "icmp6-homeagentdiscoveryreply",
    "icmp6-mobileprefixsolicit", "icmp6-mobileprefixadvert", "icmp6-certpathsolicit", "icmp6-certpathadvert",
    "icmp6-multicastrouteradvert", "icmp6-multicastroutersolicit", "icmp6-multicastrouterterm",
    // clang-format on
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_alphanumeric(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// `groups` of 1 to `digits_max` digits with a separator between them.
template <typename IsDigit>
bool is_grouped(std::string_view text, char separator, size_t groups, size_t digits_max, IsDigit is_digit) {
  size_t digits = 0, seen = 1;
  for (const char c : text) {
    if (c == separator) {
      if (digits == 0) return false;
      digits = 0;
      ++seen;
    } else if (!is_digit(c) || ++digits > digits_max) {
      return false;
    }
  }
  return digits > 0 && seen == groups;
}

bool is_station(std::string_view text) {  // a MAC address as libpcap reads it
  if (text.size() == 12 && std::all_of(text.begin(), text.end(), is_hex)) return true;
  return is_grouped(text, ':', 6, 2, is_hex) || is_grouped(text, '-', 6, 2, is_hex) || is_grouped(text, '.', 6, 2, is_hex) ||
         is_grouped(text, '.', 3, 4, is_hex);
}

bool is_number_or_address(std::string_view text) {
  if ((text.starts_with("0x") || text.starts_with("0X")) && text.size() > 2)
    return std::all_of(text.begin() + 2, text.end(), is_hex);
  for (size_t groups = 1; groups <= 4; ++groups) {
    if (is_grouped(text, '.', groups, SIZE_MAX, is_digit)) return true;
  }
  return is_station(text);
}

// The length of an IPv6 or a MAC address with colons at the beginning of `text`; 0: there is none.
size_t address_with_colons(std::string_view text) {
  size_t length = 0;
  while (length < text.size() && (is_hex(text[length]) || text[length] == ':' || text[length] == '.')) ++length;
  const std::string address(text.substr(0, length));
  in6_addr ignored{};
  const bool is_address = is_station(address) || ::inet_pton(AF_INET6, address.c_str(), &ignored) == 1;
  return is_address && address.find(':') != std::string::npos ? length : 0;
}

// Letters and digits, and between them dots, hyphens and underscores; a dot may be its last.
size_t word_length(std::string_view text) {
  size_t length = 0;
  while (length < text.size() &&
         (is_alphanumeric(text[length]) || text[length] == '-' || text[length] == '_' || text[length] == '.'))
    ++length;
  while (length > 0 && (text[length - 1] == '-' || text[length - 1] == '_')) --length;
  return length;
}

}  // namespace

std::optional<BpfWord> find_host_name(std::string_view expression) {
  Names names = Names::hosts;
  std::vector<Names> before_parentheses;
  for (size_t i = 0; i < expression.size();) {
    const std::string_view rest = expression.substr(i);
    if (rest[0] == '(') before_parentheses.push_back(names);
    if (rest[0] == ')' && !before_parentheses.empty()) {
      names = before_parentheses.back();
      before_parentheses.pop_back();
    }
    const bool escaped = rest[0] == '\\';
    if (!escaped && !is_alphanumeric(rest[0]) && rest[0] != ':') {
      ++i;
      continue;
    }
    if (const size_t length = escaped ? 0 : address_with_colons(rest); length > 0) {
      i += length;
      continue;
    }
    const size_t length = std::max<size_t>(escaped ? rest.find_first_of(" !()\n\t") : word_length(rest), 1);
    const std::string_view word = rest.substr(0, length);
    i += word.size();
    if (word == ":" || (!escaped && is_number_or_address(word))) continue;
    if (!escaped) {
      const auto keyword =
          std::find_if(std::begin(kKeywords), std::end(kKeywords), [&](const Keyword& k) { return k.text == word; });
      if (keyword != std::end(kKeywords)) {
        if (keyword->after != Names::joined) names = keyword->after;
        continue;
      }
      if (std::find(std::begin(kOtherKeywords), std::end(kOtherKeywords), word) != std::end(kOtherKeywords)) {
        names = Names::hosts;
        continue;
      }
    }
    if (names == Names::hosts) return BpfWord{std::string(word), i - word.size()};
    if (names == Names::one_value) names = Names::hosts;
  }
  return std::nullopt;
}

}  // namespace parallax
