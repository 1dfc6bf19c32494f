#include "daemon/slice/incident.h"

#include <algorithm>
#include <set>
#include <utility>

namespace parallax {
namespace {

template <typename Record, typename Page>
std::optional<Record> record_of(uint64_t id, Page page) {
  if (id == 0) return std::nullopt;
  std::vector<Record> found = page(id - 1, size_t{1});
  if (found.empty() || found.front().id != id) return std::nullopt;
  return std::move(found.front());
}

class IncidentSearch {
 public:
  IncidentSearch(const Engine& engine, size_t connections_max) : engine_(engine), connections_max_(connections_max) {}

  // False: there is no such finding.
  bool add_finding(uint64_t id) {
    findings_seen_.insert(id);
    std::optional<FindingRecord> finding =
        record_of<FindingRecord>(id, [&](uint64_t after, size_t n) { return engine_.findings(after, n); });
    if (!finding || (!incident_.findings.empty() && !joins_incidents(finding->kind))) return finding.has_value();
    if (incident_.findings.size() == kIncidentFindingsMax) {
      incident_.has_findings_beyond = true;
    } else {
      incident_.findings.push_back(std::move(*finding));
    }
    return true;
  }

  Incident take() {
    for (size_t i = 0; i < incident_.findings.size(); ++i) {
      const bool goes_on = joins_incidents(incident_.findings[i].kind);
      // Copied: the list grows meanwhile.
      for (const uint64_t id : std::vector<uint64_t>(incident_.findings[i].connection_ids)) add_connection(id, goes_on);
    }
    // What the client opened instead belongs to it, but not what has happened to that.
    for (const FindingRecord& finding : std::vector<FindingRecord>(incident_.findings)) {
      for (const uint64_t id : finding.related_connection_ids) add_connection(id, false);
    }
    std::sort(incident_.findings.begin(), incident_.findings.end(), [](const auto& x, const auto& y) { return x.id < y.id; });
    incident_.id = incident_.findings.front().id;
    return std::move(incident_);
  }

 private:
  // `goes_on`: with the other findings that tell of it.
  void add_connection(uint64_t id, bool goes_on) {
    if (!connections_seen_.insert(id).second) return;
    if (incident_.connections.size() == connections_max_) {
      ++incident_.connections_beyond;
      return;
    }
    std::optional<ConnectionRecord> connection =
        record_of<ConnectionRecord>(id, [&](uint64_t after, size_t n) { return engine_.connections(after, n); });
    if (!connection) {
      ++incident_.connections_forgotten;
      return;
    }
    if (goes_on) {
      for (const uint64_t finding : connection->finding_ids) {
        if (!findings_seen_.contains(finding)) add_finding(finding);
      }
    }
    incident_.connections.push_back(std::move(*connection));
  }

  const Engine& engine_;
  const size_t connections_max_;
  Incident incident_;
  std::set<uint64_t> findings_seen_, connections_seen_;
};

}  // namespace

bool joins_incidents(FindingKind kind) {
  switch (kind) {
    case FindingKind::low_concurrency:
    case FindingKind::periodic_connections:
    case FindingKind::fan_out:
    case FindingKind::arp_burst:
    case FindingKind::capture_loss:
    case FindingKind::oversize_frames:
    case FindingKind::clock_uncertain:
    case FindingKind::duplicate_capture:
    case FindingKind::ports_swapped:
    case FindingKind::port_silent:
      return false;
    default:
      return true;
  }
}

std::optional<Incident> find_incident(const Engine& engine, uint64_t finding_id, size_t connections_max) {
  IncidentSearch search(engine, connections_max);
  if (!search.add_finding(finding_id)) return std::nullopt;
  return search.take();
}

}  // namespace parallax
