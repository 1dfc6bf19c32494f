// Plays both sides of a router at a given rate: TCP connections whose packets come out of one port and then, with one hop less,
// out of another, in one order of time.
//
// usage: live_sender OUTSIDE INSIDE PACKETS_A_SECOND SECONDS
//
// Prints how many packets it has sent and in how many seconds. OUTSIDE and INSIDE are interfaces; each packet is sent at both,
// and counts twice. 16 connections at a time take the same step: that is how 400,000 packets a second are reached on one core.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kTogether = 16;   // connections of one batch
constexpr uint32_t kBatches = 16;    // that are open at once
constexpr uint32_t kDataSteps = 32;  // requests and answers by turns
constexpr uint32_t kSteps = 3 + kDataSteps + 3;
constexpr uint32_t kHeaders = 14 + 20 + 20;
constexpr std::array<uint32_t, 2> kPayload{200, 400};  // of the client and the server
constexpr uint8_t kFin = 0x01, kSyn = 0x02, kPush = 0x08, kAck = 0x10;

void put16(uint8_t* at, uint32_t value) { at[0] = static_cast<uint8_t>(value >> 8), at[1] = static_cast<uint8_t>(value); }
void put32(uint8_t* at, uint32_t value) { put16(at, value >> 16), put16(at + 2, value); }

// What one side says at a step, and how much it and the other one have said before.
struct Step {
  bool by_server;
  uint8_t flags;
  uint32_t payload;
};
Step step_of(uint32_t step) {
  if (step == 0) return {false, kSyn, 0};
  if (step == 1) return {true, kSyn | kAck, 0};
  if (step == 2) return {false, kAck, 0};
  if (step < 3 + kDataSteps) {
    const bool by_server = (step - 3) % 2 == 1;
    return {by_server, kPush | kAck, kPayload[by_server]};
  }
  if (step == kSteps - 3) return {false, kFin | kAck, 0};
  if (step == kSteps - 2) return {true, kFin | kAck, 0};
  return {false, kAck, 0};
}

