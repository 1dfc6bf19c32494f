// Ports that belong to a service: which end of a conversation met in its midst is the server.
//
// A guess, asked once for a leg whose first packet does not say who began. The list is of what IANA has assigned and networks
// carry; Zeek's heuristic is alike, with the ports of the protocols that it knows.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "capture/core/sighting.h"

namespace parallax {

inline constexpr auto kServicePorts = std::to_array<uint16_t>({
    20,    21,    22,    23,    25,    37,    42,    43,    49,    53,    67,    69,    79,    80,    81,    88,    102,   106,
    110,   111,   113,   119,   123,   135,   137,   138,   139,   143,   161,   162,   177,   179,   194,   201,   264,   311,
    319,   320,   389,   427,   443,   444,   445,   464,   465,   500,   502,   512,   513,   514,   515,   520,   521,   523,
    524,   540,   543,   544,   547,   548,   554,   563,   587,   593,   623,   631,   636,   646,   666,   691,   749,   830,
    853,   860,   873,   902,   989,   990,   992,   993,   994,   995,   1080,  1194,  1352,  1433,  1434,  1494,  1521,  1645,
    1646,  1701,  1720,  1723,  1755,  1812,  1813,  1883,  1900,  1935,  2000,  2049,  2055,  2123,  2152,  2181,  2222,  2375,
    2376,  2379,  2404,  2598,  2775,  3000,  3074,  3128,  3260,  3268,  3269,  3306,  3389,  3478,  3544,  3690,  4433,  4443,
    4500,  4739,  4786,  4789,  4840,  5000,  5004,  5005,  5060,  5061,  5072,  5080,  5222,  5223,  5246,  5247,  5269,  5351,
    5353,  5355,  5432,  5555,  5631,  5671,  5672,  5683,  5684,  5800,  5900,  5938,  5984,  5985,  5986,  6000,  6081,  6343,
    6379,  6443,  6514,  6653,  6666,  6667,  6668,  6669,  6697,  6881,  7000,  7001,  7070,  7474,  7680,  8000,  8008,  8009,
    8080,  8081,  8086,  8088,  8123,  8161,  8291,  8333,  8443,  8472,  8500,  8529,  8554,  8728,  8883,  8888,  9000,  9042,
    9090,  9092,  9100,  9200,  9300,  9418,  9999,  10000, 10050, 10051, 11211, 15672, 20000, 25565, 27015, 27017, 27018, 30303,
    34962, 34963, 34964, 44818, 47808, 50000, 50051, 51820,
});
static_assert(std::is_sorted(kServicePorts.begin(), kServicePorts.end()));

constexpr bool is_service_port(uint16_t port) { return std::binary_search(kServicePorts.begin(), kServicePorts.end(), port); }

// Multicast, or the limited broadcast: whoever sends there asks, from whatever port.
inline bool is_addressed_to_many(const Address& a) {
  const bool ipv4 =
      std::all_of(a.begin(), a.begin() + 10, [](uint8_t byte) { return byte == 0; }) && a[10] == 0xff && a[11] == 0xff;
  return ipv4 ? a[12] >> 4 == 0xe || std::all_of(a.begin() + 12, a.end(), [](uint8_t byte) { return byte == 0xff; })
              : a[0] == 0xff;
}

}  // namespace parallax
