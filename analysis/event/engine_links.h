// The rings and clocks between the stages of one engine. Made before the stages, and outliving them.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "analysis/event/events.h"
#include "analysis/event/recognition.h"
#include "analysis/model/engine_options.h"
#include "capture/core/outbox.h"
#include "capture/core/port.h"
#include "capture/core/spsc_ring.h"

namespace parallax {

struct alignas(64) WorkerProgress {
  std::atomic<int64_t> done_ns{kTimeMin};  // everything before is processed and what came of it is in the rings
  // Everything released to a home before it is in the rings. Behind done_ns where the correlator may still decide on pairings
  // that take effect before that: their logs are released then.
  std::atomic<int64_t> forwarded_ns{kTimeMin};
  std::atomic<bool> legs_closed{false};  // the input has ended, every leg has been closed, and all of it is in the rings
  std::atomic<bool> finished{false};     // so have the pairs; nothing more will come
};

// How many of a kind wait for room in a ring, live. What ends or pairs something must find room: so each bound follows from how
// many legs can be open, and pairs, of which a worker is home to as many as it has legs.
namespace waiting_max {
constexpr size_t live(const EngineOptions& options, size_t bound) { return options.offline ? Fifo<int>::kUnbounded : bound; }
constexpr size_t legs(const EngineOptions& options) { return std::max<size_t>(options.legs, 64); }
// The end of each leg that the correlator knows of, and as many again of what happens to them before.
constexpr size_t leg_events(const EngineOptions& options) { return live(options, 2 * legs(options)); }
// The end of each pair (its number is not given out again before), and some of what became of packets.
constexpr size_t fate_events(const EngineOptions& options) { return live(options, legs(options) + 4096); }
// The begin and the end of a leg for each pair of the home.
constexpr size_t markers(const EngineOptions& options) { return 2 * legs(options); }
// The opening and a join for each pair whose home the worker is, and joins of its legs to pairs elsewhere, on both sides.
constexpr size_t pairing_commands(const EngineOptions& options) { return 4 * legs(options); }
// And some that may be lost: see PairHomes::leave().
constexpr size_t commands(const EngineOptions& options) { return live(options, pairing_commands(options) + 4096); }
}  // namespace waiting_max

struct EngineLinks {
  static constexpr size_t kRecognitionSlots = 1024;  // 512 KiB: four events a connection are the most that is common

  EngineLinks(size_t workers, size_t event_slots, size_t forward_slots) : progress(workers) {
    for (size_t i = 0; i < workers; ++i) {
      leg_events.push_back(std::make_unique<SpscRing<LegEvent>>(event_slots));
      fate_events.push_back(std::make_unique<SpscRing<FateEvent>>(event_slots));
      recognitions.push_back(std::make_unique<SpscRing<RecognitionEvent>>(kRecognitionSlots));
      commands.push_back(std::make_unique<SpscRing<Command>>(event_slots));
      for (size_t j = 0; j < workers; ++j) forward.push_back(std::make_unique<SpscRing<PairSighting>>(forward_slots));
    }
  }
  size_t workers() const { return progress.size(); }
  SpscRing<PairSighting>& forward_ring(size_t from, size_t to) { return *forward[from * workers() + to]; }

  std::vector<WorkerProgress> progress;
  std::atomic<int64_t> correlator_done_ns{kTimeMin};  // every leg event before it has been decided on
  std::vector<std::unique_ptr<SpscRing<LegEvent>>> leg_events;
  std::vector<std::unique_ptr<SpscRing<FateEvent>>> fate_events;
  std::vector<std::unique_ptr<SpscRing<RecognitionEvent>>> recognitions;
  std::vector<std::unique_ptr<SpscRing<Command>>> commands;
  std::vector<std::unique_ptr<SpscRing<PairSighting>>> forward;
};

}  // namespace parallax
