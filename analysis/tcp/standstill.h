// What stands still on a leg: data that its sender sends again and again while the other side acknowledges nothing new, and a
// window that stays closed while data waits for it; a peer that says nothing to keep-alives until their sender gives up. And what
// else of a direction is told once, with the leg's summary.
//
// A part of a leg's TcpTrouble, touched by nothing but what goes the slow path; while something stands still every packet of
// the leg does (leg_flag::standing). Times are milliseconds modulo 2^32 (49 days).
#pragma once

#include <cstdint>
#include <optional>
#include <type_traits>

#include "analysis/model/sides.h"

namespace parallax {

struct LegHot;
struct Sighting;
struct TcpFlow;

enum class StandstillKind : uint8_t { none, in_vain, window_closed, unanswered };
enum class StandstillEnd : uint8_t { lasts, over, reset_by_client, reset_by_server };

// As it is told to the correlator.
struct StandstillMark {
  int64_t since_ns = 0,
          until_ns = 0;      // when the data was first sent, when the window closed; while it lasts, the last packet of it
  uint32_t seq = 0;          // in vain: the first number that was not acknowledged
  uint16_t times = 0;        // in vain: how often it was sent again; else probes of the window, keep-alives
  Side side = Side::client;  // who sends in vain, whose keep-alives; whose window is closed
  StandstillKind kind = StandstillKind::none;
  StandstillEnd end = StandstillEnd::lasts;

  bool any() const { return kind != StandstillKind::none; }
  int64_t length_ns() const { return until_ns - since_ns; }
  bool is_reset() const { return end == StandstillEnd::reset_by_client || end == StandstillEnd::reset_by_server; }
};
static_assert(std::is_trivially_copyable_v<StandstillMark>);

struct Standstill {
  struct Half {
    uint32_t acked;               // by the peer, when the data was first sent again
    uint32_t since_ms, again_ms;  // when it was first sent, and last
    uint32_t closed_ms;           // since when the side's window is closed
    uint16_t times;               // sent again; 0: nothing stands still
    uint16_t probes;              // of the closed window
    uint16_t needless;            // segments that it sent though their bytes had arrived
    bool is_closed;
  };
  PerSide<Half> half;
  // Keep-alives of one side since the other one has last said anything.
  uint32_t keep_alive_ms;  // the first of them
  uint8_t keep_alives;     // 0: none
  Side keep_alives_of;
};

namespace standstill {

// What is shorter, or was sent again but once, is a retransmission like others.
inline constexpr uint32_t kToldMs = 1000;
inline constexpr uint16_t kTimesLeast = 2;
// So many keep-alives without an answer, and the peer is gone: the fewest that people configure.
inline constexpr uint16_t kKeepAlivesLeast = 3;

// A packet that the leg's slow path has taken in, with its labels. `sent_us`: when data of that side came last before it;
// `sent_again`: it is no copy, and holds what came before. What has ended with it, if that was long enough.
std::optional<StandstillMark> take(TcpFlow& flow, LegHot& hot, const Sighting& s, Side from, uint32_t labels, bool sent_again,
                                   uint32_t sent_us);
// A segment of that side has arrived twice.
void note_needless(TcpFlow& flow, Side sender);
// What lasts when the leg is reported.
StandstillMark lasting(const TcpFlow& flow, const LegHot& hot);

}  // namespace standstill
}  // namespace parallax
