#include "tests/support/simulator_check.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <tuple>

namespace parallax::test {
namespace {

using Ends = std::pair<Endpoint, Endpoint>;

bool accuses_the_device(const FindingRecord& finding) {
  return finding.origin == Origin::device || (finding.where.kind == Where::Kind::between && finding.origin != Origin::sensor);
}

// Whether the device did what a finding of this kind says of it.
bool guilty_of(const TruthOfConnection& truth, FindingKind kind) {
  // Which of the handshake's kinds it looks like may depend on a packet that the sensor lost: what counts is that the device did
  // it.
  switch (kind) {
    case FindingKind::syn_unanswered:
      return truth.syns_dropped + truth.syns_refused > 0;
    case FindingKind::syn_retried:
      return truth.syns_dropped > 0;
    case FindingKind::syn_refused:
    case FindingKind::reset_by_device:
      return truth.syns_refused + truth.resets_injected > 0;
    case FindingKind::segment_loss:
      return truth.data_dropped[0] + truth.data_dropped[1] > 0;
    case FindingKind::reset_not_forwarded:
      return truth.resets_swallowed > 0;
    default:
      return false;
  }
}

bool tells_of(FindingKind kind, Fault fault) {
  switch (fault) {
    case Fault::syn_dropped:
      return kind == FindingKind::syn_unanswered || kind == FindingKind::syn_retried;
    case Fault::refused_by_device:
      return kind == FindingKind::syn_refused || kind == FindingKind::reset_by_device;
    case Fault::data_dropped:
      return kind == FindingKind::segment_loss;
    case Fault::reset_swallowed:
      return kind == FindingKind::reset_not_forwarded;
    case Fault::reset_injected:
      return kind == FindingKind::reset_by_device;
    default:
      return false;
  }
}

}  // namespace

Verdict judge(const Simulation& simulation, const PipelineOutput& output) {
  Verdict verdict;
  const auto& path = simulation.input.options.path;
  std::map<Ends, const TruthOfConnection*> near, far;
  for (const TruthOfConnection& truth : simulation.truth) {
    near[{truth.client, truth.server}] = &truth;
    far[{truth.far_client, truth.far_server}] = &truth;
  }

  std::map<uint64_t, const TruthOfConnection*> by_id;
  std::map<const TruthOfConnection*, const ConnectionRecord*> paired;
  for (const ConnectionRecord& connection : output.connections) {
    auto found = near.find({connection.client, connection.server});
    if (found == near.end()) found = far.find({connection.client, connection.server});
    // Met in midstream, the engine may take the server for the client.
    if (found == near.end() || found == far.end()) found = near.find({connection.server, connection.client});
    const TruthOfConnection* truth = found == near.end() ? nullptr : found->second;
    by_id[connection.id] = truth;
    std::set<PointIndex> points;
    for (const LegRecord& leg : connection.legs) {
      points.insert(leg.point);
      const TruthOfConnection* of_leg = nullptr;
      for (const auto& ends : {Ends{leg.client, leg.server}, Ends{leg.server, leg.client}}) {
        for (const auto* index : {&near, &far}) {
          if (const auto it = index->find(ends); it != index->end() && of_leg == nullptr) of_leg = it->second;
        }
      }
      if (of_leg != nullptr && truth != nullptr && of_leg != truth) verdict.wrong_pairings.push_back(describe(connection, path));
    }
    if (points.size() == 2 && truth != nullptr) paired[truth] = &connection;
    for (const CrossingRecord& crossing : connection.crossings) {
      for (size_t direction : {0, 1}) {
        const uint64_t really = truth == nullptr ? 0 : truth->data_dropped[direction];
        verdict.segments_told += std::min(crossing.lost[direction], really);
        if (crossing.lost[direction] > really) {
          verdict.false_accusations.push_back(fmt::format("lost[{}] {} but the device dropped {}: {}", direction,
                                                          crossing.lost[direction], really, describe(connection, path)));
        }
      }
    }
  }

  std::map<const TruthOfConnection*, std::set<FindingKind>> told;
  for (const FindingRecord& finding : output.findings) {
    if (!accuses_the_device(finding)) {
      // The other way round: a server blamed for a RST that the device made.
      for (const uint64_t id : finding.connection_ids) {
        const TruthOfConnection* truth = by_id[id];
        if (finding.kind == FindingKind::syn_refused && finding.origin == Origin::server && truth != nullptr &&
            truth->fault != Fault::refused_by_server) {
          verdict.false_accusations.push_back("the server is blamed: " + describe(finding, path));
        }
      }
      continue;
    }
    if (finding.connection_ids.empty()) verdict.false_accusations.push_back("of no connection: " + describe(finding, path));
    for (const uint64_t id : finding.connection_ids) {
      const TruthOfConnection* truth = by_id[id];
      if (truth == nullptr || !guilty_of(*truth, finding.kind)) {
        const std::string what = truth == nullptr ? "nothing known of it"
                                                  : fmt::format("fault {} {} > {}", name_of(truth->fault),
                                                                to_string(truth->client), to_string(truth->server));
        verdict.false_accusations.push_back(fmt::format("connection {}, in truth: {}: {}", id, what, describe(finding, path)));
      } else {
        told[truth].insert(finding.kind);
      }
    }
  }

  for (const TruthOfConnection& truth : simulation.truth) {
    const std::string name =
        fmt::format("{} > {} fault {}", to_string(truth.client), to_string(truth.server), name_of(truth.fault));
    verdict.segments_dropped += truth.data_dropped[0] + truth.data_dropped[1];
    if (!truth.clean()) {
      ++verdict.faults;
      bool has = false;
      for (const FindingKind kind : told[&truth]) has |= tells_of(kind, truth.fault);
      verdict.faults_told += has;
      if (!has) verdict.missed.push_back("no finding: " + name);
    }
    if (truth.crossed > 0) {
      ++verdict.crossing;
      verdict.paired += paired.contains(&truth);
      if (!paired.contains(&truth)) verdict.missed.push_back("not paired: " + name);
    }
  }
  return verdict;
}

}  // namespace parallax::test
