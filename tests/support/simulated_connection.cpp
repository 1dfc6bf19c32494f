#include "tests/support/simulated_connection.h"

#include <algorithm>

namespace parallax::test {
namespace {

constexpr uint32_t kSegment = kSegmentBytes, kWindow = 10 * kSegment;
constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kTimeoutNs = 200 * kMillisecond;
constexpr int kRetriesMax = 5;

}  // namespace

SimulatedConnection::SimulatedConnection(Network& network, TruthOfConnection& truth, const SimulatorOptions& options,
                                         uint64_t seed)
    : network_(network),
      truth_(truth),
      random_(seed),
      path_(network, truth, options, random_.next(), [this](Side to, const Segment& segment) { receive(to, segment); }) {
  for (End& e : ends_) {
    e.ip_id = static_cast<uint16_t>(random_.next());
    e.zero_ip_id = random_.chance(0.2);
    e.ttl = static_cast<uint8_t>((random_.chance(0.5) ? 64 : 128) - random_.below(12));
  }
  truth_.client_has_ip_ids = !end(Side::client).zero_ip_id;
  const uint64_t turns = random_.between(1, 4);
  for (uint64_t i = 0; i < turns; ++i) {
    turns_.push_back({Side::client, static_cast<uint32_t>(random_.between(20, 3000))});
    turns_.push_back({Side::server, static_cast<uint32_t>(random_.between(100, options.answer_bytes_max))});
  }
  close_mode_ = static_cast<CloseMode>(random_.below(6));
  if (options.names > 0 && close_mode_ == CloseMode::stays_open) close_mode_ = CloseMode::fin_by_client;
  if (truth_.fault == Fault::reset_not_forwarded) {
    close_mode_ = random_.chance(0.5) ? CloseMode::reset_by_client : CloseMode::reset_by_server;
  }
}

void SimulatedConnection::open() {
  end(Side::client).state = State::syn_sent;
  send_syn(1);
}

void SimulatedConnection::send_syn(int attempt) {
  if (!end(Side::client).is(State::syn_sent) || attempt > kSynAttemptsMax) return;
  end(Side::client).next = 1;
  send(Side::client, tcp_flag::syn, 0);
  network_.at(network_.now_ns() + (1000 * kMillisecond << (attempt - 1)), [this, attempt] { send_syn(attempt + 1); });
}

void SimulatedConnection::send(Side side, uint8_t flags, uint32_t seq, uint32_t length) {
  End& e = end(side);
  const bool acknowledges = flags != tcp_flag::syn && (e.received > 0 || (flags & tcp_flag::ack));
  if (acknowledges) flags |= tcp_flag::ack;
  path_.travel(
      {side, flags, seq, acknowledges ? e.received : 0, length, e.zero_ip_id ? uint16_t{0} : ++e.ip_id, e.ttl, std::nullopt});
}

// A RST for what belongs to no connection (RFC 9293, 3.10.7.1).
void SimulatedConnection::send_alone(Side side, uint32_t seq, std::optional<PointIndex> named) {
  End& e = end(side);
  path_.travel({side, tcp_flag::rst, seq, 0, 0, e.zero_ip_id ? uint16_t{0} : ++e.ip_id, e.ttl, named});
}

void SimulatedConnection::send_what_may_go(Side side) {
  End& e = end(side);
  if (!e.is(State::established)) return;
  const bool idle = e.unacked == e.next;
  while (e.next < e.limit && e.next - e.unacked < kWindow) {
    const uint32_t length = std::min(kSegment, e.limit - e.next);
    send(side, tcp_flag::psh, e.next, length);
    e.next += length;
  }
  if (e.fin_wanted && !e.fin_sent && e.next == e.limit) {
    send(side, tcp_flag::fin, e.next);
    e.fin_sent = true;
    ++e.next;
  }
  if (idle && e.unacked != e.next) start_timer(side);
}

void SimulatedConnection::retransmit(Side side) {
  End& e = end(side);
  if (e.unacked == 0) {
    send(side, tcp_flag::syn | tcp_flag::ack, 0);
  } else if (e.unacked < e.limit) {
    send(side, tcp_flag::psh, e.unacked, std::min(kSegment, std::min(e.limit, e.next) - e.unacked));
  } else {
    send(side, tcp_flag::fin, e.unacked);
  }
}

void SimulatedConnection::start_timer(Side side) {
  End& e = end(side);
  const uint64_t timer = ++e.timer;
  network_.at(network_.now_ns() + (kTimeoutNs << e.retries), [this, side, timer] { on_timer(side, timer); });
}

void SimulatedConnection::on_timer(Side side, uint64_t timer) {
  End& e = end(side);
  if (timer != e.timer || e.unacked == e.next || (!e.is(State::established) && !e.is(State::syn_received))) return;
  if (++e.retries > kRetriesMax) return reset(side);
  e.recover = e.next;
  retransmit(side);
  start_timer(side);
}

void SimulatedConnection::reset(Side side) {
  send(side, tcp_flag::rst, end(side).next);
  end(side).state = State::dead;
}

void SimulatedConnection::receive(Side side, const Segment& segment) {
  End& e = end(side);
  const bool syn = segment.flags & tcp_flag::syn, ack = segment.flags & tcp_flag::ack;
  if (segment.named && *segment.named != path_.point_of(side)) {  // of a connection that this host does not know
    if (ack && !segment.has(tcp_flag::rst)) send_alone(side, segment.ack, segment.named);
    return;
  }
  if (segment.flags & tcp_flag::rst) {
    if (!e.is(State::closed)) e.state = State::dead;
    return;
  }
  if (e.is(State::dead)) {
    if (ack) send_alone(side, segment.ack, std::nullopt);
    return;
  }
  if (side == Side::server && syn) {
    if (truth_.fault == Fault::filtered_by_server) return;
    e.received = 1;
    if (truth_.fault == Fault::refused_by_server) return send(side, tcp_flag::rst | tcp_flag::ack, 0);
    if (e.is(State::established)) return send(side, tcp_flag::ack, e.next);
    e.state = State::syn_received;
    e.next = 1;
    send(side, tcp_flag::syn | tcp_flag::ack, 0);
    return start_timer(side);
  }
  if (e.is(State::syn_sent)) {
    if (!syn || !ack) return;
    e.state = State::established;
    e.unacked = e.received = 1;
    ++e.timer;
    send(side, tcp_flag::ack, 1);
    return next_turn();
  }
  if (e.is(State::closed)) return;
  if (syn) return send(side, tcp_flag::ack, e.next);
  if (e.is(State::syn_received)) {
    e.state = State::established;
    truth_.established = true;
  }
  receive_ack(side, segment.ack, segment.length == 0 && !(segment.flags & tcp_flag::fin));
  if (receive_data(side, segment) && e.is(State::established)) send(side, tcp_flag::ack, e.next);
  turn_received(side);
  send_what_may_go(side);
}

void SimulatedConnection::receive_ack(Side side, uint32_t ack, bool pure) {
  End& e = end(side);
  if (ack > e.unacked && ack <= e.next) {
    e.unacked = ack;
    e.duplicate_acks = e.retries = 0;
    if (e.unacked < e.recover) retransmit(side);
    if (e.unacked == e.next) {
      ++e.timer;
    } else {
      start_timer(side);
    }
  } else if (ack == e.unacked && pure && e.unacked != e.next && ++e.duplicate_acks == 3 && e.unacked >= e.recover) {
    e.recover = e.next;
    retransmit(side);
  }
}

// Returns whether the segment is to be acknowledged.
bool SimulatedConnection::receive_data(Side side, const Segment& segment) {
  End& e = end(side);
  const bool fin = segment.flags & tcp_flag::fin;
  if (segment.length == 0 && !fin) return false;
  if (segment.length > 0) e.out_of_order.insert({segment.seq, segment.seq + segment.length});
  for (auto range = e.out_of_order.begin(); range != e.out_of_order.end() && range->first <= e.received;
       range = e.out_of_order.erase(range)) {
    e.received = std::max(e.received, range->second);
  }
  if (fin && segment.seq + segment.length == e.received && !e.fin_received) {
    e.fin_received = true;
    ++e.received;
    if (close_mode_ == CloseMode::fin_answered_by_reset) {
      reset(side);
      return false;
    }
    network_.at(network_.now_ns() + static_cast<int64_t>(random_.below(5 * kMillisecond)), [this, side] {
      end(side).fin_wanted = true;
      send_what_may_go(side);
    });
  }
  return true;
}

void SimulatedConnection::next_turn() {
  const int64_t think_ns = static_cast<int64_t>(random_.below(20 * kMillisecond));
  network_.at(network_.now_ns() + think_ns, [this] {
    if (turn_ == turns_.size()) return close();
    const auto [side, bytes] = turns_[turn_];
    end(side).limit += bytes;
    send_what_may_go(side);
  });
}

void SimulatedConnection::turn_received(Side receiver) {
  if (turn_ == turns_.size()) return;
  const Side sender = turns_[turn_].first;
  if (receiver != opposite(sender)) return;
  uint32_t expected = 1;
  for (size_t i = 0; i <= turn_; ++i) {
    if (turns_[i].first == sender) expected += turns_[i].second;
  }
  if (end(receiver).received < expected) return;
  ++turn_;
  next_turn();
}

void SimulatedConnection::close() {
  const auto fin = [this](Side side) {
    end(side).fin_wanted = true;
    send_what_may_go(side);
  };
  const auto rst = [this](Side side) {
    if (end(side).is(State::established)) reset(side);
  };
  switch (close_mode_) {
    case CloseMode::fin_by_client:
    case CloseMode::fin_answered_by_reset:
      return fin(Side::client);
    case CloseMode::fin_by_server:
      return fin(Side::server);
    case CloseMode::reset_by_client:
      return rst(Side::client);
    case CloseMode::reset_by_server:
      return rst(Side::server);
    case CloseMode::stays_open:
      return;
  }
}

}  // namespace parallax::test
