#include "daemon/client/point_files.h"

#include <fmt/format.h>

#include <set>

#include "capture/core/sighting.h"
#include "config/checks.h"

namespace parallax {
namespace {

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t comma; (comma = text.find(',', begin)) != std::string::npos; begin = comma + 1)
    parts.push_back(text.substr(begin, comma - begin));
  parts.push_back(text.substr(begin));
  return parts;
}

Result<PointFiles> parse(const std::string& argument) {
  const size_t equals = argument.find('=');
  if (equals == std::string::npos) {
    return Error{fmt::format("\"{0}\" names no point; say where it was captured: POINT=FILE, such as outside={0}", argument)};
  }
  PointFiles result{argument.substr(0, equals), split(argument.substr(equals + 1))};
  if (const std::string why = why_not_a_point(result.point); !why.empty()) return Error{fmt::format("\"{}\": {}", argument, why)};
  std::set<std::string> seen;
  for (const std::string& file : result.files) {
    if (file.empty()) return Error{fmt::format("\"{}\": a file name is empty; must be POINT=FILE[,FILE...]", argument)};
    if (!seen.insert(file).second) {
      return Error{fmt::format("\"{}\": {} stands there twice; its packets would be counted twice", argument, file)};
    }
  }
  return result;
}

}  // namespace

Result<std::vector<PointFiles>> parse_point_files(const std::vector<std::string>& arguments) {
  std::vector<PointFiles> points;
  for (const std::string& argument : arguments) {
    Result<PointFiles> point = parse(argument);
    if (!point.ok()) return Error{point.error()};
    for (const PointFiles& other : points) {
      if (other.point == point->point) {
        return Error{
            fmt::format("point \"{0}\" is given twice; several files of one point are written {0}=FILE,FILE", point->point)};
      }
    }
    points.push_back(std::move(*point));
  }
  if (points.empty())
    return Error{"no input; POINT=FILE[,FILE...] for each point in path order, such as outside=a.pcap inside=b.pcap"};
  if (points.size() > static_cast<size_t>(kPointsMax)) {
    return Error{fmt::format("{} points; at most {}", points.size(), kPointsMax)};
  }
  return points;
}

}  // namespace parallax
