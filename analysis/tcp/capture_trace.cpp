#include "analysis/tcp/capture_trace.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "analysis/tcp/tcp_leg.h"
#include "analysis/tcp/zeek_state.h"
#include "capture/core/port.h"

namespace parallax {
namespace {

constexpr int kRoutedHopsMax = 4;         // between the two places where a SPAN takes a packet
constexpr uint32_t kSegmentSize = 1448;   // where no MSS was seen: 1500 less the headers with timestamps
constexpr int64_t kEarlyNs = 20'000'000;  // of the oldest hole where there is no room for another

// Bits of LegHot::seen of a UDP leg: of that side a datagram was seen, and its sender does not count its IP IDs.
constexpr PerSide<uint8_t> kDatagramKnown{1, 2}, kIdsRepeat{4, 8};

uint32_t hash_of(const Sighting& s) {
  uint64_t h = static_cast<uint64_t>(s.seq) << 32 | s.ack;
  const auto mix = [&h](uint64_t word) { h = (h ^ word) * 0x9E3779B97F4A7C15u, h ^= h >> 32; };  // Fibonacci hashing
  mix(static_cast<uint64_t>(s.payload_length) << 32 | static_cast<uint64_t>(s.window) << 8 | s.tcp_flags);
  mix(static_cast<uint64_t>(s.tsval) << 32 | s.tsecr);
  for (size_t i = 0; i < s.sack.size(); i += 2) mix(static_cast<uint64_t>(s.sack[i]) << 32 | s.sack[i + 1]);
  return static_cast<uint32_t>(h);
}

// What a hole in a stream does not say by itself: a packet that is one for its own sake, and no question or answer of the moment.
bool stands_alone(const Sighting& s) {
  return s.payload_length > 0 || (s.tcp_flags & (tcp_flag::syn | tcp_flag::fin | tcp_flag::rst));
}

// Who knows no such connection answers each of several segments with the same RST. Without an ID nothing shows that one of them
// stands there twice.
bool may_answer_each(const Sighting& s) { return (s.tcp_flags & tcp_flag::rst) && s.ip_id == 0; }

// Without an IP ID it is the packet before once more where its sender had no reason to say it again: data that has arrived, as
// its receiver has said, and on a leg that shows copies an acknowledgement.
template <typename Trace>
bool is_said_for_nothing(const Trace& trace, const LegHot& hot, const Sighting& s, Side from, uint32_t hash) {
  if (s.ip_id != 0) return false;
  const Side peer = opposite(from);
  const uint32_t end = s.seq + s.payload_length + ((s.tcp_flags & tcp_flag::fin) ? 1 : 0);
  const bool has_arrived = (hot.seen & leg_seen::max_ack[peer]) && sequence_at_or_before(end, hot.max_ack[peer]);
  if (stands_alone(s) ? !has_arrived : !trace.doubled) return false;
  const auto& recent = trace.half[from].recent;
  return std::any_of(recent.begin(), recent.end(), [&](const auto& r) {
    return r.used && r.hash == hash && r.ip_id == 0 && r.ttl == s.ttl &&
           s.order_ns - r.order_ns < CaptureTraces::kCopyWithoutIdNs;
  });
}

}  // namespace

CaptureTraces::Trace* CaptureTraces::trace_of(LegHot& hot, LegCold& cold) {
  if (hot.flags & leg_flag::traced) return &traces_[cold.trace];
  if (free_.empty()) {
    if (!may_grow_) {
      ++refused_;
      return nullptr;
    }
    free_.push_back(static_cast<uint32_t>(traces_.size()));
    traces_.emplace_back();
  }
  cold.trace = free_.back();
  free_.pop_back();
  hot.flags |= leg_flag::traced;
  traces_[cold.trace] = {};
  return &traces_[cold.trace];
}

void CaptureTraces::release(LegHot& hot, const LegCold& cold) {
  if (!(hot.flags & leg_flag::traced)) return;
  hot.flags &= static_cast<uint16_t>(~leg_flag::traced);
  free_.push_back(cold.trace);
}

void CaptureTraces::flip(const LegHot& hot, const LegCold& cold) {
  if (!(hot.flags & leg_flag::traced)) return;
  Trace& trace = traces_[cold.trace];
  trace.half.flip();
  trace.found.copies.flip();
  trace.found.packets.flip();
}

// A SYN or SYN-ACK against the leg's last one, of which the leg itself keeps what tells a copy from the same offer sent again: by
// its IP ID, and where the stack gives none by the time that no stack is as quick as.
bool CaptureTraces::repeats_offer(const LegHot& hot, const LegCold& cold, const Sighting& s, Side from) {
  const uint16_t seen = (s.tcp_flags & tcp_flag::ack) ? leg_flag::syn_ack : leg_flag::syn;
  const bool same_scale = !(s.options & tcp_option::window_scale) || cold.window_scale[from] == std::min<int>(s.window_scale, 14);
  if (!(hot.flags & seen) || s.seq != cold.isn[from] || s.ip_id != cold.offer_ip_id[from] || !same_scale) return false;
  if (((s.options ^ cold.options[from]) & ~kOptionEcn) != 0 || ((s.options & tcp_option::mss) && s.mss != cold.mss[from]))
    return false;
  const int hops = std::abs(static_cast<int>(cold.ttl[from]) - static_cast<int>(s.ttl));
  const int64_t after_ns = s.time_ns - (from == Side::client ? cold.syn_stamp_ns : cold.syn_ack_stamp_ns);
  const int64_t limit_ns = s.ip_id != 0 || hops > 0 ? kCopyNs : kCopyWithoutIdNs;
  return hops <= kRoutedHopsMax && after_ns >= 0 && after_ns <= limit_ns;
}

bool CaptureTraces::odd(const LegHot& hot, const Sighting& s, Side from) {
  const Side peer = opposite(from);
  if (s.tcp_flags & tcp_flag::syn) return (hot.flags & (s.tcp_flags & tcp_flag::ack ? leg_flag::syn_ack : leg_flag::syn)) != 0;
  const bool elsewhere = s.payload_length > 0 && s.seq != hot.next_seq[from] && (hot.seen & leg_seen::next_seq[from]);
  const bool beyond =
      sequence_before(hot.next_seq[peer], s.ack) && (s.tcp_flags & tcp_flag::ack) && (hot.seen & leg_seen::next_seq[peer]);
  const bool skipped = sequence_before(hot.next_seq[from], s.seq) && (hot.seen & leg_seen::next_seq[from]);
  return elsewhere || beyond || skipped;
}

DuplicateState CaptureTraces::look(LegHot& hot, LegCold& cold, const Sighting& s, Side from) {
  const bool fresh_trace = !(hot.flags & leg_flag::traced);
  if (fresh_trace && !s.has(SightingFlag::fragment) && !odd(hot, s, from)) return DuplicateState::fresh;
  const bool offer_again = (s.tcp_flags & tcp_flag::syn) && repeats_offer(hot, cold, s, from);
  Trace* trace = trace_of(hot, cold);
  if (!trace) return offer_again ? DuplicateState::copy : DuplicateState::fresh;
  const uint32_t hash = hash_of(s);
  DuplicateState same = DuplicateState::fresh;
  if (offer_again) {
    same = DuplicateState::copy;
  } else if (!fresh_trace) {
    same = compare(trace->half[from], s, hash);
    if (same == DuplicateState::fresh && is_said_for_nothing(*trace, hot, s, from, hash)) same = DuplicateState::copy;
  } else {
    // Nothing is kept of the packet before but what the leg knows of it.
    const bool newest = s.payload_length > 0 && s.seq + s.payload_length == hot.next_seq[from] && s.ack == hot.max_ack[from] &&
                        s.order_ns - hot.last_ns < kCopyWithoutIdNs;
    if (newest) same = DuplicateState::suspect;
  }
  trace->found.packets[from] += fresh_trace && same == DuplicateState::copy ? 2 : 1;  // the one before was not counted
  if (same == DuplicateState::copy && may_answer_each(s)) return same;
  if (same == DuplicateState::copy) {
    trace->doubled = true;
    ++trace->found.copies[from];
    const auto& recent = trace->half[from].recent;
    const bool routed = offer_again ? cold.ttl[from] != s.ttl : std::none_of(recent.begin(), recent.end(), [&](const Recent& r) {
      return r.used && r.hash == hash && r.ttl == s.ttl;
    });
    trace->found.routed_copies += routed;
    return same;  // what it says has been said
  }
  remember(*trace, s, from, hash);
  follow_sequence(*trace, hot, cold, s, from);
  settle(*trace, cold, s.order_ns, false);
  return same;
}

// Whether `s` is one of the direction's last packets again.
DuplicateState CaptureTraces::compare(Half& half, const Sighting& s, uint32_t hash) const {
  DuplicateState same = DuplicateState::fresh;
  for (Recent& r : half.recent) {
    if (!r.used || s.order_ns - r.order_ns > kCopyNs) continue;
    if (r.hash != hash) {
      half.ids_repeat |= r.ip_id != 0 && r.ip_id == s.ip_id && !s.has(SightingFlag::fragment);
      continue;
    }
    if (r.ip_id != s.ip_id) continue;
    const int hops = std::abs(static_cast<int>(r.ttl) - static_cast<int>(s.ttl));
    const bool has_id = s.ip_id != 0 && !half.ids_repeat;
    const bool at_once = stands_alone(s) && !r.answered && s.order_ns - r.order_ns < kCopyWithoutIdNs;
    const bool routed = hops > 0 && hops <= kRoutedHopsMax;
    // The same answer twice at once is no copy where nothing tells them apart: duplicate ACKs look like that.
    if (hops > kRoutedHopsMax || !(has_id || routed || at_once)) continue;
    same = DuplicateState::copy;
  }
  return same;
}

void CaptureTraces::remember(Trace& trace, const Sighting& s, Side from, uint32_t hash) {
  Half& half = trace.half[from];
  half.recent[half.recent_at] = {
      .order_ns = s.order_ns, .hash = hash, .ip_id = s.ip_id, .ttl = s.ttl, .used = true, .answered = false};
  half.recent_at = static_cast<uint8_t>((half.recent_at + 1) % kRecent);
  for (Recent& r : trace.half[opposite(from)].recent) r.answered = true;
}

void CaptureTraces::follow_sequence(Trace& trace, const LegHot& hot, LegCold& cold, const Sighting& s, Side from) {
  if (s.tcp_flags & tcp_flag::rst) return;
  Half& half = trace.half[from];
  if (s.tcp_flags & tcp_flag::syn) {  // sequence space begins again
    half.hole_count = 0;
    return;
  }
  const uint32_t end = s.seq + s.payload_length + ((s.tcp_flags & tcp_flag::fin) ? 1 : 0);
  if (hot.seen & leg_seen::next_seq[from]) {
    const bool numbered = end != s.seq;
    for (size_t i = 0; i < half.hole_count; ++i) {
      const bool behind = sequence_at_or_before(half.holes[i].end, s.seq);
      half.holes[i].passed |= behind;
      half.holes[i].data_after |= behind && numbered;
    }
    const uint32_t known = known_end(half, hot.next_seq[from]);
    if (sequence_before(known, s.seq))
      add_hole(trace, hot, cold, from, {known, s.seq, kTimeMin, true, numbered, false}, s.order_ns);
    if (numbered) fill(half, s.seq, end);
  }
  if (s.has(SightingFlag::fragment)) {
    half.fragmented = true;
    half.fragment_end = end;
  }
  if (s.tcp_flags & tcp_flag::ack) acknowledge(trace, hot, cold, s, opposite(from));
}

// Up to where the direction's numbers are accounted for: seen, or known to be missing.
uint32_t CaptureTraces::known_end(const Half& half, uint32_t next_seq) {
  for (size_t i = 0; i < half.hole_count; ++i) {
    if (sequence_before(next_seq, half.holes[i].end)) next_seq = half.holes[i].end;
  }
  return next_seq;
}

void CaptureTraces::acknowledge(Trace& trace, const LegHot& hot, LegCold& cold, const Sighting& s, Side peer) {
  if (!(hot.seen & leg_seen::next_seq[peer])) return;
  Half& half = trace.half[peer];
  bool gap = false;
  for (size_t i = 0; i < half.hole_count; ++i) {
    Hole& hole = half.holes[i];
    if (hole.acked_ns != kTimeMin || !sequence_at_or_before(hole.end, s.ack)) continue;
    hole.acked_ns = s.order_ns;
    gap |= !hole.uncertain;
  }
  if (gap) zeek::note_gap(cold, peer);
  const uint32_t known = known_end(half, hot.next_seq[peer]);
  if (sequence_before(known, s.ack))
    add_hole(trace, hot, cold, peer, {known, s.ack, s.order_ns, false, false, false}, s.order_ns);
}

// Numbers that nobody saw may be no missed data: fragments that were not known for this leg's (they overtook their first one),
// and the byte before a conversation met in midstream, which a keep-alive repeats.
bool CaptureTraces::uncertain_at(const Half& half, const LegHot& hot, Side from, const Hole& hole) {
  const bool met_in_midstream = hot.bytes[from] == 0 && !(hot.flags & (from == Side::client ? leg_flag::syn : leg_flag::syn_ack));
  return (half.fragmented && hole.begin == half.fragment_end) || (met_in_midstream && hole.end - hole.begin == 1);
}

void CaptureTraces::add_hole(Trace& trace, const LegHot& hot, const LegCold& cold, Side from, const Hole& hole, int64_t now_ns) {
  Half& half = trace.half[from];
  // What adjoins the last one grows it: the acknowledgements of data that is stamped later by a clock of its own.
  if (half.hole_count > 0) {
    Hole& last = half.holes[half.hole_count - 1u];
    if (last.end == hole.begin && (last.acked_ns == kTimeMin) == (hole.acked_ns == kTimeMin)) {
      last.end = hole.end;
      last.acked_ns = hole.acked_ns;
      last.passed = hole.passed;
      last.data_after = hole.data_after;
      return;
    }
  }
  if (half.hole_count == kHoles) {
    const Hole& oldest = half.holes[0];
    if (oldest.acked_ns != kTimeMin && oldest.passed && now_ns - oldest.acked_ns > kEarlyNs) count(trace, cold, from, oldest);
    remove(half, 0);
  }
  Hole& added = half.holes[half.hole_count++];
  added = hole;
  added.uncertain = uncertain_at(half, hot, from, hole);
}

// Bytes that came after all.
void CaptureTraces::fill(Half& half, uint32_t begin, uint32_t end) {
  for (size_t i = 0; i < half.hole_count;) {
    Hole& hole = half.holes[i];
    const bool front = sequence_at_or_before(begin, hole.begin), back = sequence_at_or_before(hole.end, end);
    if (!sequence_before(begin, hole.end) || !sequence_before(hole.begin, end)) {
      ++i;
    } else if (front && back) {
      remove(half, i);
    } else if (front) {
      hole.begin = end;
      ++i;
    } else if (back) {
      hole.end = begin;
      ++i;
    } else {  // in the midst: two remain, or where there is no room for them the latter
      Hole rest = hole;
      rest.begin = end;
      hole.end = begin;
      if (half.hole_count == kHoles) {
        hole = rest;
      } else {
        for (size_t k = half.hole_count++; k > i + 1; --k) half.holes[k] = half.holes[k - 1];
        half.holes[i + 1] = rest;
      }
      return;
    }
  }
}

void CaptureTraces::remove(Half& half, size_t at) {
  for (size_t i = at + 1; i < half.hole_count; ++i) half.holes[i - 1] = half.holes[i];
  --half.hole_count;
}

void CaptureTraces::count(Trace& trace, const LegCold& cold, Side from, const Hole& hole) const {
  const uint32_t fin = hole.data_after ? 0 : 1;  // the last number may be one
  const uint32_t bytes = hole.end - hole.begin - fin;
  if (hole.uncertain || bytes == 0) return;
  const uint32_t size = cold.mss[opposite(from)] ? cold.mss[opposite(from)] : kSegmentSize;
  trace.found.missed_bytes += bytes;
  trace.found.missed_segments += (bytes + size - 1) / size;
}

// What was acknowledged, and has not come since, though its direction goes on coming this way.
void CaptureTraces::settle(Trace& trace, const LegCold& cold, int64_t now_ns, bool over) {
  for (const Side from : kSides) {
    Half& half = trace.half[from];
    for (size_t i = 0; i < half.hole_count;) {
      const Hole& hole = half.holes[i];
      if (hole.acked_ns == kTimeMin || !hole.passed || (!over && now_ns - hole.acked_ns <= kGraceNs)) {
        ++i;
        continue;
      }
      count(trace, cold, from, hole);
      remove(half, i);
    }
  }
}

CaptureReport CaptureTraces::report(const LegHot& hot, const LegCold& cold, bool over) {
  if (!(hot.flags & leg_flag::traced)) return {};
  Trace& trace = traces_[cold.trace];
  settle(trace, cold, hot.last_ns, over);
  CaptureReport report = std::exchange(trace.found, {});
  if (!trace.doubled) std::swap(report.packets, trace.found.packets);
  return report;
}

DuplicateState CaptureTraces::take_datagram(LegHot& hot, LegCold& cold, const Sighting& s, Side from) {
  const bool is_whole = !s.has(SightingFlag::fragment) || s.has(SightingFlag::completes_datagram);
  if (!is_whole || s.ip_id == 0) return DuplicateState::fresh;
  const uint8_t known = kDatagramKnown[from], ids_repeat = kIdsRepeat[from];
  const uint32_t print = static_cast<uint32_t>(s.ip_id) << 16 | (s.payload_length & 0xffff);
  const uint32_t now_us = static_cast<uint32_t>(s.order_ns / 1000) | 1;  // 0: it has had its copy
  const bool same_id = (hot.seen & known) && hot.next_seq[from] >> 16 == s.ip_id;
  const bool soon = hot.max_ack[from] == 0 || now_us - hot.max_ack[from] <= kCopyNs / 1000;
  if (same_id && soon && (hot.next_seq[from] != print || hot.max_ack[from] == 0))
    hot.seen |= ids_repeat;  // a sender that does not count
  const bool copy = same_id && soon && hot.next_seq[from] == print && !(hot.seen & ids_repeat);
  hot.seen |= known;
  hot.next_seq[from] = print;
  hot.max_ack[from] = copy ? 0 : now_us;
  const bool fresh_trace = !(hot.flags & leg_flag::traced);
  Trace* trace = copy || !fresh_trace ? trace_of(hot, cold) : nullptr;
  if (!trace) return copy ? DuplicateState::copy : DuplicateState::fresh;
  trace->found.packets[from] += fresh_trace ? 2 : 1;
  if (!copy) return DuplicateState::fresh;
  trace->doubled = true;
  ++trace->found.copies[from];
  trace->found.routed_copies += cold.ttl[from] != s.ttl;
  return DuplicateState::copy;
}

}  // namespace parallax
