// Who has tried ports that accepted nobody: the background that every public address has. Many sources of the Internet, each at
// another port, of which none goes on trying, are one finding; a service that refuses its clients is another one.
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
  static constexpr size_t kKeptMax = 256;
  static constexpr size_t kCountedMax = 1 << 14;
  static constexpr int64_t kWithinNs = 3'600'000'000'000;  // scans of one address may be minutes apart

  // The service has accepted a connection of the source. To a client of one that tells of further ports these are not closed.
  void served(const Address& source, const Endpoint& service) {
    if (tells_of_ports(service.port)) served_.use(key_of(source, {service.address, 0})) = true;
  }
  // A connection that the service has not accepted.
  void count(const Address& source, const Endpoint& service, int64_t at_ns);
  // Whether such tries of the source may be background, as far as its own go.
  bool may_be_background(const Address& source, const Endpoint& service) const;
  // A try of one that may be, told as its source's. Appends to `out` what is to be told as of many sources: those before, too,
  // where these are enough now. Goes on until a silence of kWithinNs.
  void take(Observation tried, std::vector<Observation>& out);

  uint64_t evicted() const { return tries_.evicted() + served_.evicted(); }

 private:
  struct Tries {
    int64_t since_ns = 0;
    uint32_t count = 0;
  };
  template <typename Value>
  using BySourceAndService = LruTable<uint64_t, Value, std::hash<uint64_t>>;
  static uint64_t key_of(const Address& source, const Endpoint& service) { return KeyedHash().add(source).add(service).value(); }
  // FTP, the portmapper, RTSP, FTP over TLS, H.323.
  static constexpr bool tells_of_ports(uint16_t port) {
    return port == 21 || port == 111 || port == 554 || port == 990 || port == 1720;
  }
  bool are_many() const;

  BySourceAndService<Tries> tries_{kCountedMax};
  BySourceAndService<bool> served_{kCountedMax};  // the service's port is 0: whichever
  std::deque<Observation> kept_;                  // until told: the newest
  int64_t told_ns_ = INT64_MIN / 2;               // the last one that was told
};

}  // namespace parallax
