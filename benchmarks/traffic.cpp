#include "benchmarks/traffic.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "tests/support/random.h"

namespace parallax::bench {
namespace {

constexpr int64_t kEpochNs = 1'700'000'000'000'000'000;
constexpr int64_t kSpacingNs = 1'000, kTransitNs = 20'000;
// Handshakes go in groups, so that few are half open at a time; and steps keep apart, so that time never runs backwards at a
// point.
constexpr uint32_t kGroup = 1000;
constexpr int64_t kStepGapNs = 50'000;
constexpr int64_t kSettlingNs = 10'000'000'000;  // more than any timer of a handshake, or of an end
constexpr size_t kIp = 14, kTcp = 34;

void put16(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}
void put32(uint8_t* at, uint32_t value) {
  put16(at, value >> 16);
  put16(at + 2, value & 0xffff);
}

constexpr uint32_t kBeyondProxy = 0x2bad5eed;  // more there: sequence numbers, timestamps, IP IDs

uint32_t isn(uint32_t connection, bool from_client) { return connection * 2654435761u + (from_client ? 0 : 0x55555555u); }
uint32_t first_tsval(uint32_t connection, bool from_client) { return connection * 2246822519u + (from_client ? 0 : 0x33333333u); }

}  // namespace

// What a connection does first: two short exchanges, after which nothing is new. Then, again and again: a request, a response of
// five segments, and their acknowledgements.
Traffic::Move Traffic::round_move(uint32_t round) {
  static constexpr std::array<Move, kWarmUpRounds> kFirstMoves{{{true, 300}, {false, 600}, {true, 300}, {false, 600}}};
  static constexpr std::array<Move, kCycle> kMoves{
      {{true, 300}, {false, 1400}, {false, 1400}, {true, 0}, {false, 1400}, {false, 1400}, {true, 0}, {false, 600}}};
  return round < kFirstMoves.size() ? kFirstMoves[round] : kMoves[(round - kFirstMoves.size()) % kMoves.size()];
}

Traffic::Move Traffic::move_of(uint32_t step) const {
  if (step < 3) return {step != 1, 0};
  return closes_at(step) ? Move{step != 4 + options_.rounds, 0} : round_move(step - 3);
}

// Payload and FINs that a side has sent before a step, and the last step at which it sent anything.
struct Traffic::Past {
  uint32_t bytes = 0, step = 0;
};
Traffic::Past Traffic::past_of(uint32_t step, bool from_client) const {
  Past past;
  uint32_t rounds = step < 3 ? 0 : std::min(step - 3, options_.rounds);
  const auto add = [&past, from_client](const Move& move, uint32_t times) {
    past.bytes += move.from_client == from_client ? times * move.payload : 0;
  };
  if (rounds > kWarmUpRounds) {  // whole cycles at once
    const uint32_t cycles = (rounds - kWarmUpRounds) / kCycle;
    for (uint32_t r = 0; r < kCycle; ++r) add(round_move(kWarmUpRounds + r), cycles);
    rounds -= cycles * kCycle;
  }
  for (uint32_t r = 0; r < rounds; ++r) add(round_move(r), 1);
  if (step > (from_client ? 3 : 4) + options_.rounds) ++past.bytes;  // its FIN
  for (past.step = step; past.step > 0 && move_of(--past.step).from_client != from_client;) {
  }
  return past;
}

struct Traffic::Place {
  uint32_t connection, step;
  int64_t time_ns;
  bool from_client;
};

Traffic::Traffic(const TrafficOptions& options) : options_(options), order_(options.connections) {
  test::Ip ip;
  ip.source = test::address("192.0.2.1");
  ip.destination = test::address("198.51.100.1");
  test::Tcp tcp;
  tcp.source_port = 1;
  tcp.destination_port = 443;
  tcp.timestamps = {1, 1};
  data_ = test::tcp_frame(ip, tcp);
  tcp.mss = 1460;
  tcp.window_scale = 7;
  tcp.sack_permitted = true;
  opening_ = test::tcp_frame(ip, tcp);

  std::iota(order_.begin(), order_.end(), 0u);
  test::Random random(options.connections);
  for (size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[random.below(i)]);
  for (uint32_t round = 0; round < data_packets() / options.connections; ++round) payloads_.push_back(move_of(3 + round).payload);
  for (size_t point = 0; point < points(); ++point) {
    frames_.emplace_back(new uint8_t[data_packets() * kStride]);
    times_ns_.emplace_back(data_packets());
    for (uint64_t i = 0; i < data_packets(); ++i) {
      const Place place = place_of(handshake_packets() + i);
      write(point, place.connection, place.step, frames_[point].get() + i * kStride);
      times_ns_[point][i] = place.time_ns + ((point == 0) == place.from_client ? 0 : kTransitNs);
    }
  }
}

Traffic::Place Traffic::place_of(uint64_t number) const {
  const uint32_t n = options_.connections;
  if (number >= handshake_packets()) {
    const uint64_t index = number - handshake_packets();
    const auto round = static_cast<uint32_t>(index / n);
    const int64_t begin_ns =
        static_cast<int64_t>(handshake_packets()) * kSpacingNs + (3ll * n / kGroup + 4 + round) * kStepGapNs + kSettlingNs;
    return {order_[index % n], 3 + round, kEpochNs + begin_ns + static_cast<int64_t>(index) * kSpacingNs,
            move_of(3 + round).from_client};
  }
  const auto group = static_cast<uint32_t>(number / (3 * kGroup));
  const uint32_t first = group * kGroup, size = std::min(kGroup, n - first);
  const auto within = static_cast<uint32_t>(number - 3ull * first);
  const uint32_t step = within / size;
  return {first + within % size, step, kEpochNs + static_cast<int64_t>(number) * kSpacingNs + (3ll * group + step) * kStepGapNs,
          move_of(step).from_client};
}

int64_t Traffic::time_ns(size_t point, uint64_t number) const {
  if (number >= packets()) return times_ns_[point].back() + (options_.closes ? kSettlingNs : kSpacingNs);
  if (number >= handshake_packets()) return times_ns_[point][number - handshake_packets()];
  const Place place = place_of(number);
  return place.time_ns + ((point == 0) == place.from_client ? 0 : kTransitNs);
}

void Traffic::write(size_t point, uint32_t connection, uint32_t step, uint8_t* out) const {
  const bool opening = step < 2;
  const auto [from_client, payload] = move_of(step);
  const test::Frame& pattern = opening ? opening_ : data_;
  std::memcpy(out, pattern.data(), pattern.size());
  std::memset(out + pattern.size(), 0x17,
              kStride - pattern.size());  // the payload, as far as it is captured: nothing that begins a message
  const bool translated = point == 1 && (options_.sides == Sides::two_nat || options_.sides == Sides::two_proxied);
  const uint32_t renumbered = point == 1 && options_.sides == Sides::two_proxied ? kBeyondProxy : 0;
  // The first bytes of each side are its own, and no protocol's.
  if (options_.sides == Sides::two_proxied && (step == 3 || step == 4)) put32(out + pattern.size(), ~connection);
  // 50,000 connections a client address; where a NAT translates, the same at other addresses.
  const uint32_t client_address = (translated ? 0x0a000000u : 0xc6120000u) + 1 + connection / 50'000;
  const uint32_t server_address = translated ? 0x0aff0001u : 0xc6336401u;
  const uint32_t client_port = (translated ? 60'000 - connection % 50'000 : 1024 + connection % 50'000);
  put32(out + kIp + 12, from_client ? client_address : server_address);
  put32(out + kIp + 16, from_client ? server_address : client_address);
  put16(out + kTcp, from_client ? client_port : 443);
  put16(out + kTcp + 2, from_client ? 443 : client_port);
  const Past client = past_of(step, true), server = past_of(step, false);
  const uint32_t begun = step == 0 ? 0 : 1;
  const uint32_t client_seq = renumbered + isn(connection, true) + begun + client.bytes;
  const uint32_t server_seq = renumbered + isn(connection, false) + (step < 2 ? 0 : 1) + server.bytes;
  put32(out + kTcp + 4, from_client ? client_seq : server_seq);
  put32(out + kTcp + 8, step == 0 ? 0 : from_client ? server_seq : client_seq);
  const bool last_of_message =
      payload > 0 && !closes_at(step + 1) && move_of(step + 1).from_client != from_client && payload < 1400;
  out[kTcp + 13] = step == 0                                       ? tcp_flag::syn
                   : step == 1                                     ? tcp_flag::syn | tcp_flag::ack
                   : closes_at(step) && step < 5 + options_.rounds ? tcp_flag::fin | tcp_flag::ack
                   : last_of_message                               ? tcp_flag::ack | tcp_flag::psh
                                                                   : tcp_flag::ack;
  // TSval begins anywhere, as stacks have it (RFC 7323, 5.4), and counts steps; TSecr is that of the other side's last packet.
  const size_t timestamps = kTcp + (opening ? 28 : 24);  // after MSS and SACK permitted; after two NOPs
  put32(out + timestamps, renumbered + first_tsval(connection, from_client) + step);
  put32(out + timestamps + 4,
        step == 0 ? 0 : renumbered + first_tsval(connection, !from_client) + (from_client ? server : client).step);
  put16(out + kIp + 2, static_cast<uint32_t>(pattern.size()) - 14 + payload);
  put16(out + kIp + 4, renumbered + connection * 31 + step * 2 + (from_client ? 0 : 1));
  out[kIp + 8] = static_cast<uint8_t>(64 - ((point == 0) == from_client ? 0 : 1));
}

RawPacket Traffic::packet(size_t point, uint64_t number, uint8_t* scratch) const {
  const int64_t when = time_ns(point, number);
  const auto frame = static_cast<uint32_t>(number + 1);
  if (number >= handshake_packets()) {
    const uint8_t* data = frames_[point].get() + (number - handshake_packets()) * kStride;
    const auto round = static_cast<uint32_t>((number - handshake_packets()) / options_.connections);
    const uint32_t length = static_cast<uint32_t>(data_.size()) + payloads_[round];
    return {data, std::min<uint32_t>(kStride, length), length, when, 0, frame, LinkType::ethernet};
  }
  const Place place = place_of(number);
  write(point, place.connection, place.step, scratch);
  const auto length = static_cast<uint32_t>(place.step < 2 ? opening_.size() : data_.size());
  return {scratch, length, length, when, 0, frame, LinkType::ethernet};
}

size_t TrafficSource::poll(std::span<RawPacket> burst) {
  const size_t count = static_cast<size_t>(
      std::min<uint64_t>(std::min<uint64_t>(burst.size(), std::size(scratch_)), limit_ - std::min(limit_, next_)));
  for (size_t i = 0; i < count; ++i) burst[i] = traffic_.packet(point_, next_ + i, scratch_[i]);
  next_ += count;
  return count;
}

}  // namespace parallax::bench
