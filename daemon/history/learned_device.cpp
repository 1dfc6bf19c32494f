#include "daemon/history/learned_device.h"

#include <map>
#include <set>
#include <string>
#include <tuple>

#include "daemon/message/to_proto.h"

namespace parallax {
namespace {

using Ends = std::tuple<std::string, uint32_t, std::string, uint32_t>;

Ends ends_of(const auto& entry) {
  return {entry.outside().address(), entry.outside().port(), entry.inside().address(), entry.inside().port()};
}

}  // namespace

v1::LearnedDevice learned_device(const v1::Device& now, const v1::LearnedDevice& before, int64_t now_ns, int64_t oldest_ns) {
  if (now.connections() == 0) return before;
  v1::LearnedDevice learned;
  *learned.mutable_last_learned() = to_timestamp(now_ns);
  learned.set_kind(now.kind());
  learned.set_connections(before.connections() + now.connections());
  std::set<int> changes(now.changes().begin(), now.changes().end());
  changes.insert(before.changes().begin(), before.changes().end());
  for (const int change : changes) learned.add_changes(static_cast<v1::DeviceChange>(change));

  std::map<Ends, const v1::LearnedAddress*> known;
  for (const v1::LearnedAddress& address : before.address_map()) known[ends_of(address)] = &address;
  for (const v1::AddressMapEntry& entry : now.address_map()) {
    if (learned.address_map_size() >= kLearnedAddressesMax) break;
    v1::LearnedAddress& address = *learned.add_address_map();
    *address.mutable_outside() = entry.outside();
    *address.mutable_inside() = entry.inside();
    *address.mutable_last_learned() = to_timestamp(now_ns);
    const auto earlier = known.extract(ends_of(entry));
    address.set_connections(entry.connections() + (earlier.empty() ? 0 : earlier.mapped()->connections()));
  }
  for (const v1::LearnedAddress& address : before.address_map()) {
    if (learned.address_map_size() >= kLearnedAddressesMax) break;
    if (known.contains(ends_of(address)) && from_timestamp(address.last_learned()) >= oldest_ns)
      *learned.add_address_map() = address;
  }
  return learned;
}

}  // namespace parallax
