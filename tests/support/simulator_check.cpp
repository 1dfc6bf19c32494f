#include "tests/support/simulator_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

namespace parallax::test {
namespace {

using Ends = TruthOfConnection::Ends;

bool accuses_the_device(const FindingRecord& finding) {
  return finding.origin == Origin::device || (finding.where.kind == Where::Kind::between && finding.origin != Origin::sensor);
}

// Whether the device did what a finding of this kind says of it, where it says so.
bool guilty_of(const TruthOfConnection& truth, const FindingRecord& finding) {
  const auto [outer, inner] = std::minmax(finding.where.first, finding.where.second);
  if (finding.kind == FindingKind::reordered_by_device) return truth.held_back[outer] > 0;  // any device does it
  // A point between the two that was not covered may have left open which of two devices it was.
  if (finding.where.kind != Where::Kind::between || truth.faulty_device < outer || truth.faulty_device >= inner) return false;
  // Which of the handshake's kinds it looks like may depend on a packet that the sensor lost: what counts is that the device did
  // it.
  switch (finding.kind) {
    case FindingKind::syn_unanswered:
      return truth.syns_dropped + truth.syns_refused > 0;
    case FindingKind::syn_retried:
      return truth.syns_dropped > 0;
    case FindingKind::syn_refused:
    case FindingKind::reset_by_device:
      return truth.syns_refused + truth.resets_injected > 0;
    case FindingKind::segment_loss:
      return truth.data_dropped[Side::client] + truth.data_dropped[Side::server] > 0;
    case FindingKind::control_segment_loss:
      return truth.control_dropped > 0;
    case FindingKind::stalled_connection:  // what the losses there have led to
      return truth.data_dropped[Side::client] + truth.data_dropped[Side::server] + truth.control_dropped > 0;
    case FindingKind::translation_missed:
      return truth.untranslated > 0;
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
    case Fault::control_dropped:
      return kind == FindingKind::control_segment_loss;
    case Fault::untranslated:
      return kind == FindingKind::translation_missed;
    case Fault::reset_not_forwarded:
      return kind == FindingKind::reset_not_forwarded;
    case Fault::reset_injected:
      return kind == FindingKind::reset_by_device;
    default:
      return false;
  }
}

// Whose connection bears these names then, at whatever point.
class Names {
 public:
  explicit Names(const std::vector<TruthOfConnection>& truths) {
    for (const TruthOfConnection& truth : truths) {
      for (const Ends& ends : truth.ends) by_ends_[ends][truth.opened_ns] = &truth;
    }
  }
  // Null: nobody's.
  const TruthOfConnection* find(const Endpoint& client, const Endpoint& server, int64_t seen_ns) const {
    // Met in midstream, the engine may take the server for the client.
    for (const Ends& ends : {Ends{client, server}, Ends{server, client}}) {
      const auto found = by_ends_.find(ends);
      if (found == by_ends_.end()) continue;
      const auto next = found->second.upper_bound(seen_ns - kSimulatorEpochNs + kClocksApartNs);
      if (next != found->second.begin()) return std::prev(next)->second;
    }
    return nullptr;
  }

 private:
  // One clock is behind by 4 s, was set back by 3 more, and was corrected by the 4 s of its neighbour, against which nothing
  // compares it; the next bearer comes later.
  static constexpr int64_t kClocksApartNs = 11'500'000'000;

  std::map<Ends, std::map<int64_t, const TruthOfConnection*>> by_ends_;
};

std::string text_of(const TruthOfConnection* truth) {
  if (truth == nullptr) return "nothing known of it";
  const auto& [client, server] = truth->as_client_sees();
  return fmt::format("{} > {} fault {} at device {}", to_string(client), to_string(server), name_of(truth->fault),
                     truth->faulty_device);
}

// Sums the check over connections and findings.
class Judge {
 public:
  Judge(const Simulation& simulation, const PipelineOutput& output)
      : simulation_(simulation), output_(output), path_(simulation.input.options.path), names_(simulation.truth) {}

  Verdict judge() {
    for (const ConnectionRecord& connection : output_.connections) check(connection);
    for (const FindingRecord& finding : output_.findings) check(finding);
    for (const TruthOfConnection& truth : simulation_.truth) check(truth);
    return std::move(verdict_);
  }

 private:
  void check(const ConnectionRecord& connection) {
    const TruthOfConnection* truth = names_.find(connection.client, connection.server, first_seen_ns(connection));
    by_id_[connection.id] = truth;
    const bool is_likely = std::any_of(connection.crossings.begin(), connection.crossings.end(), [](const CrossingRecord& x) {
      return x.method == PairingMethod::payload || x.method == PairingMethod::timing;
    });
    verdict_.likely += is_likely;
    bool is_wrong = false;
    std::set<PointIndex> points;
    for (const LegRecord& leg : connection.legs) {
      points.insert(leg.point);
      const TruthOfConnection* of_leg = names_.find(leg.client, leg.server, leg.first_seen_ns);
      is_wrong |= of_leg != nullptr && truth != nullptr && of_leg != truth;
    }
    if (is_wrong) (is_likely ? verdict_.wrong_likely : verdict_.wrong_pairings).push_back(describe(connection, path_));
    if (truth == nullptr) return;
    if (points.size() > 1) paired_.insert(truth);
    for (const CrossingRecord& crossing : connection.crossings) {
      for (const Side from : kSides) check_lost(connection, crossing, *truth, from);
    }
  }

  static int64_t first_seen_ns(const ConnectionRecord& connection) {
    int64_t first_ns = kTimeMax;
    for (const LegRecord& leg : connection.legs) first_ns = std::min(first_ns, leg.first_seen_ns);
    return first_ns;
  }

