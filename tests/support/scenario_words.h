// The words of a scenario's lines: split, read from the left, and turned into numbers and bytes.
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "analysis/model/model.h"
#include "tests/support/packet_builder.h"

namespace parallax::test {

// What is wrong with a line.
struct Failure {
  std::string text;
};

template <typename T>
T number(const std::string& word) {
  T value{};
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc{} || end != word.data() + word.size()) throw Failure{"not a number: '" + word + "'"};
  return value;
}
inline int64_t nanoseconds(const std::string& word) {
  return std::llround(number<double>(word[0] == '+' ? word.substr(1) : word) * 1e9);
}

inline Endpoint parse_endpoint(const std::string& word) {
  const size_t colon = word.rfind(':');
  if (colon == std::string::npos) throw Failure{"expected ADDRESS:PORT, got '" + word + "'"};
  std::string host = word.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return {address(host), number<uint16_t>(word.substr(colon + 1))};
}

// The words of a line, read from the left.
class Words {
 public:
  explicit Words(std::vector<std::string> words) : words_(std::move(words)) {}
  bool empty() const { return next_ == words_.size(); }
  const std::string& peek() const {
    static const std::string kNothing;
    return empty() ? kNothing : words_[next_];
  }
  std::string take(const char* what) {
    if (empty()) throw Failure{std::string("expected ") + what + " at the end of the line"};
    return words_[next_++];
  }
  bool accept(std::string_view word) {
    if (peek() != word || empty()) return false;
    ++next_;
    return true;
  }
  void require(std::string_view word) {
    if (!accept(word)) throw Failure{"expected '" + std::string(word) + "', got '" + peek() + "'"};
  }
  std::vector<std::string> rest() const { return {words_.begin() + static_cast<ptrdiff_t>(next_), words_.end()}; }

 private:
  std::vector<std::string> words_;
  size_t next_ = 0;
};

// Words are parted by spaces; "..." keeps its spaces; # begins a comment.
std::vector<std::string> split(const std::string& line);
// \r, \n and \xHH as in C; \xHH{N} is that byte N times.
std::string unescaped(const std::string& text);

}  // namespace parallax::test
