// Judges handshakes: who left a SYN unanswered, who refused it, who made the client try again.
//
// Compares what the points saw of one connection's opening. Knows nothing of packets beyond what the correlator keeps, and claims
// nothing that rests on an absence unless the sensor covers the time and place of it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "analysis/connection/connection.h"
#include "analysis/finding/finding_store.h"
#include "analysis/model/sensor_view.h"

namespace parallax {

class HandshakeJudge {
 public:
  // Whether an opening that is still unpaired was seen at `point` between the two times that could be this connection's: then a
  // device that answers by itself (a proxy) is as likely as one that drops.
  using RivalQuestion = std::function<bool(const Connection&, PointIndex point, int64_t from_ns, int64_t to_ns)>;
  // What has been learned of a server, as seen at the point.
  struct Server {
    uint64_t answered = 0;  // handshakes of this end (address and port)
    uint8_t ttl = 0;        // of the address's last SYN-ACK; 0: unknown
  };
  using ServerQuestion = std::function<Server(PointIndex, const Endpoint&)>;
  // Whether connections toward that address, as seen at the point, have been seen to cross the next device.
  using CrossedQuestion = std::function<bool(PointIndex, const Address&)>;

  // Whether a filter may have kept this connection from being seen on the far side, because the device rewrites addresses or is
  // not known to leave them alone.
  using HiddenQuestion = std::function<bool(PointIndex, PointIndex)>;

  HandshakeJudge(size_t points, int64_t device_timeout_ns, const SensorView& sensor, RivalQuestion has_rival,
                 ServerQuestion server, CrossedQuestion crossed, HiddenQuestion hidden)
      : points_(points),
        device_timeout_ns_(device_timeout_ns),
        sensor_(sensor),
        has_rival_(std::move(has_rival)),
        server_(std::move(server)),
        crossed_(std::move(crossed)),
        hidden_(std::move(hidden)) {}

  // When the handshake can be judged, in packet time; kAfterAllNs: nothing (more) to judge.
  int64_t due_ns(const Connection& connection) const;

  // The findings that the handshake gives, seen at `now_ns`. Marks what has been judged. `input_ended`: there is no more to come.
  std::vector<Observation> judge(Connection& connection, int64_t now_ns, bool input_ended);

  // Claims that were not made because the sensor could not vouch for an absence.
  uint64_t withheld() const { return withheld_; }

 private:
  std::vector<Observation> unanswered(const Connection& c, int64_t now_ns);
  std::vector<Observation> refused(const Connection& c);
  std::vector<Observation> retried(const Connection& c);

  // The next point from `point` toward the server; nothing where the path ends.
  std::optional<PointIndex> next_point(const Connection& c, PointIndex point) const;
  PortDirection toward_server(const Connection& c) const {
    return c.client_outer ? PortDirection::toward_inside : PortDirection::toward_outside;
  }
  PortDirection toward_client(const Connection& c) const {
    return c.client_outer ? PortDirection::toward_outside : PortDirection::toward_inside;
  }
  // The leg furthest toward the server that saw a SYN.
  const LegState& deepest(const Connection& c) const;
  // Whether each of the first `count` SYNs of `leg` would have been seen at `point` by `until_ns`, had it come there.
  bool would_have_seen(const Connection& c, const LegState& leg, size_t count, PointIndex point, int64_t until_ns) const;
  Observation observation(const Connection& c, FindingKind kind) const;
  // The fact alone, where the far side cannot be vouched for.
  std::vector<Observation> without_blame(Observation o, PointIndex point);
  void doubt_destination(Observation& o, const LegState& leg) const;
  void add_ttl_evidence(Observation& o, const PacketFacts& rst, const Endpoint& server) const;

  const size_t points_;
  const int64_t device_timeout_ns_;
  const SensorView& sensor_;
  const RivalQuestion has_rival_;
  const ServerQuestion server_;
  const CrossedQuestion crossed_;
  const HiddenQuestion hidden_;
  uint64_t withheld_ = 0;
};

Evidence present_at(const PacketFacts& packet, std::string detail);
Evidence absent_at(PointIndex point, int64_t time_ns, std::string detail);

}  // namespace parallax
