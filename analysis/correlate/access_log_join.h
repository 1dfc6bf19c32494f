// Joins the entries of an access log to captured requests, one to one, and finds the client's leg for whom a proxy has asked.
//
// Made once, at the end of the analysis; one thread. An entry and a request belong together where each is all that fits the
// other: by method, target and status, by time within what the log resolves, and by a client that the entry names, be it the
// leg's own or one that has a leg of its own nearer to the clients then. Entries and requests in equal number, all of one client,
// are joined in their order. Everything else is ambiguous and left alone: a wrong join is worse than none. Nine in ten of
// what the log tells must have been captured, or nine in ten of what a server was asked stand in the log: else it is another's,
// and what fits is chance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "analysis/connection/connection_store.h"
#include "analysis/correlate/access_log_requests.h"
#include "analysis/model/access_log.h"

namespace parallax {

class AccessLogJoin {
 public:
  struct Join {
    size_t entry = 0, request = 0;
    bool names_own = false;  // the entry names the leg's own client, as clients[place]
    size_t place = 0;
    bool is_single = false;  // one entry and one request; else several of one client, in their order
  };
  struct ClientLeg {
    uint64_t leg_id = 0, client_leg_id = 0;  // 0: none. The first: as near to the client as packets were followed
    double confidence = 0;
  };

  // The log outlives it. Marks the requests that it joins (RecognisedRequest::log_line, logged_client).
  AccessLogJoin(const AccessLog& log, ConnectionStore& store, size_t points);

  // In the order in which they were asked.
  const std::vector<Join>& joins() const { return joins_; }
  // The leg beyond the proxy that asked: of a request of the same entry; or the only leg that the client named had then.
  ClientLeg client_leg_of(const Join& join) const;
  // Whether any entry joined to that leg names the client.
  bool names(uint64_t leg_id, const Address& client) const;

  AccessLogRecord& record() { return record_; }

 private:
  struct Edge {
    size_t entry, request;
    bool names_own = false;   // the entry names the client of the request's own leg
    size_t place = 0;         // among those that it names
    bool is_of_pair = false;  // it names, by address and port, a client whose messages are known to go on over that leg
  };
  struct Captured {
    int64_t first_ns, last_ns, reach_ns;
    uint64_t leg_id;
  };
  using Service = std::tuple<PointIndex, Endpoint, std::string>;

  void collect();
  void sort_legs();
  void learn_clock();
  std::vector<Edge> edges_of(PointIndex point);
  bool goes_on_over(const LegState& client, const LegState& beyond) const;
  static bool is_taken(const LegState& leg, const LegState& other);
  bool may_be_of(const AccessLogEntry& entry, const LegState& leg, const LoggedRequest& request, Edge& edge) const;
  bool is_captured_then(const AccessLogEntry& entry) const;
  bool is_shown(const std::vector<Edge>& edges) const;
  void drop_foreign(std::vector<Edge>& edges, PointIndex point);
  void join(std::vector<Edge>& edges);
  void join_component(std::vector<Edge>& edges);
  void mark(const Join& join);
  void count();
  template <typename Take>
  void each_open(PointIndex point, const Address& client, int64_t time_ns, Take take) const;
  const LegState& nearest_followed(const LegState& leg) const;
  int client_side_of(const LegState& leg) const;
  const RecognisedRequest& said(const LoggedRequest& request) const;

  const AccessLog& log_;
  ConnectionStore& store_;
  const size_t points_;
  const AccessLogIndex index_;
  std::vector<LoggedRequest> requests_;
  std::map<std::pair<PointIndex, Address>, std::vector<Captured>> legs_;  // by their client
  std::vector<Join> joins_;
  std::map<uint64_t, std::vector<size_t>> joins_of_leg_;
  std::map<std::pair<size_t, PointIndex>, size_t> join_at_;  // by entry
  std::vector<bool> fits_some_, is_joined_, is_crowded_;     // by entry
  std::vector<bool> is_crowded_request_;
  int64_t first_ns_, last_ns_;  // of all legs
  LogClock clock_;
  AccessLogRecord record_;
};

}  // namespace parallax
