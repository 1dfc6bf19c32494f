// How many lines of one kind the log takes within a while, and what it has not taken.
//
// Pure; whoever owns it keeps threads apart. The clock is the caller's.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace parallax {

enum class LogLevel { error = 3, warning = 4, notice = 5, info = 6 };  // syslog(3)'s numbers

class LogLimit {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr uint64_t kLinesMax = 20;
  static constexpr std::chrono::seconds kWhile{30};  // from the first of its lines on

  struct Suppressed {
    std::string kind;
    uint64_t lines = 0;
    LogLevel worst = LogLevel::info;  // of those
    std::string last;                 // the text of the last one
  };

  // False: it is not to be written, and is counted.
  bool admits(std::string_view kind, LogLevel level, std::string_view text, Clock::time_point now) {
    const auto found = kinds_.try_emplace(std::string(kind), State(now)).first;
    State& state = found->second;
    if (state.suppressed.lines == 0 && now - state.since >= kWhile) state = State(now);
    if (state.written < kLinesMax) {
      ++state.written;
      return true;
    }
    ++state.suppressed.lines;
    state.suppressed.worst = std::min(state.suppressed.worst, level);
    state.suppressed.last = text;
    return false;
  }

  // Of the kinds whose while is over, or of all, each once.
  std::vector<Suppressed> take(Clock::time_point now, bool all) {
    std::vector<Suppressed> taken;
    for (auto at = kinds_.begin(); at != kinds_.end();) {
      const bool is_over = all || now - at->second.since >= kWhile;
      if (is_over && at->second.suppressed.lines > 0) {
        taken.push_back(at->second.suppressed);
        taken.back().kind = at->first;
      }
      at = is_over ? kinds_.erase(at) : std::next(at);
    }
    return taken;
  }

 private:
  struct State {
    explicit State(Clock::time_point now) : since(now) {}
    Clock::time_point since;
    uint64_t written = 0;
    Suppressed suppressed;
  };
  std::map<std::string, State> kinds_;  // as many as there are formats in the program, and kinds of findings
};

}  // namespace parallax
