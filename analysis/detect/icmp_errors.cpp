#include "analysis/detect/icmp_errors.h"

#include <algorithm>
#include <span>
#include <tuple>

#include "analysis/detect/standstills.h"

namespace parallax {
namespace {

constexpr std::string_view kIcmp = "icmp";

// A packet that is too big is sent again and again and never comes; the others may be about a single one.
int weight_of(const IcmpError& error) {
  return error.meaning == IcmpMeaning::too_big ? 2 : error.meaning != IcmpMeaning::other ? 1 : 0;
}

// The same error, as it left the device. (What it quotes may be numbered otherwise there.)
bool is_same_further_on(const IcmpSighting& entered, const IcmpSighting& left, int64_t timeout_ns) {
  const int64_t uncertainty_ns = int64_t{entered.packet.stamp_uncertainty_ns} + left.packet.stamp_uncertainty_ns;
  const int64_t took_ns = left.packet.order_ns - entered.packet.order_ns;
  return entered.packet.from == left.packet.from && entered.error.type == left.error.type &&
         entered.error.code == left.error.code && took_ns >= -uncertainty_ns && took_ns <= timeout_ns;
}

// As which of the others each left, if it did: by IP ID where the device leaves that alone, else those that took least first.
std::vector<const IcmpSighting*> left_as(std::span<const IcmpSighting> entered, std::span<const IcmpSighting> others,
                                         int64_t timeout_ns) {
  struct Candidate {
    bool differs;  // in its ID
    int64_t took_ns;
    size_t entered, other;
    auto order() const { return std::tuple(differs, took_ns, entered, other); }
  };
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < entered.size(); ++i) {
    for (size_t k = 0; k < others.size(); ++k) {
      const PacketFacts &in = entered[i].packet, &out = others[k].packet;
      if (is_same_further_on(entered[i], others[k], timeout_ns))
        candidates.push_back({in.ip_id == 0 || in.ip_id != out.ip_id, out.order_ns - in.order_ns, i, k});
    }
  }
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) { return a.order() < b.order(); });
  const bool keeps_ids = !candidates.empty() && !candidates.front().differs;
  std::vector<const IcmpSighting*> left(entered.size());
  std::vector<bool> taken(others.size());
  for (const Candidate& candidate : candidates) {
    const bool is_another = candidate.differs && keeps_ids && entered[candidate.entered].packet.ip_id != 0;
    if (is_another || left[candidate.entered] != nullptr || taken[candidate.other]) continue;
    left[candidate.entered] = &others[candidate.other];
    taken[candidate.other] = true;
  }
  return left;
}

}  // namespace

const IcmpSighting* icmp_refusal(const LegState& leg) {
  const auto is_of_opening = [&](const PacketFacts& packet) {
    return leg.protocol != ip_protocol::tcp ||
           std::any_of(leg.attempts.begin(), leg.attempts.end(), [&](const PacketFacts& syn) { return syn.seq == packet.seq; });
  };
  const auto found = std::find_if(leg.icmp.begin(), leg.icmp.end(), [&](const IcmpSighting& icmp) {
    return icmp.packet.from == Side::server && icmp.error.refuses() && is_of_opening(icmp.packet);
  });
  return found == leg.icmp.end() ? nullptr : &*found;
}

Outcome failed_outcome(const LegState& leg) {
  if (leg.syn_ack) return Outcome::incomplete;
  return icmp_refusal(leg) != nullptr ? Outcome::refused : Outcome::unanswered;
}

Origin origin_of(const IcmpSighting& refusal, const LegState& leg) {
  return refusal.error.sender == leg.server.address ? Origin::server : Origin::path;
}

Evidence icmp_evidence(const IcmpSighting& icmp) {
  return {.kind = std::string(kIcmp),
          .point = icmp.packet.point,
          .port = icmp.packet.port,
          .frame = icmp.packet.frame,
          .time_ns = icmp.packet.time_ns,
          .detail = text_of(icmp.error) + ", ttl " + std::to_string(icmp.packet.ttl)};
}

