// Places for calls that go on for long: so many at a time in all, and so many for one caller, so that no one takes all of them.
//
// Any thread. What a caller is called is up to who asks: a user of this machine, a name of a certificate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace parallax {

class CallPlaces {
 public:
  struct Limits {
    size_t in_all = 0, per_caller = 0;
    // As the configuration has them: 0 per caller is half of all, rounded up.
    static Limits of(uint32_t in_all, uint32_t per_caller) { return {in_all, per_caller != 0 ? per_caller : (in_all + 1) / 2}; }
  };
  enum class Outcome : uint8_t { taken, all_are_taken, caller_has_enough };

  // One place, until it is destroyed. The places outlive it.
  class Place {
   public:
    Place(CallPlaces& places, const std::string& caller, Limits limits)
        : places_(places), caller_(caller), outcome_(places.take(caller, limits)) {}
    ~Place() {
      if (outcome_ == Outcome::taken) places_.give_back(caller_);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    explicit operator bool() const { return outcome_ == Outcome::taken; }
    Outcome outcome() const { return outcome_; }

   private:
    CallPlaces& places_;
    const std::string caller_;
    const Outcome outcome_;
  };

 private:
  Outcome take(const std::string& caller, Limits limits) {
    const std::lock_guard lock(mutex_);
    if (taken_ >= limits.in_all) return Outcome::all_are_taken;
    const auto held = by_caller_.find(caller);
    if (held != by_caller_.end() && held->second >= limits.per_caller) return Outcome::caller_has_enough;
    ++taken_;
    ++by_caller_[caller];
    return Outcome::taken;
  }
  void give_back(const std::string& caller) {
    const std::lock_guard lock(mutex_);
    --taken_;
    if (const auto held = by_caller_.find(caller); --held->second == 0) by_caller_.erase(held);
  }

  std::mutex mutex_;  // guards what follows
  size_t taken_ = 0;
  std::map<std::string, size_t> by_caller_;  // no more than there are places
};

}  // namespace parallax
