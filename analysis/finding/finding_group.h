// A finding with what its sentence needs: observations that are one incident.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "analysis/finding/observation.h"
#include "analysis/model/keyed_hash.h"

namespace parallax {

struct FindingGroup {
  static constexpr size_t kServicesCounted = 1 << 16;

  // What one connection has brought, so that it can be taken back.
  struct Contribution {
    uint64_t count = 0, attempts = 0, proved = 0;
    double time_lost_seconds = 0;
    std::optional<Address> client{};
  };

  FindingRecord record;
  uint64_t connections = 0;  // also those beyond kFindingConnectionsMax
  uint64_t attempts = 0, proved = 0;
  int64_t shortest_ns = 0, longest_ns = 0;         // Observation::duration_ns
  std::map<uint64_t, Contribution> contributions;  // by connection, the first kFindingConnectionsMax
  std::map<Address, uint32_t> clients;             // of these: how many are whose
  std::optional<PayloadSizes> sizes;               // of all observations; none where one does not say
  std::optional<ServerAt> server;
  std::optional<PortIndex> port;
  std::string remark;  // a sentence, or empty
  // The only client of the observations. Set while there is one; what it asks many services for is one incident.
  std::optional<Address> only_source;
  bool is_spread = false;                                        // over services: the finding is its client's, not a service's
  std::unordered_set<Endpoint, KeyedHashOf<Endpoint>> services;  // of a spread one: up to kServicesCounted
  std::optional<Address> host;                                   // of the first of them
  bool one_host = true;                                          // of them all
  std::unordered_set<Address, KeyedHashOf<Address>> hosts;       // of the services of a spread one
  std::unordered_set<uint16_t> ports;
  int64_t over_ns = kTimeMax;                                 // live: in stream time, nothing joins it any more after that
  bool is_of_place = false;                                   // of many sources,
  std::unordered_set<Address, KeyedHashOf<Address>> sources;  // of which up to kServicesCounted are counted

  bool is_full() const { return services.size() >= kServicesCounted; }
  void count(const Endpoint& service) {
    if (!is_full() && services.insert(service).second && is_spread) {
      hosts.insert(service.address);
      ports.insert(service.port);
    }
    if (!host) host = service.address;
    one_host &= *host == service.address;
  }

  // "24 s", or "5 to 24 s".
  std::string durations_text() const;
  void take_sizes(const std::optional<PayloadSizes>& others) {
    if (!others) sizes.reset();
    if (sizes) sizes->take(*others);
  }
  void take_duration(int64_t ns) {
    if (ns == 0) return;
    shortest_ns = shortest_ns == 0 ? ns : std::min(shortest_ns, ns);
    longest_ns = std::max(longest_ns, ns);
  }
  // "7 SYNs", or where not all of them prove what is said "6 of 7 SYNs".
  std::string attempts_text(std::string_view noun) const;
  bool toward_client() const { return record.direction == FindingDirection::server_to_client; }
};

// Whether it tells of SYNs or first datagrams that never left the device between two points: of packets that no pair has
// followed, as their leg has no partner.
bool is_of_lost_openings(FindingKind kind, const Where& where, FindingDirection direction);
// The same, or of first answers, of which a pair cannot know that answers come that way.
bool is_of_losses_beside_pairs(FindingKind kind, const Where& where, FindingDirection direction);

// The words that sentences share.
struct SentenceWords {
  SentenceWords(const FindingGroup& group, const std::vector<std::string>& path);

  std::string connections;     // "3 connections to 203.0.113.80:80"
  std::string of_clients;      // the same with who lost them: "3 connections of 2 clients to 203.0.113.80:80"
  std::string first, second;   // the points of the place: beyond, or between, the client's side first; "?" where there is none
  std::string source, target;  // where packets of the finding's direction enter the device between, and where they leave it
  std::string device;          // at the beginning: "The device between outside and inside"; of a hairpin "The device at inside"
  std::string seen_entering;   // of packets that it lost: "seen at outside, never at inside"
  std::string seen_leaving;    // of packets that it made
  std::string sender;          // "client" or "server", by direction
  std::string receiver;
  std::string remark;   // with a blank before it, or empty
  std::string example;  // the same of a remark that is a clause about one connection: "For example, ..." where there are several
};

}  // namespace parallax
