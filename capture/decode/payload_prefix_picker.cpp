#include "capture/decode/payload_prefix_picker.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "capture/core/bytes.h"

namespace parallax {
namespace {

constexpr uint32_t kOpeningBytes = 4096;      // of a direction just opened, wanted while its first segment is missing
constexpr uint32_t kMessagesMax = 32;         // in one segment
constexpr uint32_t kFirstBytesMin = 4;        // to tell one protocol from another
constexpr uint32_t kDnsBytes = 12 + 255 + 4;  // header, name, type and class: the answers are not read
constexpr uint32_t kDhcpBytes = 1536;
constexpr uint32_t kQuicBytes = 1 + 4 + 2 * (1 + 20);                   // first byte, version, two connection IDs: one chunk
constexpr uint32_t kQuicBytesLeast = 1 + 4 + 2;                         // a long header without IDs
constexpr uint32_t kTlsRecordHeader = 5, kTlsRecordMax = 16384 + 2048;  // RFC 5246, 6.2.3
constexpr uint32_t kProxyV1Max = 107, kProxyV2Header = 16;

constexpr uint32_t word(const char (&text)[5]) {
  return static_cast<uint32_t>(static_cast<uint8_t>(text[0])) << 24 | static_cast<uint32_t>(static_cast<uint8_t>(text[1])) << 16 |
         static_cast<uint32_t>(static_cast<uint8_t>(text[2])) << 8 | static_cast<uint8_t>(text[3]);
}

constexpr uint32_t kFtpReplyBytes = 128;
constexpr uint32_t kRpcResponse = 0x05000203;  // DCE/RPC 5.0: a response in one fragment
constexpr uint32_t kRpcHeader = 16, kRpcBytes = 1024;

uint32_t end_hash(const Address& address, uint16_t port) {
  uint32_t hash = port;
  for (size_t at = 0; at < address.size(); at += sizeof(uint32_t)) hash = _mm_crc32_u32(hash, load32(address.data() + at));
  return hash;
}

int32_t distance(uint32_t from, uint32_t to) { return static_cast<int32_t>(to - from); }

// Behind the empty line that ends a head; 0: there is none. Lines may end in LF alone.
uint32_t head_end(const uint8_t* data, uint32_t length) {
  const uint8_t* const end = data + length;
  for (const uint8_t* p = data; p < end;) {
    const auto* line = static_cast<const uint8_t*>(std::memchr(p, '\n', static_cast<size_t>(end - p)));
    if (line == nullptr) return 0;
    p = line + 1;
    if (p < end && *p == '\n') return static_cast<uint32_t>(p + 1 - data);
    if (p + 1 < end && p[0] == '\r' && p[1] == '\n') return static_cast<uint32_t>(p + 2 - data);
  }
  return 0;
}

}  // namespace

// The first segment of the direction follows; until then nothing is known of it but where it begins.
void PayloadPrefixPicker::note_opening(const Sighting& frame) {
  open(hash_of(frame), Kind::undecided, frame.seq + 1, frame.seq + 1 + kOpeningBytes, frame.seq + 1);
}

void PayloadPrefixPicker::open(uint32_t hash, Kind kind, uint32_t begin, uint32_t end, uint32_t next) {
  const Entry entry{(hash & ~3u) | static_cast<uint32_t>(kind), begin, end, next};
  if (Entry* known = find(hash); known != nullptr) {
    *known = entry;
    return;
  }
  while (buckets_[place_of(hash)].entries.back().tag != 0 && may_grow_ && buckets_.size() < kBucketsMost) grow();
  given_up_ += buckets_[place_of(hash)].entries.back().tag != 0;
  put(entry);
}

// As the newest of its bucket; what stands at the end of that is gone.
void PayloadPrefixPicker::put(const Entry& entry) {
  const uint32_t place = place_of(entry.tag);
  auto& entries = buckets_[place].entries;
  std::copy_backward(entries.begin(), entries.end() - 1, entries.end());
  entries.front() = entry;
  open_[place >> 6] |= 1ull << (place & 63);
}

void PayloadPrefixPicker::close(uint32_t hash) {
  Entry* entry = find(hash);
  if (entry == nullptr) return;
  const uint32_t place = place_of(hash);
  auto& entries = buckets_[place].entries;
  std::copy(entry + 1, entries.data() + entries.size(), entry);
  entries.back() = {};
  if (entries.front().tag == 0) open_[place >> 6] &= ~(1ull << (place & 63));
}

void PayloadPrefixPicker::grow() {
  std::vector<Bucket> before(buckets_.size() * 2);
  before.swap(buckets_);
  open_.assign(buckets_.size() / 64, 0);
  mask_ = static_cast<uint32_t>(buckets_.size() - 1);
  for (const Bucket& bucket : before) {
    for (auto entry = bucket.entries.rbegin(); entry != bucket.entries.rend(); ++entry) {  // the oldest first
      if (entry->tag != 0) put(*entry);
    }
  }
}

uint32_t PayloadPrefixPicker::pick_datagram(const Sighting& frame, const CapturedPayload& captured) {
  const auto limit_of = [](uint16_t port) -> uint32_t {
    switch (port) {
      case 53:    // DNS
      case 5353:  // mDNS
      case 5355:  // LLMNR
        return kDnsBytes;
      case 67:  // DHCP, DHCPv6
      case 68:
      case 546:
      case 547:
        return kDhcpBytes;
      default:
        return 0;
    }
  };
  uint32_t limit = std::max(limit_of(frame.source_port), limit_of(frame.destination_port));
  if (limit == 0 && is_quic_to_pick(frame, captured)) limit = kQuicBytes;
  return std::min(limit, captured.payload_captured);
}

// A long header of a version that is read, or version negotiation. Or what may have a short one, toward whom these were sent, the
// first of its flow in a while: the leg may be a new one, and its client known.
bool PayloadPrefixPicker::is_quic_to_pick(const Sighting& frame, const CapturedPayload& captured) {
  constexpr uint8_t kLong = 0x80;
  constexpr uint32_t kNegotiation = 0, kVersion1 = 1, kVersion2 = 0x6b3343cf;  // RFC 8999, RFC 9000, RFC 9369
  constexpr int kWhileShift = 34;  // 2^34 ns are 17 s: less than the silence after which a leg is over
  if (captured.payload_captured < kQuicBytesLeast) return false;
  const bool is_long = (captured.payload[0] & kLong) != 0;
  const uint32_t version = is_long ? load32(captured.payload + 1) : 0;
  if (is_long && version == kNegotiation) return true;
  if (is_long && version != kVersion1 && version != kVersion2) return false;
  const uint32_t server = end_hash(frame.destination, frame.destination_port) % kQuicServers;
  uint64_t& word = quic_servers_[server >> 6];
  const uint64_t bit = 1ull << (server & 63);
  if (is_long) {
    word |= bit;
    return true;
  }
  if (!(word & bit)) return false;
  const uint32_t flow = _mm_crc32_u32(hash_of(frame), static_cast<uint32_t>(frame.time_ns >> kWhileShift)) | 1;  // 0: none
  return std::exchange(quic_flows_[flow >> (32 - kQuicFlowBits)], flow) != flow;
}

uint32_t PayloadPrefixPicker::pick_stream(const Sighting& frame, const CapturedPayload& captured, uint32_t hash) {
  const uint32_t seq = frame.seq + ((frame.tcp_flags & tcp_flag::syn) ? 1 : 0);
  const Part payload{captured.payload, std::min(captured.payload_captured, kPayloadPrefixBytesMax),
                     captured.payload_captured == frame.payload_length};
  if (Entry* entry = find(hash); entry != nullptr) {
    const bool overlaps = distance(entry->begin, seq + payload.length) > 0 && distance(seq, entry->end) > 0;
    if (overlaps) return go_on(frame, *entry, hash, seq, payload);
  }
  return begin_message(frame, hash, seq, payload, false);
}

// `undecided`: it is known now what is wanted of the direction's beginning.
uint32_t PayloadPrefixPicker::begin_message(const Sighting& frame, uint32_t hash, uint32_t seq, const Part& payload,
                                            bool undecided) {
  const Extent extent = extent_of(payload, is_stream_port(frame));
  const bool goes_on = extent.kind != Kind::none && extent.wanted > payload.length && payload.whole;
  if (goes_on) {
    open(hash, extent.kind, seq, seq + std::min(extent.wanted, kPayloadPrefixBytesMax), seq + payload.length);
  } else if (undecided) {
    close(hash);
  }
  // The first bytes of a direction are of interest whatever they are: a proxy passes them on.
  return undecided ? std::max(extent.keep, std::min(payload.length, kFirstBytes)) : extent.keep;
}

uint32_t PayloadPrefixPicker::go_on(const Sighting& frame, Entry& entry, uint32_t hash, uint32_t seq, const Part& payload) {
  const auto kind = static_cast<Kind>(entry.tag & 3);
  const auto until_end = static_cast<uint32_t>(distance(seq, entry.end));
  const uint32_t keep = std::min(payload.length, until_end);
  if (kind == Kind::undecided) {
    // The first segment decides, unless it is too short to tell; later ones may overtake it.
    if (distance(entry.begin, seq) > 0 || payload.length < kFirstBytesMin) return keep;
    return begin_message(frame, hash, seq, payload, true);
  }
  if (distance(entry.next, seq) <= 0 && distance(entry.next, seq + payload.length) > 0) entry.next = seq + payload.length;
  uint32_t at = 0;  // where the message ends in this segment
  if (kind == Kind::head) at = head_end(payload.data, payload.length);
  if (kind == Kind::sized && until_end <= payload.length) at = until_end;
  if (at == 0) {
    if (distance(entry.end, entry.next) >= 0) close(hash);
    return keep;
  }
  const Extent rest = extent_of({payload.data + at, payload.length - at, payload.whole}, is_stream_port(frame));
  if (rest.kind != Kind::none && at + rest.wanted > payload.length && payload.whole) {
    // Another message begins behind the first. What is still missing of the first stays wanted, too.
    const uint32_t begin = distance(entry.begin, seq) < static_cast<int32_t>(kPayloadPrefixBytesMax) ? entry.begin : seq + at;
    open(hash, rest.kind, begin, seq + at + std::min(rest.wanted, kPayloadPrefixBytesMax), entry.next);
  } else if (distance(seq + at, entry.next) >= 0) {
    close(hash);
  } else {
    open(hash, Kind::sized, entry.begin, seq + at, entry.next);
  }
  return at + rest.keep;
}

// As many messages as stand one behind the other.
PayloadPrefixPicker::Extent PayloadPrefixPicker::extent_of(const Part& part, bool stream_port) {
  Extent extent;
  for (uint32_t messages = 0, at = 0; messages < kMessagesMax && at < part.length; ++messages, at = extent.wanted) {
    const Extent next = message_extent({part.data + at, part.length - at, part.whole}, stream_port);
    if (next.kind == Kind::none) break;
    extent = {at + next.keep, at + next.wanted, next.kind};
  }
  // What tells that a server's flight in the clear is over: the header of the record that follows.
  constexpr uint8_t kChangeCipherSpec = 20, kApplicationData = 23;
  if (extent.kind == Kind::sized && extent.wanted + kTlsRecordHeader <= part.length) {
    const uint8_t* next = part.data + extent.wanted;
    if ((next[0] == kChangeCipherSpec || next[0] == kApplicationData) && next[1] == 3)
      extent.keep = extent.wanted + kTlsRecordHeader;
  }
  return extent;
}

PayloadPrefixPicker::Extent PayloadPrefixPicker::message_extent(const Part& part, bool stream_port) {
  if (stream_port) {  // DNS over TCP: two bytes of length come first
    const uint32_t length = part.length >= 2 ? load16(part.data) : 0;
    return length >= 12 ? sized_extent(part, 2 + length) : Extent{};
  }
  if (part.length < kFirstBytesMin) return {};
  switch (load32(part.data)) {
    case word("GET "):
    case word("POST"):
    case word("HEAD"):
    case word("PUT "):
    case word("DELE"):
    case word("OPTI"):
    case word("CONN"):
    case word("PATC"):
    case word("TRAC"):
    case word("PROP"):
    case word("MKCO"):
    case word("COPY"):
    case word("MOVE"):
    case word("LOCK"):
    case word("UNLO"):
    case word("REPO"):
    case word("SEAR"):
    case word("SUBS"):
    case word("UNSU"):
    case word("NOTI"):
      return head_extent(part, false);
    case word("HTTP"):
      return part.length < 5 || part.data[4] == '/' ? head_extent(part, true) : Extent{};
    case word("227 "):  // FTP's passive mode: one short line
      return sized_extent(part, std::min(part.length, kFtpReplyBytes));
    case kRpcResponse:
      return rpc_extent(part);
    case word("PROX"):
    case 0x0d0a0d0a:
      return proxy_extent(part);
    default:
      return tls_extent(part);
  }
}

PayloadPrefixPicker::Extent PayloadPrefixPicker::sized_extent(const Part& part, uint32_t size) {
  return {std::min(part.length, size), size, Kind::sized};
}

// Whoever sends it: that it is an endpoint mapper's is for the parser to say.
PayloadPrefixPicker::Extent PayloadPrefixPicker::rpc_extent(const Part& part) {
  if (part.length < kRpcHeader) return {};
  return sized_extent(part, std::min<uint32_t>(static_cast<uint32_t>(part.data[8] | part.data[9] << 8), kRpcBytes));
}

// One record. Handshake records follow one another; alerts are of interest where they are not encrypted (then they have two
// bytes).
PayloadPrefixPicker::Extent PayloadPrefixPicker::tls_extent(const Part& part) {
  constexpr uint8_t kAlert = 21, kHandshake = 22;
  const uint8_t* p = part.data;
  if ((p[0] != kAlert && p[0] != kHandshake) || p[1] != 3 || p[2] > 4) return {};
  if (part.length < kTlsRecordHeader) return sized_extent(part, kPayloadPrefixBytesMax);
  const uint32_t length = load16(p + 3);
  if (length == 0 || length > kTlsRecordMax || (p[0] == kAlert && length != 2)) return {};
  return sized_extent(part, kTlsRecordHeader + length);
}

PayloadPrefixPicker::Extent PayloadPrefixPicker::head_extent(const Part& part, bool response) {
  const uint32_t end = head_end(part.data, part.length);
  if (end == 0) return {part.length, std::max(part.length, kPayloadPrefixBytesMax), Kind::head};
  // Answers to requests that were sent without waiting: the next one may stand behind this one's body.
  constexpr char kStatusLine[] = "HTTP/1.";
  const bool another = response && memmem(part.data + end, part.length - end, kStatusLine, sizeof(kStatusLine) - 1) != nullptr;
  const uint32_t keep = another ? part.length : end;
  return {keep, keep, Kind::head};
}

PayloadPrefixPicker::Extent PayloadPrefixPicker::proxy_extent(const Part& part) {
  constexpr uint8_t kSignature[] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
  if (part.data[0] == 'P') {
    const void* end = std::memchr(part.data, '\n', std::min(part.length, kProxyV1Max));
    if (end != nullptr) return sized_extent(part, static_cast<uint32_t>(static_cast<const uint8_t*>(end) + 1 - part.data));
    return part.length < kProxyV1Max ? sized_extent(part, kPayloadPrefixBytesMax) : Extent{};
  }
  if (std::memcmp(part.data, kSignature, std::min<size_t>(part.length, sizeof(kSignature))) != 0) return {};
  if (part.length < kProxyV2Header) return sized_extent(part, kPayloadPrefixBytesMax);
  return sized_extent(part, kProxyV2Header + load16(part.data + 14));
}

}  // namespace parallax
