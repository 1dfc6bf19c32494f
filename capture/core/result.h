// A value, or why there is none. Stands in for std::expected, which this compiler does not have.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace parallax {

struct Error {
  std::string message;  // for a person: what is wrong, with the value, and what would be right
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Error error) : error_(std::move(error.message)) {}

  explicit operator bool() const { return value_.has_value(); }
  bool ok() const { return value_.has_value(); }
  const std::string& error() const { return error_; }  // empty where ok()

  // REQUIRES: ok().
  T& value() { return *value_; }
  const T& value() const { return *value_; }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  std::optional<T> value_;
  std::string error_;
};

}  // namespace parallax
