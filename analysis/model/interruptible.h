// Long work in one piece whose result may no longer be wanted: somebody is asked every few milliseconds.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace parallax {

class Interruptible {
 public:
  // `go_on` outlives this. Once it has said no it is not asked again.
  explicit Interruptible(const std::function<bool()>& go_on) : go_on_(go_on) {}

  // To be called for each item. False: stop.
  bool goes_on() { return (++items_ % kItemsPerQuestion != 0 || ask()) && wanted_; }

  // Not in order if goes_on() is false then.
  template <typename T, typename Less>
  void sort(std::vector<T>& items, Less less) {
    sort(items.begin(), items.end(), less);
  }

 private:
  static constexpr uint64_t kItemsPerQuestion = 8192;
  static constexpr std::ptrdiff_t kSortedAtOnce = 1 << 15;

  bool ask() { return wanted_ = wanted_ && go_on_(); }

  // A merge sort down to parts that are sorted in a few milliseconds.
  template <typename Iterator, typename Less>
  void sort(Iterator begin, Iterator end, Less& less) {
    if (!ask()) return;
    if (end - begin <= kSortedAtOnce) {
      std::sort(begin, end, less);
      return;
    }
    const Iterator middle = begin + (end - begin) / 2;
    sort(begin, middle, less);
    sort(middle, end, less);
    if (ask()) std::inplace_merge(begin, middle, end, less);
  }

  const std::function<bool()>& go_on_;
  uint64_t items_ = 0;
  bool wanted_ = true;
};

}  // namespace parallax
