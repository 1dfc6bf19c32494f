// The longest frame that an interface of the kernel hands to a socket: by that the slots of a ring are sized, and so how many of
// them a stall of the sensor may fill.
#pragma once

#include <cstdint>
#include <string>

namespace parallax {

// In bytes, with two VLAN tags. By its MTU; where packets may have been joined (GRO, LRO) or not yet cut (TSO, GSO) as long as IP
// allows, and also where the interface does not tell.
uint32_t longest_frame(const std::string& interface);

}  // namespace parallax
