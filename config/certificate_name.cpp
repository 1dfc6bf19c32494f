#include "config/certificate_name.h"

#include <algorithm>

namespace parallax {
namespace {

constexpr std::string_view kEvery = "*", kOneLabel = "*.";

bool is_of_label(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

}  // namespace

std::string why_not_a_certificate_name(std::string_view pattern) {
  if (pattern == kEvery) return {};
  const std::string right = "; a name of a certificate, such as anna.example.net, \"*.example.net\", or \"*\" for all";
  if (pattern.empty()) return "the name is empty" + right;
  const std::string_view rest = pattern.starts_with(kOneLabel) ? pattern.substr(kOneLabel.size()) : pattern;
  const std::string quoted = '"' + std::string(pattern) + '"';
  if (rest.empty() || rest.find('*') != std::string_view::npos)
    return quoted + ": an asterisk stands alone or for the first label" + right;
  const auto is_odd = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; };
  if (is_odd(rest.front()) || is_odd(rest.back()) ||
      std::any_of(rest.begin(), rest.end(), [&](char c) { return is_odd(c) && c != ' '; }))
    return quoted + " begins or ends with a space, or has a control character" + right;
  return {};
}

bool covers_certificate_name(std::string_view pattern, std::string_view name) {
  if (name.empty()) return false;
  if (pattern == kEvery) return true;
  if (!pattern.starts_with(kOneLabel)) return pattern == name;
  const std::string_view end = pattern.substr(1);
  if (name.size() <= end.size() || !name.ends_with(end)) return false;
  const std::string_view label = name.substr(0, name.size() - end.size());
  return std::all_of(label.begin(), label.end(), is_of_label);
}

}  // namespace parallax
