#include "daemon/client/point_files.h"

#include <fmt/format.h>
#include <glob.h>

#include <filesystem>
#include <set>
#include <utility>

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

// A set of files that a shell cannot write with commas: those that match, in the order of their names. A file of that very name
// goes before.
Result<std::vector<std::string>> matching(const std::string& pattern) {
  std::error_code none;
  if (pattern.find_first_of("*?[") == std::string::npos || std::filesystem::exists(pattern, none))
    return std::vector<std::string>{pattern};
  glob_t found{};
  const int code = ::glob(pattern.c_str(), 0, nullptr, &found);
  std::vector<std::string> files(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (code == GLOB_NOMATCH || files.empty()) return Error{fmt::format("no file matches {}", pattern)};
  return files;
}

Result<PointFiles> parse(const std::string& argument) {
  const size_t equals = argument.find('=');
  if (equals == std::string::npos) {
    return Error{fmt::format("\"{0}\" names no point; say where it was captured: POINT=FILE, such as outside={0}", argument)};
  }
  PointFiles result{argument.substr(0, equals), {}};
  for (const std::string& part : split(argument.substr(equals + 1))) {
    const Result<std::vector<std::string>> files = matching(part);
    if (!files.ok()) return Error{fmt::format("\"{}\": {}", argument, files.error())};
    result.files.insert(result.files.end(), files->begin(), files->end());
  }
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
  bool reads_input = false;
  for (const std::string& argument : arguments) {
    Result<PointFiles> point = parse(argument);
    if (!point.ok()) return Error{point.error()};
    for (const PointFiles& other : points) {
      if (other.point == point->point) {
        return Error{
            fmt::format("point \"{0}\" is given twice; several files of one point are written {0}=FILE,FILE", point->point)};
      }
    }
    for (const std::string& file : point->files) {
      if (file == "-" && std::exchange(reads_input, true))
        return Error{fmt::format("\"{}\": standard input is read once, and another point has it already", argument)};
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
