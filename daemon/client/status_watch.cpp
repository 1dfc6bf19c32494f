#include "daemon/client/status_watch.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "daemon/client/client_text.h"
#include "daemon/client/interrupt.h"
#include "daemon/client/status_rates.h"
#include "daemon/message/json.h"
#include "daemon/message/time_text.h"

namespace parallax {
namespace {

constexpr int kLookMs = 50;

std::string now_text() { return time_text(std::chrono::system_clock::now().time_since_epoch() / std::chrono::seconds(1), 0); }

// As much of the text as the terminal has lines and columns for: what scrolls cannot be overwritten.
std::string fitted(std::string_view text, const winsize& size) {
  std::string fit;
  for (int row = 1; !text.empty() && (size.ws_row == 0 || row < size.ws_row); ++row) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    size_t columns = 0, bytes = 0;
    for (; bytes < line.size(); ++bytes) {
      const bool begins_a_character = (static_cast<unsigned char>(line[bytes]) & 0xc0) != 0x80;
      if (begins_a_character && size.ws_col != 0 && ++columns > size.ws_col) break;
    }
    fit += fmt::format("{}\x1b[K\n", line.substr(0, bytes));  // what was in the rest of the line goes
  }
  return fit;
}

// Where the statuses go.
class Display {
 public:
  explicit Display(std::FILE* out) : out_(out), is_terminal_(::isatty(::fileno(out)) == 1) {
    if (is_terminal_) fmt::print(out_, "\x1b[H\x1b[2J");
  }
  bool is_terminal() const { return is_terminal_; }

  void show(const std::string& text) {
    if (is_terminal_) {
      winsize size{};
      ::ioctl(::fileno(out_), TIOCGWINSZ, &size);
      fmt::print(out_, "\x1b[H{}\x1b[J", fitted(text, size));
    } else {
      fmt::print(out_, "{}{}", any_ ? "\n" : "", text);
    }
    any_ = true;
    std::fflush(out_);
  }
  void line(const std::string& text) {
    fmt::print(out_, "{}\n", text);
    std::fflush(out_);
  }

 private:
  std::FILE* const out_;
  const bool is_terminal_;
  bool any_ = false;
};

// A call that goes on for long does not keep Ctrl-C waiting.
class CallInterrupter {
 public:
  CallInterrupter(SensorClient& client, const Interrupt& interrupt)
      : thread_([this, &client, &interrupt] {
          while (!ended_ && !interrupt.has_come()) std::this_thread::sleep_for(std::chrono::milliseconds(kLookMs));
          client.cancel();
        }) {}
  ~CallInterrupter() {
    ended_ = true;
    thread_.join();
  }
  CallInterrupter(const CallInterrupter&) = delete;
  CallInterrupter& operator=(const CallInterrupter&) = delete;

 private:
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

}  // namespace

ClientOutcome watch_status(SensorClient& client, const StatusWatch& watch, std::FILE* out, std::FILE* err) {
  const Interrupt interrupt;
  const CallInterrupter interrupter(client, interrupt);
  v1::Status before, now;
  ClientOutcome outcome = client.status(before);
  if (outcome.exit_code != 0) return interrupt.has_come() ? ClientOutcome{} : outcome;
  Display display(out);
  const auto show = [&](const v1::Status& status, const std::string& more) {
    watch.json ? display.line(to_json(status)) : display.show(now_text() + "  " + status_text(status) + more);
  };
  // On a terminal the news stand below the last status; elsewhere beside the statuses.
  std::string news;
  const auto tell = [&](const std::string& text) {
    news = text;
    if (!display.is_terminal() || watch.json) fmt::print(err, "parallax: {}: {}\n", now_text(), text);
    std::fflush(err);
  };
  show(before, "");
  bool is_away = false;
  while (true) {
    pollfd waiting{interrupt.handle(), POLLIN, 0};
    ::poll(&waiting, 1, static_cast<int>(watch.interval.count()));
    if (interrupt.has_come()) break;
    now.Clear();
    outcome = client.status(now);
    if (interrupt.has_come()) break;
    if (outcome.exit_code != 0) {
      if (!std::exchange(is_away, true)) tell(outcome.error);
      if (display.is_terminal() && !watch.json)
        show(before, fmt::format("\n{}: not of now: {}\n", now_text(), printable(outcome.error)));
      continue;
    }
    if (std::exchange(is_away, false)) tell("parallaxd answers again");
    if (before.started().SerializeAsString() != now.started().SerializeAsString()) {
      tell(fmt::format("parallaxd was started anew at {}: it counts from there",
                       time_text(now.started().seconds(), now.started().nanos())));
    }
    std::string more = are_of_one_run(before, now) ? '\n' + rates_text(before, now) : "";
    if (display.is_terminal() && !news.empty()) more += '\n' + news + '\n';
    show(now, more);
    before = now;
  }
  if (display.is_terminal()) fmt::print(out, "\n");
  return {};
}

}  // namespace parallax
