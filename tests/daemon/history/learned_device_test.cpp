// What runs have learned of a device is joined: sums of connections, the newest addresses, within a bound.
#include "daemon/history/learned_device.h"

#include <gtest/gtest.h>

#include "daemon/message/to_proto.h"

namespace parallax {
namespace {

constexpr int64_t kDayNs = 86'400'000'000'000, kNowNs = 20'000 * kDayNs;

v1::Device device(uint64_t connections, std::initializer_list<const char*> outside) {
  v1::Device made;
  made.set_kind(v1::DEVICE_KIND_NAT);
  made.set_connections(connections);
  made.add_changes(v1::DEVICE_CHANGE_SERVER_ADDRESS);
  for (const char* address : outside) {
    v1::AddressMapEntry& entry = *made.add_address_map();
    entry.mutable_outside()->set_address(address);
    entry.mutable_inside()->set_address("10.0.0.80");
    entry.set_connections(3);
  }
  return made;
}

std::vector<std::string> addresses(const v1::LearnedDevice& learned) {
  std::vector<std::string> found;
  for (const v1::LearnedAddress& one : learned.address_map())
    found.push_back(one.outside().address() + " x" + std::to_string(one.connections()));
  return found;
}

TEST(LearnedDevice, RunsAreSummedAndAddressesOfThisRunComeFirst) {
  const v1::LearnedDevice first = learned_device(device(5, {"203.0.113.1", "203.0.113.2"}), {}, kNowNs - kDayNs, 0);
  v1::Device now = device(7, {"203.0.113.2", "203.0.113.3"});
  now.set_changes(0, v1::DEVICE_CHANGE_ISN);
  const v1::LearnedDevice both = learned_device(now, first, kNowNs, 0);
  EXPECT_EQ(both.connections(), 12u);
  EXPECT_EQ(addresses(both), (std::vector<std::string>{"203.0.113.2 x6", "203.0.113.3 x3", "203.0.113.1 x3"}));
  EXPECT_EQ(from_timestamp(both.address_map(2).last_learned()), kNowNs - kDayNs);
  EXPECT_EQ(from_timestamp(both.last_learned()), kNowNs);
  EXPECT_EQ(both.changes_size(), 2);
}

TEST(LearnedDevice, ARunThatHasSeenNothingLeavesWhatIsKnown) {
  const v1::LearnedDevice first = learned_device(device(5, {"203.0.113.1"}), {}, kNowNs - kDayNs, 0);
  EXPECT_EQ(learned_device(device(0, {}), first, kNowNs, 0).SerializeAsString(), first.SerializeAsString());
  EXPECT_FALSE(learned_device(device(0, {}), {}, kNowNs, 0).has_last_learned());
}

TEST(LearnedDevice, AddressesThatNobodyHasLearnedForTooLongAreLeftOut) {
  const v1::LearnedDevice first = learned_device(device(5, {"203.0.113.1"}), {}, kNowNs - 100 * kDayNs, 0);
  EXPECT_EQ(addresses(learned_device(device(1, {"203.0.113.9"}), first, kNowNs, kNowNs - 90 * kDayNs)),
            std::vector<std::string>{"203.0.113.9 x3"});
}

TEST(LearnedDevice, NoMoreAddressesAreKeptThanARunKeeps) {
  v1::LearnedDevice before;
  for (int i = 0; i < 5000; ++i) {
    v1::LearnedAddress& address = *before.add_address_map();
    address.mutable_outside()->set_address(std::to_string(i));
    *address.mutable_last_learned() = to_timestamp(kNowNs);
  }
  EXPECT_EQ(learned_device(device(1, {"203.0.113.9"}), before, kNowNs, 0).address_map_size(), kLearnedAddressesMax);
}

}  // namespace
}  // namespace parallax