class Frame {
 public:
  // `said`: bytes by each side so far, SYN and FIN included; of this packet as well once it is written.
  size_t write(uint32_t connection, const Step& step, const std::array<uint32_t, 2>& said, uint16_t ip_id) {
    uint8_t* ip = bytes_.data() + 14;
    uint8_t* tcp = ip + 20;
    std::memset(bytes_.data(), 0, kHeaders);
    bytes_[0] = bytes_[6] = 0x02;  // locally administered
    bytes_[5] = step.by_server ? 1 : 2;
    bytes_[11] = step.by_server ? 2 : 1;
    put16(bytes_.data() + 12, ETHERTYPE_IP);
    ip[0] = 0x45;
    put16(ip + 2, kHeaders - 14 + step.payload);
    put16(ip + 4, ip_id);
    ip[6] = 0x40;  // don't fragment
    ip[8] = 64;
    ip[9] = IPPROTO_TCP;
    const uint32_t client = 0x0a010000u + (connection >> 12 & 0xffff), server = 0x0a020000u + connection % 8;
    put32(ip + 12, step.by_server ? server : client);
    put32(ip + 16, step.by_server ? client : server);
    const uint32_t client_port = 20'000 + (connection & 0xfff), server_port = 443;
    put16(tcp, step.by_server ? server_port : client_port);
    put16(tcp + 2, step.by_server ? client_port : server_port);
    const std::array<uint32_t, 2> isn{connection * 2'654'435'761u, connection * 40'503u + 7};
    put32(tcp + 4, isn[step.by_server] + said[step.by_server]);
    if ((step.flags & kAck) != 0) put32(tcp + 8, isn[!step.by_server] + said[!step.by_server]);
    tcp[12] = 0x50;
    tcp[13] = step.flags;
    put16(tcp + 14, 65'535);
    set_ttl(64);
    return kHeaders + step.payload;
  }
  void set_ttl(uint8_t ttl) {
    uint8_t* ip = bytes_.data() + 14;
    ip[8] = ttl;
    put16(ip + 10, 0);
    uint32_t sum = 0;
    for (int i = 0; i < 20; i += 2) sum += static_cast<uint32_t>(ip[i]) << 8 | ip[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    put16(ip + 10, ~(sum + (sum >> 16)) & 0xffff);
  }
  uint8_t* data() { return bytes_.data(); }

 private:
  std::array<uint8_t, kHeaders + 1024> bytes_{};
};

class Port {
 public:
  explicit Port(const char* interface) : socket_(socket(AF_PACKET, SOCK_RAW, 0)) {
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = static_cast<int>(if_nametoindex(interface));
    const int on = 1, buffer = 8 << 20;
    setsockopt(socket_, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
    setsockopt(socket_, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
    if (socket_ < 0 || address.sll_ifindex == 0 || bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
      std::perror(interface);
      std::exit(1);
    }
  }
  void send(mmsghdr* messages, uint32_t count) const {
    while (count > 0) {
      const int sent = sendmmsg(socket_, messages, count, 0);
      if (sent < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR) {
        std::perror("sendmmsg");
        std::exit(1);
      }
      messages += sent < 0 ? 0 : sent;
      count -= sent < 0 ? 0 : static_cast<uint32_t>(sent);
    }
  }

 private:
  const int socket_;
};

// To the microsecond, and without a core for itself where there is time: what is measured beside it needs one, too.
void wait_until(Clock::time_point due) {
  constexpr auto kWakesWithin = std::chrono::microseconds(50);
  if (due - Clock::now() > kWakesWithin) std::this_thread::sleep_until(due - kWakesWithin);
  while (Clock::now() < due) {
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: live_sender OUTSIDE INSIDE PACKETS_A_SECOND SECONDS\n");
    return 2;
  }
  const std::array<Port, 2> ports{Port(argv[1]), Port(argv[2])};
  const double rate = std::atof(argv[3]), seconds = std::atof(argv[4]);

  static std::array<Frame, kTogether> frames;
  std::array<iovec, kTogether> pieces;
  std::array<mmsghdr, kTogether> messages{};
  for (uint32_t i = 0; i < kTogether; ++i) {
    pieces[i].iov_base = frames[i].data();
    messages[i].msg_hdr.msg_iov = &pieces[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }

  uint64_t sent = 0;
  const Clock::time_point begin = Clock::now();
  const auto due = [&] { return begin + std::chrono::nanoseconds(static_cast<int64_t>(static_cast<double>(sent) / rate * 1e9)); };
  // Another process' connections, so that a run does not go on with the ones of the run before.
  uint32_t first = static_cast<uint32_t>(std::chrono::system_clock::now().time_since_epoch() / std::chrono::milliseconds(10))
                   << 8;
  for (; static_cast<double>(sent) < rate * seconds; first += kTogether * kBatches) {
    std::array<uint32_t, 2> said{};
    for (uint32_t number = 0; number < kSteps; ++number) {
      const Step step = step_of(number);
      for (uint32_t batch = 0; batch < kBatches; ++batch) {
        for (uint32_t i = 0; i < kTogether; ++i)
          pieces[i].iov_len = frames[i].write(first + batch * kTogether + i, step, said, static_cast<uint16_t>(number + 1));
        wait_until(due());
        ports[step.by_server].send(messages.data(), kTogether);
        for (Frame& frame : frames) frame.set_ttl(63);
        ports[!step.by_server].send(messages.data(), kTogether);
        sent += 2 * kTogether;
      }
      said[step.by_server] += step.payload + ((step.flags & (kSyn | kFin)) != 0 ? 1 : 0);
    }
  }
  std::printf("%lu %.6f\n", sent, std::chrono::duration<double>(Clock::now() - begin).count());
  return 0;
}
