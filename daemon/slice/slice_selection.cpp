#include "daemon/slice/slice_selection.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>

#include "capture/spool/spool_reader.h"
#include "daemon/message/community_id.h"
#include "daemon/message/time_text.h"
#include "daemon/message/timestamp.h"
#include "daemon/run/pinned_files.h"
#include "daemon/slice/incident.h"

namespace parallax {
namespace {

using google::protobuf::util::TimeUtil;

constexpr size_t kLoggedBytesMax = 500;

std::string cut_for_log(const std::string& text) {
  return text.size() <= kLoggedBytesMax ? text : fmt::format("{}... ({} bytes)", text.substr(0, kLoggedBytesMax), text.size());
}

void add_connection(const ConnectionRecord& connection, SliceRequest& request) {
  const uint8_t protocol = connection.protocol == Protocol::tcp ? ip_protocol::tcp : ip_protocol::udp;
  for (const LegRecord& leg : connection.legs) request.legs.push_back({leg.point, protocol, leg.client, leg.server});
  for (const CrossingRecord& crossing : connection.crossings) {
    if (crossing.method == PairingMethod::none) continue;
    // Retries may have given a point several legs; all of them are this connection's.
    for (const LegRecord& first : connection.legs) {
      if (first.point != crossing.client_side) continue;
      for (const LegRecord& second : connection.legs) {
        if (second.point != crossing.server_side) continue;
        request.pairings.push_back({first.point, second.point, first.client, first.server, second.client, second.server});
      }
    }
  }
}

std::optional<ConnectionRecord> find_connection(const Engine& engine, uint64_t id) {
  if (id == 0) return std::nullopt;
  std::vector<ConnectionRecord> found = engine.connections(id - 1, 1);
  if (found.empty() || found.front().id != id) return std::nullopt;
  return std::move(found.front());
}

void set_time(int64_t first_ns, int64_t last_ns, SliceRequest& request) {
  request.from_ns = first_ns - kSliceMarginNs;
  request.to_ns = last_ns + kSliceMarginNs;
}

std::string finding_text(const FindingRecord& finding) {
  return fmt::format("finding {}: {}: {}", finding.id, name_of(finding.kind), finding.summary);
}

// "2026-01-01T00:00:00Z to 2026-01-01T00:00:10Z", for a person to pull.
std::string window_text(const SliceRequest& request) {
  return fmt::format("{} to {}", TimeUtil::ToString(TimeUtil::NanosecondsToTimestamp(request.from_ns)),
                     TimeUtil::ToString(TimeUtil::NanosecondsToTimestamp(request.to_ns)));
}

void select_finding(const SensorState& state, uint64_t id, SliceSelection& selection) {
  const std::vector<FindingRecord> found = id == 0 ? std::vector<FindingRecord>{} : state.engine->findings(id - 1, 1);
  if (found.empty() || found.front().id != id) {
    selection.code = SelectionCode::not_found;
    selection.error = fmt::format("there is no finding {}; `parallax findings` lists those that there are", id);
    return;
  }
  const FindingRecord& finding = found.front();
  SliceRequest& request = selection.request;
  set_time(finding.first_seen_ns, finding.last_seen_ns, request);
  request.comments = {finding_text(finding)};
  request.findings = {finding};
  size_t taken = 0;
  for (const uint64_t connection_id : finding.connection_ids) {
    if (taken == kSliceConnectionsMax) break;
    if (const std::optional<ConnectionRecord> connection = find_connection(*state.engine, connection_id)) {
      add_connection(*connection, request);
      ++taken;
    }
  }
  if (taken < finding.connection_ids.size()) {
    request.missing.push_back(fmt::format(
        "packets of {} of the finding's {} connections: {}", finding.connection_ids.size() - taken, finding.connection_ids.size(),
        taken == kSliceConnectionsMax ? fmt::format("a slice has those of {}", kSliceConnectionsMax)
                                      : std::string("the daemon no longer keeps them")));
  }
  // Without legs the selection would be everything of that time, which is not what was asked for.
  if (taken == 0 && !finding.connection_ids.empty()) {
    selection.code = SelectionCode::not_found;
    selection.error =
        fmt::format("the connections of finding {} are no longer kept; pull its time, {}, instead", id, window_text(request));
  }
}

// "7", "7 and 9", "7, 9 and 12"
std::string list_text(const std::vector<uint64_t>& ids) {
  std::string text;
  for (size_t i = 0; i < ids.size(); ++i) text += fmt::format("{}{}", i == 0 ? "" : i + 1 == ids.size() ? " and " : ", ", ids[i]);
  return text;
}

// Those of the findings that are pinned, for when the ring has turned; empty: none is.
std::string pinned_text(const SensorState& state, const std::vector<uint64_t>& finding_ids) {
  std::vector<uint64_t> pinned;
  std::copy_if(finding_ids.begin(), finding_ids.end(), std::back_inserter(pinned),
               [&](uint64_t id) { return state.pinned != nullptr && state.pinned->find(id).has_value(); });
  if (pinned.empty()) return {};
  return fmt::format("the packets of {} {} are pinned: pull {} by `parallax slice --finding {}`",
                     pinned.size() == 1 ? "finding" : "findings", list_text(pinned),
                     pinned.size() == 1 ? "them" : "each by itself", pinned.front());
}

void select_incident(const SensorState& state, uint64_t id, SliceSelection& selection) {
  const std::optional<Incident> incident = find_incident(*state.engine, id, kSliceConnectionsMax);
  if (!incident) {
    const std::string pinned = pinned_text(state, {id});
    selection.code = SelectionCode::not_found;
    selection.error =
        pinned.empty()
            ? fmt::format(
                  "there is no incident {}: any of its findings names it, and `parallax findings` lists those that there are", id)
            : fmt::format(
                  "{} what was one incident with finding {}; {}",
                  state.pinned->is_of_earlier_run(id) ? "an earlier run of the daemon knew" : "the daemon no longer knows", id,
                  pinned);
    return;
  }
  SliceRequest& request = selection.request;
  std::vector<uint64_t> ids;
  int64_t first_ns = kTimeMax, last_ns = kTimeMin;
  for (const FindingRecord& finding : incident->findings) {
    ids.push_back(finding.id);
    first_ns = std::min(first_ns, finding.first_seen_ns);
    last_ns = std::max(last_ns, finding.last_seen_ns);
  }
  set_time(first_ns, last_ns, request);
  request.comments.push_back(
      fmt::format("incident {}: {} {}", incident->id, ids.size() == 1 ? "finding" : "findings", list_text(ids)));
  for (const FindingRecord& finding : incident->findings) request.comments.push_back(finding_text(finding));
  request.findings = incident->findings;
  for (const ConnectionRecord& connection : incident->connections) add_connection(connection, request);
  if (incident->connections_forgotten > 0) {
    request.missing.push_back(fmt::format("packets of {} of the incident's connections: the daemon no longer keeps them",
                                          incident->connections_forgotten));
  }
  if (incident->connections_beyond > 0) {
    request.missing.push_back(fmt::format(
        "packets of {} of the incident's connections, and of what else has happened to those: a slice has those of {}",
        incident->connections_beyond, kSliceConnectionsMax));
  }
  if (incident->has_findings_beyond) {
    request.missing.push_back(
        fmt::format("what only further findings of the incident tell of: a slice has those of {}", kIncidentFindingsMax));
  }
  selection.elsewhere = pinned_text(state, ids);
  // As of a finding: without legs it would be everything of that time.
  if (request.legs.empty() && incident->connections_forgotten > 0) {
    selection.code = SelectionCode::not_found;
    selection.error = fmt::format("the connections of incident {} are no longer kept; pull its time, {}, instead{}", incident->id,
                                  window_text(request), selection.elsewhere.empty() ? "" : "; " + selection.elsewhere);
  }
}

void select_connection(const SensorState& state, uint64_t id, SliceSelection& selection) {
  const std::optional<ConnectionRecord> connection = find_connection(*state.engine, id);
  if (!connection || connection->legs.empty()) {
    selection.code = SelectionCode::not_found;
    selection.error =
        fmt::format("there is no connection {}, or it is no longer kept; `parallax connections` lists those that are", id);
    return;
  }
  int64_t first_ns = kTimeMax, last_ns = kTimeMin;
  for (const LegRecord& leg : connection->legs) {
    first_ns = std::min(first_ns, leg.first_seen_ns);
    last_ns = std::max(last_ns, leg.last_seen_ns);
  }
  set_time(first_ns, last_ns, selection.request);
  add_connection(*connection, selection.request);
  for (const uint64_t finding : connection->finding_ids) {
    const std::vector<FindingRecord> found = state.engine->findings(finding - 1, 1);
    if (!found.empty() && found.front().id == finding) selection.request.findings.push_back(found.front());
  }
  selection.request.comments = {
      fmt::format("connection {}: {} to {}", id, to_string(connection->client), to_string(connection->server))};
}

// The connections with a leg of this community ID, the first kSliceConnectionsMax of them.
void select_community(const SensorState& state, const std::string& id, SliceSelection& selection) {
  constexpr size_t kPage = 1024;
  int64_t first_ns = kTimeMax, last_ns = kTimeMin;
  size_t taken = 0, found = 0;
  uint64_t after = 0;
  for (bool more = true; more;) {
    const std::vector<ConnectionRecord> page = state.engine->connections(after, kPage);
    more = page.size() == kPage;
    for (const ConnectionRecord& connection : page) {
      after = connection.id;
      const bool has_it = std::any_of(connection.legs.begin(), connection.legs.end(), [&](const LegRecord& leg) {
        return community_id(connection.protocol, leg.client, leg.server) == id;
      });
      if (!has_it || ++found > kSliceConnectionsMax) continue;
      ++taken;
      add_connection(connection, selection.request);
      for (const LegRecord& leg : connection.legs) {
        first_ns = std::min(first_ns, leg.first_seen_ns);
        last_ns = std::max(last_ns, leg.last_seen_ns);
      }
    }
  }
  if (taken == 0) {
    selection.code = SelectionCode::not_found;
    selection.error = fmt::format(
        "no connection that is kept has a leg of community ID {}; `parallax connections --format json` has "
        "those that there are",
        id);
    return;
  }
  if (found > taken) {
    selection.request.missing.push_back(
        fmt::format("packets of {} of the {} connections of that community ID: a slice has those of {}", found - taken, found,
                    kSliceConnectionsMax));
  }
  set_time(first_ns, last_ns, selection.request);
  selection.request.comments = {fmt::format("community ID {}", id)};
}

// REQUIRES: times that a timestamp can have.
std::string time_range_text(const v1::TimeRange& range) {
  return fmt::format("{} to {}", TimeUtil::ToString(range.from()), TimeUtil::ToString(range.to()));
}

void select_time(const v1::TimeRange& range, SliceSelection& selection) {
  SliceRequest& request = selection.request;
  const std::optional<int64_t> from_ns = time_ns(range.from()), to_ns = time_ns(range.to());
  if (!range.has_from() || !range.has_to() || !from_ns || !to_ns) {
    selection.code = SelectionCode::invalid_argument;
    selection.error = "time_range wants from and to, between the years 1677 and 2262";
    return;
  }
  if (*from_ns > *to_ns) {
    selection.code = SelectionCode::invalid_argument;
    selection.error =
        fmt::format("time_range: from ({}) is after to ({})", TimeUtil::ToString(range.from()), TimeUtil::ToString(range.to()));
    return;
  }
  request.from_ns = *from_ns;
  request.to_ns = *to_ns;
  request.comments = {time_range_text(range)};
}

std::string what_text(const v1::PullSliceRequest& request) {
  switch (request.what_case()) {
    case v1::PullSliceRequest::kFindingId:
      return fmt::format("finding {}", request.finding_id());
    case v1::PullSliceRequest::kConnectionId:
      return fmt::format("connection {}", request.connection_id());
    case v1::PullSliceRequest::kTimeRange:
      return time_ns(request.time_range().from()) && time_ns(request.time_range().to()) ? time_range_text(request.time_range())
                                                                                        : "a time that is none";
    case v1::PullSliceRequest::kCommunityId:
      return fmt::format("community ID {}", cut_for_log(request.community_id()));
    case v1::PullSliceRequest::kIncidentId:
      return fmt::format("incident {}", request.incident_id());
    case v1::PullSliceRequest::WHAT_NOT_SET:
      break;
  }
  return "nothing";
}

}  // namespace

std::string asked_text(const v1::PullSliceRequest& request) {
  if (request.filter().empty()) return what_text(request);
  return fmt::format("{} with filter \"{}\"", what_text(request), cut_for_log(request.filter()));
}

SliceSelection select_slice(const SensorState& state, const v1::PullSliceRequest& request) {
  SliceSelection selection;
  switch (request.what_case()) {
    case v1::PullSliceRequest::kFindingId:
      select_finding(state, request.finding_id(), selection);
      break;
    case v1::PullSliceRequest::kIncidentId:
      select_incident(state, request.incident_id(), selection);
      break;
    case v1::PullSliceRequest::kConnectionId:
      select_connection(state, request.connection_id(), selection);
      break;
    case v1::PullSliceRequest::kTimeRange:
      select_time(request.time_range(), selection);
      break;
    case v1::PullSliceRequest::kCommunityId:
      if (is_community_id(request.community_id())) {
        select_community(state, request.community_id(), selection);
        break;
      }
      selection.code = SelectionCode::invalid_argument;
      selection.error = "community_id: not one of version 1, such as 1:LQU9qZlK+B5F3KDmev6m5PMibrg=";
      break;
    case v1::PullSliceRequest::WHAT_NOT_SET:
      selection.code = SelectionCode::invalid_argument;
      selection.error = "say what to pull: finding_id, incident_id, connection_id, community_id or time_range";
  }
  selection.request.filter = request.filter();
  selection.request.device_timeout_ns = state.device_timeout_ns;
  selection.request.key_from = state.key_from;
  selection.request.spool_filtered = state.spool_filtered;
  // Where they were worse for a while, the spool has noted a gap.
  for (const PortChannel* channel : state.channels) {
    selection.request.stamp_uncertainty_ns =
        std::max(selection.request.stamp_uncertainty_ns, channel->ordinary_uncertainty_ns.load(std::memory_order_relaxed));
  }
  return selection;
}

namespace {

// Whether the ring still has all of it, of which the first packet came at `first_ns`.
bool ring_has_all(const SensorState& state, const SliceRequest& request, int64_t first_ns) {
  const auto snapshot = state.spool->snapshot(request.from_ns, request.to_ns);
  if (!snapshot || !(*snapshot)->holds_packets() || !(*snapshot)->removed().empty()) return false;
  return (*snapshot)->times().oldest_ns <= first_ns;
}

// The same of all that was pinned, or would have been if it were pinned now.
bool ring_has_all(const SensorState& state, const PinnedFile& pinned, const SliceRequest& request) {
  const bool has_packets = pinned.first_ns <= pinned.last_ns;
  return ring_has_all(state, request, has_packets ? std::max(pinned.first_ns, request.from_ns) : request.from_ns);
}

}  // namespace

SliceSelection select_slice_or_pinned(const SensorState& state, const v1::PullSliceRequest& request) {
  SliceSelection selection = select_slice(state, request);
  if (!selection.elsewhere.empty() && selection.code == SelectionCode::ok &&
      !ring_has_all(state, selection.request, selection.request.from_ns))
    selection.remarks.push_back("the spool no longer has all of that time; " + selection.elsewhere);
  const uint64_t id = request.finding_id();
  const std::optional<PinnedFile> pinned =
      request.what_case() == v1::PullSliceRequest::kFindingId && state.pinned != nullptr ? state.pinned->find(id) : std::nullopt;
  if (!pinned) return selection;
  const bool engine_knows = selection.code == SelectionCode::ok;
  if (engine_knows && !pinned->is_damaged) {  // with the window of the rule
    selection.request.from_ns = std::min(selection.request.from_ns, pinned->from_ns);
    selection.request.to_ns = std::max(selection.request.to_ns, pinned->to_ns);
  }
  if (engine_knows && ring_has_all(state, *pinned, selection.request)) {
    selection.remarks.push_back(
        fmt::format("the packets are from the spool, which still has all that was pinned of finding {}", id));
    return selection;
  }
  selection.code = SelectionCode::ok;
  selection.error.clear();
  selection.pinned = id;
  selection.remarks.push_back(
      fmt::format("the packets are from the file that was pinned of finding {} at {}: {}", id, time_text_ns(pinned->pinned_ns),
                  engine_knows                          ? "the spool no longer has all of its time"
                  : state.pinned->is_of_earlier_run(id) ? "an earlier run of the daemon found it"
                                                        : "the daemon no longer keeps what a slice of the spool would need"));
  if (engine_knows && selection.request.to_ns > pinned->to_ns && !pinned->is_damaged) {
    selection.remarks.push_back(
        fmt::format("the finding went on until {}; of what came after {} the spool may have packets: pull that "
                    "time",
                    time_text_ns(selection.request.to_ns - kSliceMarginNs), time_text_ns(pinned->to_ns)));
  }
  return selection;
}

}  // namespace parallax
