#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

#include "tests/support/scenario.h"

namespace parallax::test {
namespace {

struct Failure {
  std::string text;
};

class Checker {
 public:
  Checker(const Scenario& scenario, const PipelineOutput& output)
      : scenario_(scenario), output_(output), path_(scenario.input.options.path) {}

  std::vector<std::string> run() {
    if (!output_.finished) complaints_.push_back("the engine did not come to its end");
    for (const Expectation& expectation : scenario_.expectations) {
      words_ = expectation.words;
      next_ = 0;
      try {
        one();
        if (more()) throw Failure{"cannot check '" + words_[next_] + "'"};
      } catch (const Failure& failure) {
        if (!expectation.required) continue;
        complaints_.push_back(fmt::format("line {}: {}\n    {}", expectation.line, expectation.text, failure.text));
      }
    }
    metrics_agree();
    // What nobody expected: every finding of a weight that a person is woken for must have been named.
    for (const FindingRecord& finding : output_.findings) {
      if (!anything_ && finding.severity >= Severity::warning && !named_.contains(finding.id)) {
        complaints_.push_back("unexpected: " + describe(finding, path_));
      }
    }
    return std::move(complaints_);
  }

 private:
  // What Prometheus is told of lost segments is what the device's record says, of pairings that stand.
  void metrics_agree() {
    const auto& taken_back = output_.counters.pairings_taken_back;
    if (std::any_of(taken_back.begin(), taken_back.end(), [](uint64_t count) { return count > 0; })) return;
    for (const DeviceRecord& device : output_.devices) {
      const EngineCounters& counters = output_.counters;
      const bool is_hairpin = device.outer == device.inner;
      const auto& metric = (is_hairpin ? counters.points[device.outer].hairpin : counters.devices[device.outer]).segments_lost;
      for (const Direction direction : kDirections) {
        if (metric[direction] != device.segments_lost[direction])
          complaints_.push_back(fmt::format("behind point {} {} segments are lost by the metrics, {} by the record", device.outer,
                                            metric[direction], device.segments_lost[direction]));
      }
    }
  }

  bool more() const { return next_ < words_.size(); }
  std::string take() {
    if (!more()) throw Failure{"a word is missing at the end"};
    return words_[next_++];
  }
  bool accept(std::string_view word) {
    if (!more() || words_[next_] != word) return false;
    ++next_;
    return true;
  }
  const EndpointAlias& endpoint() {
    const std::string name = take();
    const EndpointAlias* found = scenario_.endpoint(name);
    if (found == nullptr) throw Failure{"no endpoint of that name: '" + name + "'"};
    return *found;
  }
  PointIndex point() {
    const std::string name = take();
    const auto found = scenario_.point(name);
    if (!found) throw Failure{"no point of that name: '" + name + "'"};
    return *found;
  }
  template <typename T>
  void equal(const std::string& what, const T& is, const std::string& wanted) {
    if (const std::string text = fmt::format("{}", is); text != wanted) throw Failure{fmt::format("{} is {}", what, text)};
  }
  template <typename T>
  void equal_pair(const std::string& what, const T& is) {
    equal(what, fmt::format("{}", fmt::join(is, "/")), take());
  }

  // A/B/...: seconds, within half a microsecond.
  template <typename List>
  void equal_seconds(const std::string& what, const List& is_ns) {
    const std::string wanted = take();
    std::string text;
    for (const int64_t ns : is_ns) text += fmt::format("{}{:.6f}", text.empty() ? "" : "/", static_cast<double>(ns) * 1e-9);
    const char* at = wanted.c_str();
    for (const int64_t ns : is_ns) {
      char* end = nullptr;
      const double seconds = std::strtod(at, &end);
      if (end == at || std::fabs(seconds * 1e9 - static_cast<double>(ns)) > 500)
        throw Failure{fmt::format("{} is {}", what, text)};
      at = *end == '/' ? end + 1 : end;
    }
    if (*at != 0) throw Failure{fmt::format("{} is {}", what, text)};
  }

