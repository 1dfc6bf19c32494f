#include "analysis/detect/source_drops.h"

#include <algorithm>
#include <cstdlib>

#include "analysis/model/text.h"

namespace parallax {
namespace {

constexpr double kConfidence = 0.85;

bool is_dropped_syn(const Observation& o) {
  return (o.kind == FindingKind::syn_unanswered || o.kind == FindingKind::syn_retried) && o.origin == Origin::device &&
         o.where.kind == Where::Kind::between && o.direction == FindingDirection::client_to_server && o.doubt == Doubt::none;
}

}  // namespace

uint64_t SourceDrops::key_of(const Endpoint& service, const Where& across) {
  return KeyedHash().add(service).add(uint64_t{across.first} << 8 | across.second).value();
}
uint64_t SourceDrops::key_of(const Address& source, const Endpoint& service, const Where& across) {
  return KeyedHash().add(source).add(key_of(service, across)).value();
}

SourceDrops::Count& SourceDrops::of(Counts& counts, uint64_t key, int64_t at_ns) {
  Count& count = counts.use(key);
  count.begin_anew(at_ns);
  return count;
}

void SourceDrops::passed(const Address& source, const Endpoint& service, const Where& across, int64_t at_ns) {
  if (across.kind != Where::Kind::between) return;
  ++of(sources_, key_of(source, service, across), at_ns).passed;
  ++of(services_, key_of(service, across), at_ns).passed;
}

bool SourceDrops::take(Observation& o, const Thresholds& thresholds) {
  if (!is_dropped_syn(o)) return false;
  Count& own = of(sources_, key_of(o.source.address, o.service, o.where), o.first_ns);
  Count& all = of(services_, key_of(o.service, o.where), o.first_ns);
  ++own.dropped;
  ++all.dropped;
  const bool goes_on = own.told_ns != 0 && o.first_ns <= own.told_ns + kWithinNs;
  const uint32_t others = all.passed - std::min(all.passed, own.passed);
  const uint32_t others_dropped = all.dropped - std::min(all.dropped, own.dropped);
  // So many of the others' would have been dropped, were they treated as the source is.
  const double as_own = static_cast<double>(own.dropped) / (own.dropped + own.passed) * (others + others_dropped);
  const bool is_chance = as_own < kLeastAsOwn || as_own < others_dropped * kTimesOthers;
  const bool is_throttled = own.dropped >= thresholds.source_throttled_dropped &&
                            own.passed >= thresholds.source_throttled_passed && own.dropped * kLossShare > own.passed &&
                            others >= kOthersLeast && others_dropped * kLossShare <= others && !is_chance;
  if (!goes_on && !is_throttled) return false;
  begun_ += !goes_on;
  own.told_ns = std::max(own.told_ns, o.first_ns);
  if (!goes_on) own.others = others, own.others_dropped = others_dropped, own.let_pass = own.passed;
  return explain(o);
}

bool SourceDrops::explain(Observation& o) const {
  const Count* own = is_dropped_syn(o) ? sources_.find(key_of(o.source.address, o.service, o.where)) : nullptr;
  if (own == nullptr || own->told_ns == 0 || std::abs(o.first_ns - own->told_ns) > kWithinNs) return false;
  o.kind = FindingKind::source_throttled;
  o.is_of_source = true;
  o.severity.reset();
  o.confidence = std::min(o.confidence, kConfidence);
  o.remark = "Meanwhile " + std::to_string(own->let_pass) + " of its connections and " + std::to_string(own->others) +
             " of others passed" + (own->others_dropped == 0 ? ", and nobody else's was dropped." : ".");
  return true;
}

}  // namespace parallax
