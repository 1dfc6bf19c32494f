#include "capture/source/clock.h"

#include <cpuid.h>
#include <time.h>
#include <x86intrin.h>

#include <algorithm>
#include <cmath>

namespace parallax {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
// Counters of two cores differ by up to 170 cycles on the machines that were measured.
constexpr int64_t kBetweenCoresNs = 80;
constexpr int64_t kCalibrationNs = 30'000'000;
// A new segment begins so much after it was made, so that it is published before, even if the thread is held up meanwhile.
constexpr int64_t kLeadNs = 250'000'000;

int64_t clock_ns(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return int64_t{now.tv_sec} * kSecondNs + now.tv_nsec;
}

// CPUID 0x80000007, EDX bit 8: the counter runs at one rate in all power states (Intel SDM vol. 3, 18.17.1).
bool tsc_is_invariant() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) != 0 && (edx & (1u << 8)) != 0;
}

ClockReading reading_after(const ClockReading& first, int64_t wait_ns) {
  const timespec duration{0, static_cast<long>(wait_ns)};
  ClockReading second = first;
  while (second.ticks <= first.ticks || second.utc_ns <= first.utc_ns) {
    nanosleep(&duration, nullptr);
    second = Clock::read();
  }
  return second;
}

ClockDiscipline calibrated() {
  const ClockReading first = Clock::read();
  return {first, reading_after(first, kCalibrationNs)};
}

}  // namespace

ClockDiscipline::ClockDiscipline(const ClockReading& first, const ClockReading& second) {
  const double elapsed_ticks = static_cast<double>(second.ticks - first.ticks);
  ns_per_tick_ = static_cast<double>(second.utc_ns - first.utc_ns) / elapsed_ticks;
  rate_error_ = static_cast<double>(first.error_ticks + second.error_ticks) / elapsed_ticks;
  former_ = segment_ = {second.ticks, second.utc_ns, ns_per_tick_};
  uncertainty_ns_ = error_ns(second) + kBetweenCoresNs + static_cast<int64_t>(rate_error_ * kSecondNs);
  readings_[reading_count_++] = first;
  readings_[reading_count_++] = second;
}

int64_t ClockDiscipline::error_ns(const ClockReading& reading) const {
  return static_cast<int64_t>(static_cast<double>(reading.error_ticks) * ns_per_tick_);
}

// The slope between the oldest reading kept and this one. Where that jumps, the system's clock was set: start again from
// here, with the rate that is known.
void ClockDiscipline::learn_rate(const ClockReading& reading) {
  const ClockReading& oldest = readings_[reading_count_ <= kReadings ? 0 : reading_count_ % kReadings];
  const double elapsed_ticks = static_cast<double>(reading.ticks - oldest.ticks);
  const double rate = static_cast<double>(reading.utc_ns - oldest.utc_ns) / elapsed_ticks;
  const double error = static_cast<double>(reading.error_ticks + oldest.error_ticks) / elapsed_ticks;
  if (std::abs(rate / ns_per_tick_ - 1) > kRateChangeMax + error + rate_error_) {
    reading_count_ = 0;
  } else if (error <= std::max(rate_error_, kRateErrorGood)) {
    ns_per_tick_ = rate;
    rate_error_ = error;
  }
  readings_[reading_count_++ % kReadings] = reading;
}

const ClockSegment& ClockDiscipline::step(const ClockReading& reading, uint64_t start_ticks) {
  const ClockReading& last = readings_[(reading_count_ - 1) % kReadings];
  if (reading.ticks <= last.ticks || start_ticks <= segment_.ticks) return segment_;
  const double interval_ns = static_cast<double>(reading.ticks - last.ticks) * ns_per_tick_;
  const int64_t drift_ns = static_cast<int64_t>(rate_error_ * interval_ns);
  if (error_ns(reading) > kErrorMaxNs) {
    uncertainty_ns_ += drift_ns;
    return segment_;
  }
  learn_rate(reading);
  offset_ns_ = reading.utc_ns - segment_.at(reading.ticks);
  // What will be left of the offset when the segment begins: the former one goes on correcting until then.
  const double until_start_ns = static_cast<double>(start_ticks - reading.ticks) * ns_per_tick_;
  const double left_ns = static_cast<double>(reading.utc_ns - segment_.at(start_ticks)) + until_start_ns;
  const double slew = std::clamp(left_ns / std::max(interval_ns, 1e6), -kSlewMax, kSlewMax);
  former_ = segment_;
  segment_ = {start_ticks, former_.at(start_ticks), ns_per_tick_ * (1 + slew)};
  uncertainty_ns_ = std::abs(offset_ns_) + error_ns(reading) + kBetweenCoresNs + drift_ns;
  return segment_;
}