  void one() {
    const std::string what = take();
    if (what == "anything") {
      anything_ = true;
      return;
    }
    if (what == "nothing") return;  // the sweep for unexpected findings says whether it is so
    if (what == "connections") return equal(what, output_.connections.size(), take());
    if (what == "paired") return equal(what, output_.summary.paired_connections, take());
    if (what == "unpaired") return equal(what, output_.summary.unpaired_legs, take());
    if (what == "connection") return connection();
    if (what == "leg") return leg();
    if (what == "crossing") return crossing();
    if (what == "finding") return finding();
    if (what == "no") {
      const std::string kind = take();
      for (const FindingRecord& f : output_.findings) {
        if (name_of(f.kind) == kind) throw Failure{"there is: " + describe(f, path_)};
      }
      return;
    }
    throw Failure{"no such expectation: '" + what + "'"};
  }

  // CLIENT > SERVER [nth N]: the N-th connection between them, as the client sees them, in the order of their ids.
  const ConnectionRecord& find_connection() {
    const EndpointAlias& client = endpoint();
    if (!accept(">")) throw Failure{"expected CLIENT > SERVER"};
    const EndpointAlias& server = endpoint();
    int nth = accept("nth") ? std::atoi(take().c_str()) : 1;
    for (const ConnectionRecord& c : output_.connections) {
      if (c.client == client.as_client_sees(client) && c.server == server.as_client_sees(client) && --nth == 0) return c;
    }
    std::string all = "no such connection; there are:\n";
    for (const ConnectionRecord& c : output_.connections) all += describe(c, path_);
    throw Failure{all};
  }

  void connection() {
    const ConnectionRecord& c = find_connection();
    while (more()) {
      const std::string key = take();
      if (key == "outcome") {
        equal(key, name_of(c.outcome), take());
      } else if (key == "syn_attempts") {
        equal(key, c.syn_attempts, take());
      } else if (key == "close") {
        equal(key, name_of(c.close), take());
      } else if (key == "closed_by") {
        equal(key, name_of(c.closed_by), take());
      } else if (key == "legs") {
        equal(key, c.legs.size(), take());
      } else if (key == "crossings") {
        equal(key, c.crossings.size(), take());
      } else if (key == "findings") {
        equal(key, c.finding_ids.size(), take());
      } else if (key == "replaced_by") {
        if (accept("none")) {
          if (c.replaced_by) throw Failure{fmt::format("it is replaced by {}", *c.replaced_by)};
          continue;
        }
        const EndpointAlias& by = endpoint();
        const auto is_it = [&](const ConnectionRecord& other) { return other.id == c.replaced_by; };
        const auto found = std::find_if(output_.connections.begin(), output_.connections.end(), is_it);
        if (found == output_.connections.end() || found->client != by.as_client_sees(by))
          throw Failure{fmt::format("it is replaced by {}", c.replaced_by.value_or(0))};
      } else if (key == "waiting") {
        if (accept("none")) {
          if (c.waiting) throw Failure{"there is:\n" + describe(c, path_)};
          continue;
        }
        if (!c.waiting) throw Failure{"it has no waiting:\n" + describe(c, path_)};
        const WaitingRecord& w = *c.waiting;
        equal_seconds(key, std::array{w.client_ns, w.before_device_ns, w.device_ns, w.after_device_ns, w.server_ns});
      } else {
        throw Failure{"a connection has no '" + key + "'"};
      }
    }
  }

  // POINT CLIENT > SERVER [nth N]: the N-th leg at that point with these ends as the point sees them.
  void leg() {
    const PointIndex p = point();
    const EndpointAlias& client = endpoint();
    if (!accept(">")) throw Failure{"expected CLIENT > SERVER"};
    const EndpointAlias& server = endpoint();
    int nth = accept("nth") ? std::atoi(take().c_str()) : 1;
    const LegRecord* found = nullptr;
    for (const ConnectionRecord& c : output_.connections) {
      for (const LegRecord& l : c.legs) {
        if (found == nullptr && l.point == p && l.client == client.at[p] && l.server == server.at[p] && --nth == 0) found = &l;
      }
    }
    if (found == nullptr) {
      std::string all = "no such leg; there are:\n";
      for (const ConnectionRecord& c : output_.connections) all += describe(c, path_);
      throw Failure{all};
    }
    while (more()) {
      const std::string key = take();
      if (key == "conn_state") {
        equal(key, name_of(found->conn_state), take());
      } else if (key == "history") {
        equal(key, found->history, take());
      } else if (key == "packets") {
        equal_pair(key, found->packets);
      } else if (key == "bytes") {
        equal_pair(key, found->bytes);
      } else if (key == "retransmissions") {
        equal_pair(key, found->retransmissions);
      } else if (!leg_times(*found, key)) {
        throw Failure{"a leg has no '" + key + "'"};
      }
    }
  }

