// What `parallax analyze` is asked to read: POINT=FILE[,FILE...] for each point, in path order.
#pragma once

#include <string>
#include <vector>

#include "capture/core/result.h"

namespace parallax {

struct PointFiles {
  std::string point;
  std::vector<std::string> files;  // as given; FILE#N is interface N of a pcapng file
};

// The error says what is wrong with which argument, and what would be right.
Result<std::vector<PointFiles>> parse_point_files(const std::vector<std::string>& arguments);

}  // namespace parallax