  void check_lost(const ConnectionRecord& connection, const CrossingRecord& crossing, const TruthOfConnection& truth, Side from) {
    const bool guilty = std::min(crossing.client_side, crossing.server_side) == truth.faulty_device;
    const uint64_t dropped = guilty ? truth.data_dropped[from] : 0, lost = crossing.lost[from];
    // What was not translated has left, but not as what it was.
    if (lost > dropped + (guilty ? truth.untranslated : 0)) {
      verdict_.false_accusations.push_back(fmt::format("lost from the {} {} but the device dropped {}: {}",
                                                       from == Side::client ? "client" : "server", lost, dropped,
                                                       describe(connection, path_)));
    }
    verdict_.segments_told += std::min(lost, guilty ? truth.data_drops_decidable[from] : 0);
  }

  void check(const FindingRecord& finding) {
    const bool accused = accuses_the_device(finding);
    if (finding.kind == FindingKind::reordered_by_device) check_reordered(finding);
    if (accused && finding.connection_ids.empty())
      verdict_.false_accusations.push_back("of no connection: " + describe(finding, path_));
    for (const uint64_t id : finding.connection_ids) {
      const TruthOfConnection* truth = by_id_[id];
      if (accused && truth != nullptr && guilty_of(*truth, finding)) {
        told_[truth].insert(finding.kind);
      } else if (accused) {
        verdict_.false_accusations.push_back(
            fmt::format("connection {}, in truth: {}: {}", id, text_of(truth), describe(finding, path_)));
      } else if (finding.kind == FindingKind::syn_refused && finding.origin == Origin::server && truth != nullptr &&
                 truth->fault != Fault::refused_by_server) {
        // The other way round: a server blamed for a RST that the device made.
        verdict_.false_accusations.push_back("the server is blamed: " + describe(finding, path_));
      }
    }
  }

  // At most those that were held back, over all its connections, each for one that it has let pass.
  void check_reordered(const FindingRecord& finding) {
    const PointIndex outer = std::min(finding.where.first, finding.where.second);
    uint64_t held_back = 0;
    for (const uint64_t id : finding.connection_ids) held_back += by_id_[id] ? by_id_[id]->held_back[outer] : 0;
    if (finding.count > held_back)
      verdict_.false_accusations.push_back(fmt::format("held back {}: {}", held_back, describe(finding, path_)));
  }

  void check(const TruthOfConnection& truth) {
    verdict_.segments_decidable += truth.data_drops_decidable[Side::client] + truth.data_drops_decidable[Side::server];
    Verdict::Told& told = verdict_.by_fault[static_cast<size_t>(truth.fault)];
    told.happened += !truth.clean();
    if (truth.decidable) {
      bool has = false;
      for (const FindingKind kind : told_[&truth]) has |= tells_of(kind, truth.fault);
      ++told.decidable;
      told.told += has;
      if (!has) verdict_.missed.push_back("no finding: " + text_of(&truth));
    }
    if (truth.pairable) {
      ++verdict_.pairable;
      verdict_.paired += paired_.contains(&truth);
      if (!paired_.contains(&truth)) verdict_.missed.push_back("not paired: " + text_of(&truth));
    }
  }

  const Simulation& simulation_;
  const PipelineOutput& output_;
  const std::vector<std::string>& path_;
  const Names names_;
  Verdict verdict_;
  std::map<uint64_t, const TruthOfConnection*> by_id_;
  std::set<const TruthOfConnection*> paired_;
  std::map<const TruthOfConnection*, std::set<FindingKind>> told_;
};

}  // namespace

Verdict judge(const Simulation& simulation, const PipelineOutput& output) { return Judge(simulation, output).judge(); }

Verdict& Verdict::operator+=(const Verdict& more) {
  const auto append = [](std::vector<std::string>& to, const std::vector<std::string>& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  append(false_accusations, more.false_accusations);
  append(wrong_pairings, more.wrong_pairings);
  append(wrong_likely, more.wrong_likely);
  likely += more.likely;
  append(missed, more.missed);
  for (size_t fault = 0; fault < kFaults; ++fault) {
    by_fault[fault].happened += more.by_fault[fault].happened;
    by_fault[fault].decidable += more.by_fault[fault].decidable;
    by_fault[fault].told += more.by_fault[fault].told;
  }
  segments_decidable += more.segments_decidable;
  segments_told += more.segments_told;
  pairable += more.pairable;
  paired += more.paired;
  return *this;
}

uint64_t Verdict::decidable() const {
  return std::accumulate(by_fault.begin(), by_fault.end(), uint64_t{0},
                         [](uint64_t n, const Told& t) { return n + t.decidable; });
}
uint64_t Verdict::told() const {
  return std::accumulate(by_fault.begin(), by_fault.end(), uint64_t{0}, [](uint64_t n, const Told& t) { return n + t.told; });
}

std::string describe(const Verdict& verdict) {
  std::string text = fmt::format(
      "{} false accusations, {} wrong pairings, {} of {} likely ones wrong, {} of {} decidable faults told, {} of {} segments, "
      "{} "
      "of {} paired\n",
      verdict.false_accusations.size(), verdict.wrong_pairings.size(), verdict.wrong_likely.size(), verdict.likely,
      verdict.told(), verdict.decidable(), verdict.segments_told, verdict.segments_decidable, verdict.paired, verdict.pairable);
  for (size_t fault = 0; fault < kFaults; ++fault) {
    const Verdict::Told& told = verdict.by_fault[fault];
    if (told.happened > 0)
      text += fmt::format("  {:20} {:5} happened, {:5} decidable, {:5} told\n", name_of(static_cast<Fault>(fault)), told.happened,
                          told.decidable, told.told);
  }
  return text;
}

}  // namespace parallax::test
