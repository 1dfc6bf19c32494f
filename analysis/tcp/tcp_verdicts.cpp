#include "analysis/tcp/tcp_verdicts.h"

#include <algorithm>

#include "analysis/model/sequence.h"
#include "analysis/model/vocabulary.h"
#include "analysis/tcp/tcp_labels.h"

namespace parallax {
namespace {

// No sender in use has a shorter retransmission timer (Linux: 200 ms; Windows: 300 ms; RFC 6298: 1 s).
constexpr uint32_t kTimerLeastUs = 200'000;
constexpr uint32_t kRoundTripLongestUs = 60'000'000;

SequenceRange range_of(const Sighting& s) {
  const uint32_t space = ((s.tcp_flags & tcp_flag::syn) ? 1u : 0u) + ((s.tcp_flags & tcp_flag::fin) ? 1u : 0u);
  return {s.seq, s.seq + s.payload_length + space};
}

// From one end to the other and back, as the handshake showed it; 0: not seen.
uint32_t round_trip_us(const LegCold& cold) {
  if (cold.syn_stamp_ns == 0 || cold.ack_stamp_ns <= cold.syn_stamp_ns) return 0;
  return static_cast<uint32_t>(std::min<int64_t>((cold.ack_stamp_ns - cold.syn_stamp_ns) / 1000, kRoundTripLongestUs));
}

}  // namespace

bool sent_again(const TcpFlow& flow, const Sighting& s, Side from) {
  const TcpFlow::Half& own = flow.half[from];
  if (!(own.notes & flow_note::positioned)) return false;
  // What the packet holds of what may have been seen: from the direction's first number on, which only a SYN uses.
  SequenceRange range = range_of(s);
  const uint32_t first = flow.base_seq[from] + ((s.tcp_flags & tcp_flag::syn) ? 0 : 1);
  if (sequence_before(range.begin, first)) range.begin = first;
  if (const uint32_t certain = flow.uncertain_before[from]; certain != 0 && sequence_before(range.begin, certain))
    range.begin = certain;
  if (sequence_before(own.next_seq, range.end)) range.end = own.next_seq;
  // Then some of it came before, unless holes cover it all.
  for (uint8_t i = 0; i < own.holes && sequence_before(range.begin, range.end); ++i) {
    const SequenceRange& hole = flow.trouble_so_far().hole[from][i];
    if (sequence_before(range.begin, hole.begin)) break;
    if (sequence_before(range.begin, hole.end)) range.begin = hole.end;
  }
  return sequence_before(range.begin, range.end);
}

uint32_t why_sent_again(const LegCold& cold, const TcpFlow& flow, const Sighting& s, Side from) {
  const TcpFlow::Half& own = flow.half[from];
  const TcpFlow::Half& peer = flow.half[opposite(from)];
  const SequenceRange range = range_of(s);
  const uint32_t now_us = microseconds_of(s.time_ns), round_trip = round_trip_us(cold);
  const bool answered = peer.notes & flow_note::spoken;
  const uint32_t since_sent =
      std::min(now_us - own.advanced_us, (own.notes & flow_note::sent) ? now_us - own.sent_us : UINT32_MAX);
  const uint32_t silence = answered ? std::min(since_sent, now_us - peer.last_us) : since_sent;

  const bool earliest = peer.last_ack == 0 || sequence_at_or_before(range.begin, peer.last_ack);
  const bool latest = range.end == own.next_seq;
  if (latest && !earliest && peer.duplicate_acks == 0 && round_trip > 0 && silence >= round_trip + round_trip / 2)
    return bit(PacketLabel::tail_loss_probe);
  if (earliest && silence >= std::max(kTimerLeastUs, round_trip)) return bit(PacketLabel::timeout_retransmission);
  // Alone in flight, earliest and latest at once: sooner than any timer it is a probe.
  if (earliest && latest && answered && peer.duplicate_acks == 0 && round_trip > 0 && silence >= round_trip + round_trip / 2 &&
      silence < kTimerLeastUs)
    return bit(PacketLabel::tail_loss_probe);
  return 0;
}

void remember_again(TcpFlow& flow, const Sighting& s, Side from) {
  uint8_t& at = flow.half[from].again_at;
  flow.own_trouble().again[from][at] = {range_of(s), s.frame, s.port, 1};
  at = static_cast<uint8_t>((at + 1) % TcpTrouble::kAgain);
}

std::optional<TcpTrouble::Again> needless_by(TcpFlow& flow, const Sighting& s, Side from) {
  if (!(s.options & tcp_option::sack) || !flow.trouble) return std::nullopt;
  // The first block repeats what was acknowledged, or lies within the second one (RFC 2883, 4).
  const SequenceRange first{s.sack[0], s.sack[1]}, second{s.sack[2], s.sack[3]};
  const bool acknowledged = sequence_at_or_before(first.end, s.ack);
  const bool within = second.begin != second.end && sequence_at_or_before(second.begin, first.begin) &&
                      sequence_at_or_before(first.end, second.end);
  if (!acknowledged && !within) return std::nullopt;
  for (TcpTrouble::Again& again : flow.trouble->again[opposite(from)]) {
    const bool same = sequence_at_or_before(again.range.begin, first.begin) && sequence_at_or_before(first.end, again.range.end);
    if (again.used == 0 || !same) continue;
    const TcpTrouble::Again found = again;
    again.used = 0;
    return found;
  }
  return std::nullopt;
}

}  // namespace parallax