Clock::Clock() : discipline_(calibrated()) {
  publish(discipline_.segment());
  publish(discipline_.segment());
}

void Clock::publish(const ClockSegment& segment) {
  const uint64_t version = version_.load(std::memory_order_relaxed);
  Published& slot = slots_[(version / 2 + 1) % 2];
  version_.store(version + 1, std::memory_order_release);
  slot.ticks.store(segment.ticks, std::memory_order_release);
  slot.utc_ns.store(segment.utc_ns, std::memory_order_release);
  slot.ns_per_tick.store(segment.ns_per_tick, std::memory_order_release);
  version_.store(version + 2, std::memory_order_release);
  uncertainty_ns_.store(discipline_.uncertainty_ns(), std::memory_order_relaxed);
  offset_ns_.store(discipline_.offset_ns(), std::memory_order_relaxed);
}

ClockSegment Clock::load(uint64_t number) const {
  const Published& slot = slots_[number % 2];
  return {slot.ticks.load(std::memory_order_acquire), slot.utc_ns.load(std::memory_order_acquire),
          slot.ns_per_tick.load(std::memory_order_acquire)};
}

int64_t Clock::at(uint64_t now_ticks) const {
  if (const std::optional<int64_t> said = said_at(now_ticks)) return *said;
  return load(version_.load(std::memory_order_acquire) / 2 - 1).at(now_ticks);
}

std::optional<int64_t> Clock::said_at(uint64_t now_ticks) const {
  for (;;) {
    const uint64_t number = version_.load(std::memory_order_acquire) / 2;
    const ClockSegment newest = load(number);
    if (version_.load(std::memory_order_acquire) > 2 * number + 2) continue;  // it was being overwritten
    if (static_cast<int64_t>(now_ticks - newest.ticks) >= 0) return newest.at(now_ticks);
    const ClockSegment former = load(number - 1);
    const bool is_overwritten = version_.load(std::memory_order_acquire) > 2 * number;
    if (is_overwritten || static_cast<int64_t>(now_ticks - former.ticks) < 0) return std::nullopt;
    return former.at(now_ticks);
  }
}

void Clock::discipline() {
  const uint64_t before = discipline_.segment().ticks;
  if (static_cast<int64_t>(ticks() - before) < 0) return;  // readers still use the one before it
  const ClockReading reading = read();
  const auto lead_ticks = static_cast<uint64_t>(static_cast<double>(kLeadNs) / discipline_.segment().ns_per_tick);
  discipline_.step(reading, ticks() + lead_ticks);
  if (discipline_.segment().ticks != before) {
    while (ticks() + lead_ticks / 2 > discipline_.segment().ticks) discipline_.postpone(ticks() + lead_ticks);
    publish(discipline_.segment());
  }
  uncertainty_ns_.store(discipline_.uncertainty_ns(), std::memory_order_relaxed);
}

bool Clock::uses_tsc() {
  static const bool invariant = tsc_is_invariant();
  return invariant;
}

uint64_t Clock::ticks() { return uses_tsc() ? __rdtsc() : static_cast<uint64_t>(clock_ns(CLOCK_MONOTONIC_RAW)); }

ClockReading Clock::read() {
  ClockReading best{0, 0, UINT64_MAX};
  for (int attempt = 0; attempt < 8; ++attempt) {
    const uint64_t before = ticks();
    const int64_t utc_ns = clock_ns(CLOCK_REALTIME);
    const uint64_t width = ticks() - before;
    if (width / 2 < best.error_ticks) best = {before + width / 2, utc_ns, width / 2 + 1};
  }
  return best;
}

}  // namespace parallax
