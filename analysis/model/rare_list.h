// A vector for what is seldom there: while empty it takes the room of a pointer.
//
// What is asked of an element REQUIRES that it is there. Iterators are pointers, and hold until the next change of the list.
#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

namespace parallax {

template <typename T>
class RareList {
 public:
  using value_type = T;

  RareList() = default;
  RareList(std::vector<T> values) {
    if (!values.empty()) values_ = std::make_unique<std::vector<T>>(std::move(values));
  }
  RareList(const RareList& other) : values_(other.empty() ? nullptr : std::make_unique<std::vector<T>>(*other.values_)) {}
  RareList(RareList&&) = default;
  RareList& operator=(RareList other) {
    values_ = std::move(other.values_);
    return *this;
  }

  bool empty() const { return size() == 0; }
  size_t size() const { return values_ == nullptr ? 0 : values_->size(); }
  T* begin() { return values_ == nullptr ? nullptr : values_->data(); }
  T* end() { return begin() + size(); }
  const T* begin() const { return values_ == nullptr ? nullptr : values_->data(); }
  const T* end() const { return begin() + size(); }
  auto rbegin() { return std::reverse_iterator(end()); }
  auto rend() { return std::reverse_iterator(begin()); }

  T& operator[](size_t i) { return (*values_)[i]; }
  const T& operator[](size_t i) const { return (*values_)[i]; }
  T& front() { return values_->front(); }
  const T& front() const { return values_->front(); }
  T& back() { return values_->back(); }
  const T& back() const { return values_->back(); }

  void push_back(T value) {
    if (values_ == nullptr) values_ = std::make_unique<std::vector<T>>();
    values_->push_back(std::move(value));
  }
  void erase(const T* at) { values_->erase(values_->begin() + (at - values_->data())); }
  template <typename Which>
  void erase_if(Which&& which) {
    if (values_ != nullptr) std::erase_if(*values_, which);
  }
  void clear() { values_.reset(); }

 private:
  std::unique_ptr<std::vector<T>> values_;
};

}  // namespace parallax
