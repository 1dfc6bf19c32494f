#include "daemon/client/status_rates.h"

#include <fmt/format.h>

#include <cmath>

#include "daemon/message/text_table.h"

namespace parallax {
namespace {

class Rate {
 public:
  explicit Rate(double seconds) : seconds_(seconds) {}

  // "1,234"; below ten "2.5". A counter that went back has been corrected, and did not grow.
  std::string count(uint64_t before, uint64_t now) const {
    const double rate = of(before, now);
    return rate > 0 && rate < 9.95 ? fmt::format("{:.1f}", rate) : count_text(static_cast<uint64_t>(std::llround(rate)));
  }
  std::string bytes(uint64_t before, uint64_t now) const {
    return bytes_text(static_cast<uint64_t>(std::llround(of(before, now)))) + "/s";
  }

 private:
  double of(uint64_t before, uint64_t now) const { return now > before ? static_cast<double>(now - before) / seconds_ : 0; }

  const double seconds_;
};

uint64_t findings_of(const v1::Status& status) {
  uint64_t count = 0;
  for (const auto& [kind, of_kind] : status.summary().findings_by_kind()) count += of_kind;
  return count;
}

}  // namespace

bool are_of_one_run(const v1::Status& before, const v1::Status& now) {
  return before.started().seconds() == now.started().seconds() && before.started().nanos() == now.started().nanos() &&
         before.ports_size() == now.ports_size() && now.uptime_seconds() > before.uptime_seconds();
}

std::string rates_text(const v1::Status& before, const v1::Status& now) {
  const double seconds = now.uptime_seconds() - before.uptime_seconds();
  const Rate rate(seconds);
  TextTable table(
      {{fmt::format("A SECOND, OVER {}", duration_text(seconds))}, {"PACKETS", true}, {"BYTES", true}, {"LOST", true}});
  for (int i = 0; i < now.ports_size(); ++i) {
    const v1::PortStatus &then = before.ports(i), &port = now.ports(i);
    table.add({"capture " + port.name(), rate.count(then.packets(), port.packets()), rate.bytes(then.bytes(), port.bytes()),
               rate.count(then.drops(), port.drops())});
  }
  const v1::Summary &then = before.summary(), &summary = now.summary();
  table.add(
      {"analysis", rate.count(then.packets(), summary.packets()), "-", rate.count(then.sensor_loss(), summary.sensor_loss())});
  if (now.has_spool() && !now.spool().directory().empty()) {
    const v1::SpoolStatus &old = before.spool(), &spool = now.spool();
    table.add({"spool", rate.count(old.written_packets(), spool.written_packets()),
               rate.bytes(old.written_bytes(), spool.written_bytes()),
               rate.count(old.dropped_packets(), spool.dropped_packets())});
  }
  std::string text =
      table.text() + fmt::format("{} connections and {} findings a second", rate.count(then.connections(), summary.connections()),
                                 rate.count(findings_of(before), findings_of(now)));
  if (now.spool().pinned().made() + now.spool().pinned().waiting() > 0)
    text += fmt::format(", {} of them pinned", rate.count(before.spool().pinned().made(), now.spool().pinned().made()));
  return text + '\n';
}

}  // namespace parallax
