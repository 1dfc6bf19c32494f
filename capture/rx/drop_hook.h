// A test hook: packets dropped inside the sensor on purpose, to prove that no device is blamed for them.
//
// Never set in operation. A rule is asked by rx workers for each packet, and must be safe to call from several threads.
// What it drops is reported like any other loss of the sensor: counted (DropReason::test) and in the port's loss log.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "capture/core/packet_source.h"
#include "capture/core/port.h"
#include "capture/core/result.h"

namespace parallax {

// Where the packet is lost: before anything saw it, or between decoding and the ring to the analysis worker.
enum class DropStage : uint8_t { nic, ring };

using DropHook = std::function<bool(DropStage, PortIndex, const RawPacket&)>;

// Test hook of the environment, read by parallaxd and the lab's tests: PARALLAX_TEST_DROP.
inline constexpr char kDropHookVariable[] = "PARALLAX_TEST_DROP";

// "stage=nic|ring|thread, port=NAME|*, one_in=N, seed=S" (commas between, any order; defaults nic, *, 100, 1): drops about one
// packet in N, chosen by a hash of the seed, the port and the frame's number, so that a run can be repeated. With stage=thread
// the packet takes its rx worker's thread with it, by an exception.
// `ports` are the names by PortIndex.
Result<DropHook> parse_drop_hook(const std::string& text, const std::vector<std::string>& ports);

}  // namespace parallax
