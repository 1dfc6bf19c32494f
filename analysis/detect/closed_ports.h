// Who has tried ports that accepted nobody: the background that every public address has. Many sources of the Internet, each at
// another port, of which none goes on trying, are one finding; a service that refuses its clients is another one. All
// places are one here: who scans a network meets several points of it.
//
// Fed with the tries in vain of SourceTries and with connections that came about. The correlator's, one thread; bounded, the
// source that was longest quiet goes first, counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "analysis/finding/observation.h"
#include "analysis/model/keyed_hash.h"
#include "analysis/model/lru_table.h"

namespace parallax {

class ClosedPorts {
 public:
  static constexpr size_t kSourcesLeast = 4;  // each at a port that none of the others has tried
  // Connections of one source to one service. A program whose service is down tries more often than that.
  static constexpr uint32_t kTriesMost = 3;
  // How often sources come back to one service, all of them together, each within its three: by more it is wanted, not scanned.
  static constexpr uint32_t kAgainMost = kTriesMost - 1;  // as one alone may
  static constexpr uint32_t kServedTimes = 6;             // as often as not, by a host of which a source is a client
  static constexpr size_t kKeptMax = 256;
  static constexpr size_t kCountedMax = 1 << 14;
  static constexpr int64_t kWithinNs = 3'600'000'000'000;  // scans of one address may be minutes apart

  // The service has accepted a connection of the source.
  void served(const Address& source, const Endpoint& service) {
    Host& host = hosts_.use(key_of(source, {service.address, 0}));
    ++host.served;
    host.tells_of_ports |= tells_of_ports(service.port);
  }
  // A connection that the service has not accepted.
  void count(const Address& source, const Endpoint& service, int64_t at_ns);
  // Whether such tries of the source may be background, as far as its own go.
  bool may_be_background(const Address& source, const Endpoint& service) const;
  // A try of one that may be, told as its source's. Appends to `out` what is to be told as of many sources: those before, too,
  // where these are enough now. Goes on until a silence of kWithinNs.
  void take(Observation tried, std::vector<Observation>& out);

  uint64_t evicted() const { return tries_.evicted() + again_.evicted() + hosts_.evicted(); }

 private:
  struct Tries {
    int64_t since_ns = 0;
    uint32_t count = 0;  // of a service: those by which sources came back
    void add(int64_t at_ns, uint32_t more) {
      if (at_ns > since_ns + kWithinNs) *this = {.since_ns = at_ns};
      count += more;
    }
  };
  // A source at a host: one that is served far more often than not is its client, where scanners find an open port now and then;
  // and to a client of a service that tells of further ports these are not closed.
  struct Host {
    uint32_t served = 0, in_vain = 0;
    bool tells_of_ports = false;
    bool has_client() const { return tells_of_ports || (served > 0 && served >= kServedTimes * in_vain); }
  };
  template <typename Value>
  using BySourceAndService = LruTable<uint64_t, Value, std::hash<uint64_t>>;
  static uint64_t key_of(const Address& source, const Endpoint& service) { return KeyedHash().add(source).add(service).value(); }
  // FTP, the portmapper, RTSP, FTP over TLS, H.323.
  static constexpr bool tells_of_ports(uint16_t port) {
    return port == 21 || port == 111 || port == 554 || port == 990 || port == 1720;
  }
  void forget(int64_t at_ns);
  bool are_many() const;

  BySourceAndService<Tries> tries_{kCountedMax};
  LruTable<Endpoint, Tries, KeyedHashOf<Endpoint>> again_{kCountedMax};
  BySourceAndService<Host> hosts_{kCountedMax};  // the service's port is 0
  std::deque<Observation> kept_;                 // until told: the newest
  int64_t told_ns_ = INT64_MIN / 2;              // the last one that was told
};

}  // namespace parallax
