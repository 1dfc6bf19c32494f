// What passed the points and belongs to no connection, so that nothing is said of it: for people.
#pragma once

#include <string>
#include <vector>

#include "parallax/v1/types.pb.h"

namespace parallax {

// "ICMP echo (10 packets at outside, 5 at inside) and protocols other than TCP and UDP (1 packet at inside)"; empty: all is
// followed.
std::string not_followed(const std::vector<v1::Point>& points);

}  // namespace parallax
