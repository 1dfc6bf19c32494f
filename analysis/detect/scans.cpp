#include "analysis/detect/scans.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace parallax {

bool is_of_failed_opening(FindingKind kind) { return kind == FindingKind::syn_refused || kind == FindingKind::syn_unanswered; }

std::vector<Connection*> Scans::take(std::vector<Verdicts::Try>& tried, const Thresholds& thresholds,
                                     std::vector<Observation>& told) {
  std::vector<Connection*> noted;
  const auto add = [&](uint64_t leg_id, ScanBy by) {
    if (Connection* connection = note(leg_id, by)) noted.push_back(connection);
  };
  if (tried.empty()) return noted;
  for (Verdicts::Try& one : tried) take(std::move(one), thresholds, told);
  for (const uint64_t leg_id : source_tries_.take_passed_legs()) add(leg_id, ScanBy::one_source);
  std::erase_if(told, [&](const Observation& o) {
    if (o.kind != FindingKind::fan_out || o.leg_id == 0) return false;
    if (!o.is_of_place && !source_tries_.is_scan(o.source.address)) return false;
    const Connection* connection = store_.connection_of(o.leg_id);
    if (o.is_of_place && (connection == nullptr || connection->scan != ScanBy::nobody)) return true;
    add(o.leg_id, o.is_of_place ? ScanBy::many_sources : ScanBy::one_source);
    return false;
  });
  return noted;
}

// Its source's scan, or one of many sources'.
void Scans::take(Verdicts::Try tried, const Thresholds& thresholds, std::vector<Observation>& told) {
  const Address source = tried.observation.source.address;
  std::optional<Observation> background;
  if (tried.end == SourceTries::End::syn_in_vain) {
    closed_ports_.count(source, tried.observation.service, tried.observation.first_ns);
    if (closed_ports_.may_be_background(source, tried.observation.service)) background = tried.observation;
  }
  const size_t told_before = told.size();
  if (tried.is_own_name) source_tries_.take(std::move(tried.observation), tried.end, thresholds, told);
  if (background && told.size() == told_before) closed_ports_.take(std::move(*background), told);
}

// Null: the connection is gone.
Connection* Scans::note(uint64_t leg_id, ScanBy by) {
  Connection* connection = store_.connection_of(leg_id);
  if (connection != nullptr) connection->scan = by;
  return connection;
}

bool Scans::tells(const Observation& o) const {
  const bool is_failure = is_of_failed_opening(o.kind);
  if (!is_failure && !o.is_of_place) return false;
  const Connection* connection = store_.find(o.connection_id);
  bool is_scan = connection != nullptr && connection->scan != ScanBy::nobody;
  if (is_scan) {
    const LegState& a = connection->client_leg();
    is_scan = knowledge_.answers_of(a.point, a.server) == 0 &&
              (connection->scan == ScanBy::one_source || closed_ports_.may_be_background(a.client.address, a.server));
  }
  return is_failure == is_scan;
}

}  // namespace parallax