bool has_icmp_evidence(const std::vector<Evidence>& evidence) {
  return std::any_of(evidence.begin(), evidence.end(), [](const Evidence& e) { return e.kind == kIcmp; });
}

IcmpTrace trace_icmp(const Connection& c, Side sender, int64_t from_ns, int64_t to_ns) {
  const auto best_of = [&](const LegState& leg) {
    const IcmpSighting* best = nullptr;
    for (const IcmpSighting& icmp : leg.icmp) {
      const PacketFacts& packet = icmp.packet;
      if (packet.from == sender || packet.order_ns < from_ns || packet.order_ns > to_ns) continue;
      if (best == nullptr || weight_of(icmp.error) > weight_of(best->error)) best = &icmp;
    }
    return best;
  };
  IcmpTrace trace;
  for (const LegState& leg : c.legs) {
    const IcmpSighting* icmp = best_of(leg);
    if (icmp == nullptr) continue;
    const int more = trace.icmp == nullptr ? 1 : weight_of(icmp->error) - weight_of(trace.icmp->error);
    if (more > 0 || (more == 0 && comes_before(c, leg, *trace.seen, sender))) trace = {icmp, &leg, nullptr};
  }
  if (trace.icmp == nullptr || is_proxied(c)) return trace;
  for (const LegState& leg : c.legs) {
    if (!comes_before(c, leg, *trace.seen, sender)) continue;
    if (trace.missing == nullptr || comes_before(c, *trace.missing, leg, sender)) trace.missing = &leg;
  }
  return trace;
}

std::vector<IcmpFate> icmp_fates(const Connection& c, const LegState& leg, const DetectorView& view) {
  std::vector<IcmpFate> fates;
  if (c.side_basis == SideBasis::guessed || is_proxied(c) || c.hairpin() != nullptr) return fates;
  for (const Side sender : kSides) {
    IcmpTrace trace{.seen = &leg};
    for (const LegState& next : c.legs) {
      if (!comes_before(c, next, leg, sender) || std::abs(int{next.point} - int{leg.point}) != 1) continue;
      if (trace.missing != nullptr) return fates;  // on several legs: which of them it would leave on is not known
      trace.missing = &next;
    }
    if (trace.missing == nullptr) continue;
    const auto left = left_as(leg.icmp, trace.missing->icmp, view.options.device_timeout_ns);
    for (size_t i = 0; i < leg.icmp.size(); ++i) {
      if (leg.icmp[i].packet.from == sender) continue;
      trace.icmp = &leg.icmp[i];
      fates.push_back({.entered = trace.icmp,
                       .left = left[i],
                       .is_lost = left[i] == nullptr && icmp_absent(c, trace, sender, view).holds(),
                       .direction = c.direction_of(opposite(sender)),
                       .next_leg_id = trace.missing->id.value()});
    }
  }
  return fates;
}

bool may_miss_icmp(const LegState& leg, int64_t until_ns, const DetectorView& view) {
  return view.options.filtered || leg.icmp.size() >= LegState::kIcmpKept || !view.sensor.shows_icmp_errors(leg.point, until_ns);
}

AbsenceProof icmp_absent(const Connection& c, const IcmpTrace& trace, Side sender, const DetectorView& view) {
  const PacketFacts& packet = trace.icmp->packet;
  const PointIndex point = trace.missing->point;
  const Direction back = c.direction_of(opposite(sender));
  const int64_t from_ns = packet.order_ns - packet.stamp_uncertainty_ns, to_ns = packet.order_ns + view.options.device_timeout_ns;
  AbsenceProof proof(view.sensor, point, c.hairpin() != nullptr ? PortDirection::both : port_direction(back));
  proof.unless(may_miss_icmp(*trace.missing, to_ns, view), Doubt::may_be_hidden)
      .unless(view.knowledge.misses(point, back, from_ns, to_ns), Doubt::not_covered)
      .unless(view.stray_icmp_errors.any(point, trace.icmp->error, from_ns, to_ns), Doubt::renamed)
      .unless(c.side_basis == SideBasis::guessed, Doubt::path_unknown)
      .expect(from_ns, to_ns);
  return proof;
}

}  // namespace parallax
