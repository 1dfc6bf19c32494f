#include "benchmarks/mix_files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "tests/support/packet_builder.h"

namespace parallax::bench {
namespace {

constexpr int64_t kEpochNs = 1'700'000'000'000'000'000, kSpacingNs = 2'000, kTransitNs = 20'000;
constexpr uint32_t kSnapLength = 128, kPortsAnAddress = 50'000;

class PcapFile {
 public:
  explicit PcapFile(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "wb"), &std::fclose) {
    check(file_ != nullptr);
    put<uint32_t>({0xa1b23c4d, 2 | 4 << 16, 0, 0, kSnapLength, 1});
  }
  void write(int64_t time_ns, const test::Frame& frame) {
    const auto length = static_cast<uint32_t>(frame.size()), kept = std::min(length, kSnapLength);
    constexpr int64_t kSecondNs = 1'000'000'000;
    put<uint32_t>({static_cast<uint32_t>(time_ns / kSecondNs), static_cast<uint32_t>(time_ns % kSecondNs), kept, length});
    check(std::fwrite(frame.data(), 1, kept, file_.get()) == kept);
  }
  void close() { check(std::fclose(file_.release()) == 0); }

 private:
  template <typename T>
  void put(std::initializer_list<T> words) {
    check(std::fwrite(words.begin(), sizeof(T), words.size(), file_.get()) == words.size());
  }
  void check(bool done) const {
    if (!done) throw std::runtime_error(path_ + ": " + std::generic_category().message(errno));
  }

  std::string path_;
  std::unique_ptr<FILE, int (*)(FILE*)> file_;
};

// What a point sees: at once of the side that is near, later of the other one.
class Point {
 public:
  explicit Point(const std::string& path) : file_(path) {}
  void see(int64_t time_ns, test::Frame frame) {
    flush(time_ns);
    file_.write(time_ns, frame);
  }
  void see_later(int64_t time_ns, test::Frame frame) { later_.push_back({time_ns, std::move(frame)}); }
  void close() {
    flush(INT64_MAX);
    file_.close();
  }

 private:
  struct Later {
    int64_t time_ns;
    test::Frame frame;
  };
  void flush(int64_t until_ns) {
    for (; !later_.empty() && later_.front().time_ns <= until_ns; later_.pop_front())
      file_.write(later_.front().time_ns, later_.front().frame);
  }

  PcapFile file_;
  std::deque<Later> later_;
};

struct Move {
  bool from_client;
  uint8_t flags;
  uint32_t payload;
};

// The handshake, so many packets of exchanges, and the end.
std::vector<Move> moves_of(uint32_t packets) {
  using namespace tcp_flag;
  constexpr std::array<Move, 8> kExchange{{{true, ack | psh, 300},
                                           {false, ack, 1400},
                                           {false, ack, 1400},
                                           {true, ack, 0},
                                           {false, ack, 1400},
                                           {false, ack, 1400},
                                           {true, ack, 0},
                                           {false, ack | psh, 600}}};
  std::vector<Move> moves{{true, syn, 0}, {false, syn | ack, 0}, {true, ack, 0}};
  for (uint32_t i = 0; moves.size() + 3 < packets; ++i) moves.push_back(kExchange[i % kExchange.size()]);
  moves.insert(moves.end(), {{true, fin | ack, 0}, {false, fin | ack, 0}, {true, ack, 0}});
  return moves;
}

struct End {
  uint32_t next_seq = 0, tsval = 0;
  uint16_t ip_id = 0;
};

struct Open {
  uint32_t number = 0;  // of the connection
  uint32_t step = 0;    // of its next packet
  End client, server;
};

Open opened(uint32_t number) {
  const auto seed = [number](uint32_t factor) { return number * factor + 77; };
  Open open{.number = number, .step = 0, .client = {}, .server = {}};
  open.client = {seed(2654435761u), seed(40503), static_cast<uint16_t>(seed(31))};
  open.server = {seed(2246822519u), seed(30011), static_cast<uint16_t>(seed(57))};
  return open;
}

Address address_of(uint32_t network, uint32_t host) {
  const uint32_t word = network + host;
  Address address{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  for (size_t i = 0; i < 4; ++i) address[12 + i] = static_cast<uint8_t>(word >> (24 - 8 * i));
  return address;
}

test::Frame frame_of(const Open& open, const Move& move, bool outside) {
  const uint32_t host = 1 + open.number / kPortsAnAddress, port = open.number % kPortsAnAddress;
  const Address client = address_of(outside ? 0xc6120000 : 0x0a000000, host);
  const Address server = outside ? address_of(0xc6336400, 1) : address_of(0x0aff0000, 1);
  const auto client_port = static_cast<uint16_t>(outside ? 1024 + port : 60'000 - port);
  const End &from = move.from_client ? open.client : open.server, &to = move.from_client ? open.server : open.client;
  test::Ip ip;
  ip.source = move.from_client ? client : server;
  ip.destination = move.from_client ? server : client;
  ip.ttl = outside == move.from_client ? 64 : 63;
  ip.id = from.ip_id;
  test::Tcp tcp;
  tcp.source_port = move.from_client ? client_port : 443;
  tcp.destination_port = move.from_client ? 443 : client_port;
  tcp.seq = from.next_seq;
  tcp.ack = move.flags & tcp_flag::ack ? to.next_seq : 0;
  tcp.flags = move.flags;
  tcp.timestamps = {from.tsval, to.tsval};
  if (move.flags & tcp_flag::syn) {
    tcp.mss = 1460;
    tcp.window_scale = 7;
    tcp.sack_permitted = true;
  }
  static const std::vector<uint8_t> payload(1400, 0x17);  // nothing that begins a message
  return test::tcp_frame(ip, tcp, std::span(payload).first(move.payload));
}

// The packet has been sent.
void advance(Open& open, const Move& move) {
  End& from = move.from_client ? open.client : open.server;
  from.next_seq += move.payload + ((move.flags & (tcp_flag::syn | tcp_flag::fin)) ? 1 : 0);
  ++from.tsval;
  ++from.ip_id;
  ++open.step;
}

}  // namespace

void write_mix(const Mix& mix, const std::string& outside, const std::string& inside) {
  const std::vector<Move> moves = moves_of(mix.packets);
  Point outer(outside), inner(inside);
  std::vector<Open> open;
  uint32_t begun = 0;
  int64_t now_ns = kEpochNs;
  for (uint32_t round = 0; begun < mix.connections || !open.empty(); ++round) {
    // In the first rounds a few begin each time, so that they do not all end at once.
    const uint64_t wanted = std::min<uint64_t>(mix.at_once, uint64_t{mix.at_once} * (round + 1) / mix.packets + 1);
    while (open.size() < wanted && begun < mix.connections) open.push_back(opened(begun++));
    for (Open& connection : open) {
      const Move& move = moves[connection.step];
      Point &near = move.from_client ? outer : inner, &far = move.from_client ? inner : outer;
      near.see(now_ns, frame_of(connection, move, move.from_client));
      far.see_later(now_ns + kTransitNs, frame_of(connection, move, !move.from_client));
      advance(connection, move);
      now_ns += kSpacingNs;
    }
    std::erase_if(open, [&](const Open& connection) { return connection.step == moves.size(); });
  }
  outer.close();
  inner.close();
}

}  // namespace parallax::bench