  // Both figures of each: the client's and the server's.
  bool leg_times(const LegRecord& leg, const std::string& key) {
    const TurnTotals t = leg.turn_totals.value_or(TurnTotals{});
    if (key == "turns") {
      equal(key, leg.turns, take());
    } else if (key == "wait") {
      equal_seconds(key, t.wait_ns);
    } else if (key == "network") {
      equal_seconds(key, t.network_ns);
    } else if (key == "transfer") {
      equal_seconds(key, t.transfer_ns);
    } else if (key == "largest") {
      equal_pair(key, t.largest_message_bytes);
    } else if (key == "in_flight") {
      equal_pair(key, t.in_flight_max_bytes);
    } else if (key == "outstanding") {
      equal(key, t.outstanding_max, take());
    } else if (key == "rtt") {
      equal_seconds(key, std::array{leg.rtt[Side::client].value_or(RoundTripRecord{}).min_ns,
                                    leg.rtt[Side::server].value_or(RoundTripRecord{}).min_ns});
    } else if (key == "rtt_samples") {
      equal_pair(key, std::array{leg.rtt[Side::client].value_or(RoundTripRecord{}).samples,
                                 leg.rtt[Side::server].value_or(RoundTripRecord{}).samples});
    } else if (key == "hops") {
      equal_pair(key, std::array{leg.hops_to_client.value_or(999), leg.hops_to_server.value_or(999)});
    } else if (key == "first_flight") {
      equal_pair(key,
                 std::array{leg.first_flight_bytes[Side::client].value_or(0), leg.first_flight_bytes[Side::server].value_or(0)});
    } else if (key == "initial_window") {
      equal_pair(key, std::array{leg.client_options.initial_window, leg.server_options.initial_window});
    } else {
      return false;
    }
    return true;
  }

  // CLIENT > SERVER [nth N] POINT POINT: how the connection crosses the device between these.
  void crossing() {
    const ConnectionRecord& c = find_connection();
    const PointIndex first = point(), second = point();
    const CrossingRecord* found = nullptr;
    for (const CrossingRecord& x : c.crossings) {
      if (x.client_side == first && x.server_side == second) found = &x;
    }
    if (found == nullptr) throw Failure{"no such crossing of\n" + describe(c, path_)};
    while (more()) {
      const std::string key = take();
      if (key == "method") {
        equal(key, name_of(found->method), take());
      } else if (key == "device_kind") {
        equal(key, name_of(found->device_kind), take());
      } else if (key == "lost") {
        equal_pair(key, found->lost);
      } else if (key == "rivals") {
        equal(key, found->rivals, take());
      } else if (key == "confidence") {
        if (found->confidence < std::atof(take().c_str())) throw Failure{fmt::format("confidence is {}", found->confidence)};
      } else if (key == "transit") {
        crossing_pair(key, found->transit,
                      [](const Distribution& d) { return fmt::format("{:.6f}", static_cast<double>(d.median_ns) * 1e-9); });
      } else if (key == "transits") {
        crossing_pair(key, found->transit, [](const Distribution& d) { return std::to_string(d.count); });
      } else if (key == "kept") {
        crossing_pair(key, found->bytes_kept, [](uint64_t bytes) { return std::to_string(bytes); });
      } else if (key == "isn_offset") {
        crossing_pair(key, found->isn_offset, [](int64_t offset) { return std::to_string(offset); });
      } else if (key == "changes") {
        changes(found->changes, take());
      } else {
        throw Failure{"a crossing has no '" + key + "'"};
      }
    }
  }

  // C/S, of the side that sends; none: not known.
  template <typename Values, typename Text>
  void crossing_pair(const std::string& what, const Values& is, Text text) {
    const auto one = [&](Side side) { return is[side] ? text(*is[side]) : std::string("none"); };
    equal(what, one(Side::client) + "/" + one(Side::server), take());
  }

