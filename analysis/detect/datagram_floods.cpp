#include "analysis/detect/datagram_floods.h"

#include <algorithm>
#include <utility>

namespace parallax {

void DatagramFloods::tell(Sum& sum, const Series& series, Observation form, const Flood& flood, std::vector<Observation>& out) {
  const double seconds = static_cast<double>(std::max<int64_t>(series.last_ns - series.first_ns, 1)) * 1e-9;
  const double rate = static_cast<double>(sum.total) / seconds;
  if (sum.untold == 0 || sum.total < flood.least || rate < flood.per_second) return;
  form.kind = flood.kind;
  form.count = std::exchange(sum.untold, 0);
  form.first_ns = series.first_ns;
  form.last_ns = series.last_ns;
  form.rate_per_second = rate;
  out.push_back(std::move(form));
}

void DatagramFloods::take(Observation sent, const Count& count, const Thresholds& thresholds, std::vector<Observation>& out) {
  Series& series = pairs_.use({sent.source.address, sent.service.address});
  if (sent.first_ns > series.last_ns + kQuietNs)
    series = Series{.first_ns = sent.first_ns, .last_ns = sent.last_ns, .datagrams = {}, .fragments = {}, .is_flood = false};
  series.first_ns = std::min(series.first_ns, sent.first_ns);
  series.last_ns = std::max(series.last_ns, sent.last_ns);
  for (const auto& [sum, more] : {std::pair{&series.datagrams, count.datagrams}, std::pair{&series.fragments, count.fragments}}) {
    sum->total += more;
    sum->untold += more;
  }
  const Thresholds& t = thresholds;
  const size_t told_before = out.size();
  tell(series.datagrams, series, sent, {FindingKind::datagram_flood, t.datagram_flood_datagrams, t.datagram_flood_per_second},
       out);
  series.is_flood |= out.size() > told_before;
  if (series.is_flood) sent.severity = Severity::info;
  tell(series.fragments, series, sent, {FindingKind::fragment_flood, t.fragment_flood_fragments, t.fragment_flood_per_second},
       out);
}

}  // namespace parallax
