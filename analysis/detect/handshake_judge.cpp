#include "analysis/detect/handshake_judge.h"

#include <algorithm>
#include <cstdio>

namespace parallax {
namespace {

// A SYN is unanswered when its sender should have tried again and has not: RFC 6298 has a first timeout of 1 s and doubles it.
constexpr int64_t kLeastSilenceNs = 3'000'000'000;
constexpr int64_t kRetrySlackNs = 1'000'000'000;

int64_t silence_due_ns(const LegState& leg) {
  const auto& syns = leg.attempts;
  const int64_t gap = syns.size() < 2 ? 0 : syns.back().order_ns - syns[syns.size() - 2].order_ns;
  return syns.back().order_ns + std::max(kLeastSilenceNs, 2 * gap + kRetrySlackNs);
}

Where beyond(PointIndex point) { return {Where::Kind::beyond, point, 0}; }
Where between(PointIndex client_side, PointIndex server_side) { return {Where::Kind::between, client_side, server_side}; }

std::string seconds(int64_t ns) {
  char text[32];
  if (ns < 10'000'000) {
    std::snprintf(text, sizeof text, "%.3f ms", static_cast<double>(ns) / 1e6);
  } else {
    std::snprintf(text, sizeof text, "%.3f s", static_cast<double>(ns) / 1e9);
  }
  return text;
}

// Confidence where the ports tell the direction, and where it was inferred from which points saw the packets.
constexpr double kSure = 0.97, kInferred = 0.85, kRivalled = 0.4;
// Where nothing toward that destination has been seen to cross: the device may have a third side, without a port of ours.
constexpr double kElsewhere = 0.7;

}  // namespace

Evidence present_at(const PacketFacts& packet, std::string detail) {
  return {.kind = "present_at",
          .point = packet.point,
          .port = packet.port,
          .frame = packet.frame,
          .time_ns = packet.time_ns,
          .detail = std::move(detail)};
}
Evidence absent_at(PointIndex point, int64_t time_ns, std::string detail) {
  return {.kind = "absent_at", .point = point, .port = std::nullopt, .frame = 0, .time_ns = time_ns, .detail = std::move(detail)};
}

std::optional<PointIndex> HandshakeJudge::next_point(const Connection& c, PointIndex point) const {
  if (c.client_outer) return point + 1u < points_ ? std::optional<PointIndex>(static_cast<PointIndex>(point + 1)) : std::nullopt;
  return point > 0 ? std::optional<PointIndex>(static_cast<PointIndex>(point - 1)) : std::nullopt;
}

const LegState& HandshakeJudge::deepest(const Connection& c) const {
  const LegState* best = &c.client_leg();
  for (const LegState& leg : c.legs) {
    if (leg.has_syn() && (c.client_outer ? leg.point > best->point : leg.point < best->point)) best = &leg;
  }
  return *best;
}

bool HandshakeJudge::would_have_seen(const Connection& c, const LegState& leg, size_t count, PointIndex point,
                                     int64_t until_ns) const {
  if (hidden_(leg.point, point)) return false;
  const auto last = leg.attempts.begin() + static_cast<std::ptrdiff_t>(std::min(count, leg.attempts.size()));
  return std::all_of(leg.attempts.begin(), last, [&](const PacketFacts& syn) {
    const int64_t to = std::min(syn.order_ns + device_timeout_ns_, until_ns);
    return sensor_.covers(point, toward_server(c), syn.order_ns - syn.stamp_uncertainty_ns, to);
  });
}

int64_t HandshakeJudge::due_ns(const Connection& c) const {
  const LegState& a = c.client_leg();
  if (c.evicted || !a.has_syn()) return kAfterAllNs;
  if (a.established) {
    const bool worth_it = (a.attempt_count > 1 || a.refusal_count > 0) && !c.judged_established;
    return worth_it ? a.established->order_ns + device_timeout_ns_ : kAfterAllNs;
  }
  if (c.judged_failed || a.reset) return kAfterAllNs;
  if (a.refused) return a.refused->order_ns + device_timeout_ns_;
  if (a.syn_ack) return kAfterAllNs;  // answered: what is missing is the client's
  return silence_due_ns(a);
}

std::vector<Observation> HandshakeJudge::judge(Connection& c, int64_t now_ns, bool input_ended) {
  const LegState& a = c.client_leg();
  if (c.evicted || !a.has_syn()) return {};
  if (a.established) {
    if (c.judged_established) return {};
    c.judged_established = true;
    std::vector<Observation> found;
    // A RST for the very attempt that was then accepted refused nothing: somebody else sent it.
    if (a.refusal && !a.refused && !c.judged_failed) found = refused(c);
    if (a.attempt_count > 1) {
      auto more = retried(c);
      found.insert(found.end(), more.begin(), more.end());
    }
    return found;
  }
  if (c.judged_failed || a.reset) return {};
  if (a.refused) {
    c.judged_failed = true;
    return refused(c);
  }
  if (a.syn_ack) return {};
  // A capture that ends early shows silence only if the sender itself has given up once, or was waited for long enough.
  if (input_ended && now_ns < silence_due_ns(a) && a.attempt_count < 2 && now_ns < a.attempts.front().order_ns + kLeastSilenceNs)
    return {};
  c.judged_failed = true;
  return unanswered(c, now_ns);
}

Observation HandshakeJudge::observation(const Connection& c, FindingKind kind) const {
  const LegState& a = c.client_leg();
  Observation o;
  o.kind = kind;
  o.service = a.server;
  o.connection_id = c.id;
  o.direction = FindingDirection::client_to_server;
  o.first_ns = a.attempts.front().time_ns;
  o.last_ns = a.attempts.back().time_ns;
  o.attempts = a.attempt_count;
  o.confidence = c.client_side_known ? kSure : kInferred;
  return o;
}

std::vector<Observation> HandshakeJudge::without_blame(Observation o, PointIndex point) {
  ++withheld_;
  o.where = {};
  o.origin = Origin::unknown;
  o.confidence = kRivalled;
  o.remark =
      "The sensor does not cover the far side for that time, was losing packets there, or a filter hides it, so that nobody is "
      "accused.";
  o.evidence.push_back({.kind = "timing",
                        .point = point,
                        .port = std::nullopt,
                        .frame = 0,
                        .time_ns = o.last_ns,
                        .detail = "not covered, filtered, or the sensor was losing packets here"});
  return {o};
}

void HandshakeJudge::doubt_destination(Observation& o, const LegState& leg) const {
  if (crossed_(leg.point, leg.server.address)) return;
  if (o.where.kind != Where::Kind::unknown) o.confidence *= kElsewhere;
  o.remark =
      "No connection to that address has been seen to cross, so that it may lie on a side of the device that is not watched.";
}

void HandshakeJudge::add_ttl_evidence(Observation& o, const PacketFacts& rst, const Endpoint& server) const {
  const uint8_t usual = server_(rst.point, server).ttl;
  if (usual == 0 || usual == rst.ttl) return;
  o.evidence.push_back(
      {.kind = "ttl",
       .point = rst.point,
       .port = rst.port,
       .frame = rst.frame,
       .time_ns = rst.time_ns,
       .detail = "ttl " + std::to_string(rst.ttl) + ", while the server's packets arrive here with " + std::to_string(usual)});
}

std::vector<Observation> HandshakeJudge::unanswered(const Connection& c, int64_t now_ns) {
  const LegState& a = c.client_leg();
  const LegState& d = deepest(c);
  Observation o = observation(c, FindingKind::syn_unanswered);
  o.evidence.push_back(
      present_at(a.attempts.front(),
                 (a.attempt_count == 1 ? std::string("the only SYN") : "first of " + std::to_string(a.attempt_count) + " SYNs") +
                     ", ttl " + std::to_string(a.attempts.front().ttl)));
  const PacketFacts& first = a.attempts.front();

  if (&d != &a && (d.syn_ack || d.refused)) {
    if (!d.syn_ack) return {};  // the refusal was swallowed: reset_not_forwarded says so, with the packet
    // The answer entered the device from the server's side. Between which two points did it end?
    const PacketFacts& answer = *d.syn_ack;
    const PointIndex before = static_cast<PointIndex>(c.client_outer ? d.point - 1 : d.point + 1);
    if (!sensor_.covers(before, toward_client(c), answer.order_ns - answer.stamp_uncertainty_ns,
                         std::min(now_ns, answer.order_ns + device_timeout_ns_))) {
      ++withheld_;
      return {};
    }
    o.where = between(before, d.point);
    o.origin = Origin::device;
    o.direction = FindingDirection::server_to_client;
    o.evidence.push_back(present_at(answer, "SYN-ACK of the server"));
    o.evidence.push_back(absent_at(before, answer.time_ns, "SYN-ACK not seen within " + seconds(device_timeout_ns_)));
    return {o};
  }

  // The answer may have come and have been missed by the sensor, whatever became of the SYN.
  if (!sensor_.covers(a.point, toward_client(c), first.order_ns, std::min(now_ns, a.attempts.back().order_ns + kRetrySlackNs))) {
    ++withheld_;
    return {};
  }
  const auto next = next_point(c, d.point);
  if (!next) {
    if (!sensor_.covers(d.point, toward_client(c), first.order_ns,
                         std::min(now_ns, d.attempts.back().order_ns + kRetrySlackNs))) {
      ++withheld_;
      return {};
    }
    o.where = beyond(d.point);
    if (&d != &a)
      o.evidence.push_back(present_at(
          d.attempts.front(), "SYN leaves the last point toward the server, ttl " + std::to_string(d.attempts.front().ttl)));
    if (const uint64_t others = server_(d.point, d.server).answered; others > 0) {
      o.remark = "The port answered " + std::to_string(others) + " other" + (others == 1 ? "" : "s") +
                 ": silence instead of a RST points to a filter on the server's host or beyond.";
    }
    return {o};
  }
  if (!would_have_seen(c, d, d.attempts.size(), *next, now_ns)) return without_blame(o, *next);
  const PacketFacts& last = d.attempts.back();
  if (has_rival_(c, *next, d.attempts.front().order_ns - d.attempts.front().stamp_uncertainty_ns,
                 last.order_ns + device_timeout_ns_)) {
    o.where = {};
    o.confidence = kRivalled;
    o.remark = "An unpaired opening on the far side may be its continuation, so that nobody is accused.";
    return {o};
  }
  o.where = between(d.point, *next);
  o.origin = Origin::device;
  o.evidence.push_back(
      absent_at(*next, last.time_ns, "no SYN of this connection within " + seconds(device_timeout_ns_) + " of any attempt"));
  doubt_destination(o, d);
  return {o};
}

std::vector<Observation> HandshakeJudge::refused(const Connection& c) {
  const LegState& a = c.client_leg();
  const LegState& d = deepest(c);
  if (!a.refusal) return {};
  const PacketFacts& rst = *a.refusal;
  Observation o = observation(c, FindingKind::syn_refused);
  o.attempts = std::max<uint64_t>(1, a.refusal_count);
  o.last_ns = rst.time_ns;
  o.evidence.push_back(present_at(rst, "RST to the client " + seconds(rst.time_ns - a.attempts.back().time_ns) +
                                           " after its SYN, ttl " + std::to_string(rst.ttl)));

  if (d.refusal) {
    const auto next = next_point(c, d.point);
    if (!next) {
      o.where = beyond(d.point);
      o.origin = Origin::server;
      if (&d != &a)
        o.evidence.push_back(
            present_at(*d.refusal, "the same refusal comes from the server's side, ttl " + std::to_string(d.refused->ttl)));
      return {o};
    }
    if (!would_have_seen(c, d, d.attempts.size(), *next, rst.order_ns)) return without_blame(o, *next);
    const int64_t from = d.attempts.front().order_ns - d.attempts.front().stamp_uncertainty_ns;
    if (has_rival_(c, *next, from, rst.order_ns)) {
      o.confidence = kRivalled;
      o.remark = "An unpaired opening on the far side may be its continuation, so that nobody is accused.";
      return {o};
    }
    o.where = between(d.point, *next);
    o.origin = Origin::device;
    o.evidence.push_back(absent_at(*next, d.attempts.back().time_ns, "no SYN of this connection before the RST"));
    if (!c.client_side_known && !crossed_(d.point, d.server.address)) {
      // Neither the ports nor other connections tell that the server is beyond the device: any host on this side may have
      // answered.
      o.where = {};
      o.origin = Origin::unknown;
      o.confidence = kRivalled;
    }
    doubt_destination(o, d);
    add_ttl_evidence(o, rst, a.server);
    return {o};
  }
  // The SYN went further than the RST came from.
  const PointIndex before = static_cast<PointIndex>(c.client_outer ? d.point - 1 : d.point + 1);
  const PacketFacts& syn = d.attempts.back();
  if (!sensor_.covers(d.point, toward_client(c), syn.order_ns - syn.stamp_uncertainty_ns,
                       std::max(rst.order_ns, syn.order_ns))) {
    ++withheld_;
    return {};
  }
  o.where = between(before, d.point);
  o.origin = Origin::device;
  o.evidence.push_back(present_at(syn, "the SYN was forwarded"));
  o.evidence.push_back(absent_at(d.point, rst.time_ns, "no RST from the server"));
  add_ttl_evidence(o, rst, a.server);
  return {o};
}

std::vector<Observation> HandshakeJudge::retried(const Connection& c) {
  const LegState& a = c.client_leg();
  const LegState& d = deepest(c);
  Observation o = observation(c, FindingKind::syn_retried);
  o.time_lost_seconds = static_cast<double>(a.attempts.back().order_ns - a.attempts.front().order_ns) / 1e9;
  o.evidence.push_back(present_at(a.attempts.front(), "first SYN of " + std::to_string(a.attempt_count)));
  o.evidence.push_back(
      present_at(a.attempts.back(),
                 "the SYN that was accepted, " + seconds(a.attempts.back().time_ns - a.attempts.front().time_ns) + " later"));

  if (&d == &a) {
    if (!next_point(c, a.point)) o.where = beyond(a.point);
    return {o};  // the far side is not known: nobody is accused
  }
  const PointIndex near = static_cast<PointIndex>(c.client_outer ? d.point - 1 : d.point + 1);
  uint32_t arrived = 0;
  for (const LegState& leg : c.legs) {
    if (leg.point == d.point) arrived += leg.attempt_count;
  }
  if (arrived < a.attempt_count) {
    if (a.refusal_count > 0 || !would_have_seen(c, a, a.attempt_count - arrived, d.point, a.attempts.back().order_ns)) {
      ++withheld_;
      return {o};
    }
    o.where = between(near, d.point);
    o.origin = Origin::device;
    o.evidence.push_back(absent_at(d.point, a.attempts.front().time_ns,
                                   std::to_string(a.attempt_count - arrived) + " of " + std::to_string(a.attempt_count) +
                                       " SYNs not seen within " + seconds(device_timeout_ns_)));
    return {o};
  }
  // All SYNs arrived. Did the answer to an earlier one?
  if (d.syn_ack && a.syn_ack && d.syn_ack->order_ns + device_timeout_ns_ / 2 < a.syn_ack->order_ns &&
      sensor_.covers(near, toward_client(c), d.syn_ack->order_ns - d.syn_ack->stamp_uncertainty_ns,
                      d.syn_ack->order_ns + device_timeout_ns_ / 2)) {
    o.where = between(near, d.point);
    o.origin = Origin::device;
    o.direction = FindingDirection::server_to_client;
    o.evidence.push_back(present_at(*d.syn_ack, "SYN-ACK to an earlier SYN"));
    o.evidence.push_back(absent_at(near, d.syn_ack->time_ns, "it did not come through"));
    return {o};
  }
  o.where = beyond(d.point);
  if (a.refusal_count > 0 && d.refusal_count > 0) o.origin = Origin::server;
  return {o};
}

}  // namespace parallax