  // ttl,client_address: each of these is among the changes.
  void changes(uint32_t bits, const std::string& wanted) {
    for (size_t begin = 0; begin <= wanted.size();) {
      const size_t end = std::min(wanted.find(',', begin), wanted.size());
      const std::string name = wanted.substr(begin, end - begin);
      bool has = false;
      for (int i = 0; i < kDeviceChangeCount; ++i) has |= (bits >> i & 1) && name_of(static_cast<DeviceChange>(i)) == name;
      if (!has) throw Failure{fmt::format("{} is not among the changes {:#x}", name, bits)};
      begin = end + 1;
    }
  }

  // KIND[|KIND] and what it says; the first one of that kind for which all of it holds, and which no line before has named.
  void finding() {
    const std::string kinds = '|' + take() + '|';
    const size_t begin = next_;
    std::string why = "no finding of that kind";
    for (const FindingRecord& f : output_.findings) {
      if (kinds.find(fmt::format("|{}|", name_of(f.kind))) == std::string::npos || named_.contains(f.id)) continue;
      next_ = begin;
      try {
        finding_fields(f);
        named_.insert(f.id);
        return;
      } catch (const Failure& failure) {
        why = failure.text + ", of\n    " + describe(f, path_);
      }
    }
    next_ = words_.size();
    throw Failure{why};
  }

  void finding_fields(const FindingRecord& f) {
    while (more()) {
      const std::string key = take();
      if (key == "beyond") {
        equal("where", describe(f.where, path_), "beyond " + take());
      } else if (key == "between") {
        const std::string first = take();
        equal("where", describe(f.where, path_), "between " + first + " " + take());
      } else if (key == "not") {
        const std::string what = take();
        if (what != "between" && what != "device") throw Failure{"`not` is followed by `between` or `device`"};
        if (what == "between" && f.where.kind == Where::Kind::between) throw Failure{"it is " + describe(f.where, path_)};
        if (what == "device" && f.origin == Origin::device) throw Failure{"its origin is the device"};
      } else if (key == "origin") {
        equal(key, name_of(f.origin), take());
      } else if (key == "direction") {
        equal(key, name_of(f.direction), take());
      } else if (key == "severity") {
        equal(key, name_of(f.severity), take());
      } else if (key == "count") {
        equal(key, f.count, take());
      } else if (key == "connections") {
        equal(key, f.connection_ids.size(), take());
      } else if (key == "confidence") {
        if (f.confidence < std::atof(take().c_str())) throw Failure{fmt::format("confidence is {}", f.confidence)};
      } else if (key == "below") {
        if (f.confidence >= std::atof(take().c_str())) throw Failure{fmt::format("confidence is {}", f.confidence)};
      } else if (key == "lost") {
        equal("time_lost_seconds", f.time_lost_seconds ? fmt::format("{:.3f}", *f.time_lost_seconds) : "-", take());
      } else if (key == "period") {
        equal("period_seconds", f.period_seconds ? fmt::format("{:.3f}", *f.period_seconds) : "-", take());
      } else if (key == "evidence") {
        const std::string wanted = take();
        bool has = false;
        for (const Evidence& e : f.evidence) has |= e.kind == wanted;
        if (!has) throw Failure{"no evidence of kind " + wanted};
      } else if (key == "rate") {
        equal("rate_per_second", f.rate_per_second ? fmt::format("{:.0f}", *f.rate_per_second) : "-", take());
      } else if (key == "related") {
        equal(key, f.related_connection_ids.size(), take());
      } else if (key == "says") {
        const std::string wanted = take();
        if (f.summary.find(wanted) == std::string::npos) throw Failure{"its sentence does not say \"" + wanted + '"'};
      } else {
        throw Failure{"a finding has no '" + key + "'"};
      }
    }
  }

  const Scenario& scenario_;
  const PipelineOutput& output_;
  const std::vector<std::string>& path_;
  std::vector<std::string> words_;
  size_t next_ = 0;
  std::set<uint64_t> named_;  // findings that a line has spoken of
  bool anything_ = false;
  std::vector<std::string> complaints_;
};

}  // namespace

std::vector<std::string> check(const Scenario& scenario, const PipelineOutput& output) { return Checker(scenario, output).run(); }

}  // namespace parallax::test
