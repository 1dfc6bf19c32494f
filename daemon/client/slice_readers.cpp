#include "daemon/client/slice_readers.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <list>
#include <optional>
#include <thread>
#include <vector>

#include "daemon/client/interrupt.h"
#include "daemon/client/listen_socket.h"
#include "daemon/client/slice_text.h"
#include "daemon/message/text_table.h"

namespace parallax {
namespace {

constexpr int kExitFailed = 1, kExitUsage = 2;
constexpr size_t kAtOnceBytes = 64 << 10;
constexpr int kTurnsAtOnce = 16;     // pieces of that size for one reader before the next one's turn
constexpr int kAcknowledgedMs = 20;  // how often it is asked whether a reader has all of it
constexpr int kWaitMs = 1000;

// What has been pulled so far. One thread appends, another one reads.
class PulledSlice {
 public:
  PulledSlice() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    const char* place = std::getenv("TMPDIR");
    directory_ = place == nullptr || *place == '\0' ? "/tmp" : place;
    file_ = ::open(directory_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file_ >= 0) return;
    std::string name = directory_ + "/parallax-slice-XXXXXX";  // of file systems that have no files without a name
    file_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (file_ >= 0) ::unlink(name.c_str());
    if (file_ < 0) error_ = std::strerror(errno);
  }
  ~PulledSlice() {
    if (file_ >= 0) ::close(file_);
    ::close(wake_);
  }
  PulledSlice(const PulledSlice&) = delete;
  PulledSlice& operator=(const PulledSlice&) = delete;

  // The puller's. False: error() says why.
  bool append(std::string_view data) {
    while (!data.empty()) {
      const ssize_t written = ::pwrite(file_, data.data(), data.size(), static_cast<off_t>(bytes_.load()));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        error_ = std::strerror(errno);
        return false;
      }
      data.remove_prefix(static_cast<size_t>(written));
      bytes_ += static_cast<uint64_t>(written);
    }
    wake();
    return true;
  }
  void end(bool whole) {
    (whole ? whole_ : failed_) = true;
    wake();
  }

  // Any thread.
  uint64_t bytes() const { return bytes_; }
  bool is_whole() const { return whole_; }
  bool has_failed() const { return failed_; }
  int handle() const { return file_; }
  int wake_handle() const { return wake_; }
  // Before the pull, or once it has ended; empty: nothing is wrong with the file.
  std::string error() const { return error_.empty() ? "" : fmt::format("cannot keep the slice in {}: {}", directory_, error_); }

 private:
  void wake() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
  }

  std::string directory_, error_;
  int file_ = -1;
  const int wake_;
  std::atomic<uint64_t> bytes_{0};
  std::atomic<bool> whole_{false}, failed_{false};
};

using Clock = std::chrono::steady_clock;

struct Reader {
  int handle;
  std::string name;
  uint64_t given = 0;
  Clock::time_point moved = Clock::now();
  bool told_all = false;  // all of it is with the system, which may still have to hand it over
};

class SliceReaders {
 public:
  SliceReaders(PulledSlice& slice, ListenSocket& socket, const SliceListen& listen, std::FILE* err)
      : slice_(slice), socket_(socket), listen_(listen), err_(err) {}
  ~SliceReaders() {
    for (const Reader& reader : readers_) ::close(reader.handle);
  }

  // Until every reader has had it, the pull has failed, or it is interrupted.
  void run(const Interrupt& interrupt) {
    while (!is_done() && !interrupt.has_come()) {
      if (slice_.has_failed() && no_reader_is_behind()) return give_up();
      wait(interrupt);
      if (!slice_.has_failed()) accept_readers();
      std::erase_if(readers_, [this](Reader& reader) { return !serve(reader); });
    }
  }

  uint64_t whole() const { return whole_; }
  uint64_t lacking() const { return lacking_ + readers_.size(); }

 private:
  bool is_done() const { return listen_.readers != 0 && accepted_ == listen_.readers && readers_.empty(); }
  bool wants_more() const {
    return (listen_.readers == 0 || accepted_ < listen_.readers) && readers_.size() < SliceListen::kAtOnceMax;
  }
  bool no_reader_is_behind() const {
    return std::all_of(readers_.begin(), readers_.end(), [&](const Reader& reader) { return reader.given == slice_.bytes(); });
  }

  // The slice will not become whole: readers hear a reset, not the end of a file.
  void give_up() {
    for (const Reader& reader : readers_) {
      const linger at_once{1, 0};
      ::setsockopt(reader.handle, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      say(reader, "was cut off: the slice is not whole");
      ::close(reader.handle);
      ++lacking_;
    }
    readers_.clear();
  }

  void wait(const Interrupt& interrupt) {
    std::vector<pollfd> waiting{{interrupt.handle(), POLLIN, 0}, {slice_.wake_handle(), POLLIN, 0}};
    int timeout_ms = kWaitMs;
    if (wants_more() && !slice_.has_failed()) waiting.push_back({socket_.handle(), POLLIN, 0});
    for (const Reader& reader : readers_) {
      const bool is_behind = reader.given < slice_.bytes();
      waiting.push_back({reader.handle, static_cast<short>(is_behind ? POLLOUT : 0), 0});
      if (reader.told_all) timeout_ms = kAcknowledgedMs;
    }
    ::poll(waiting.data(), waiting.size(), timeout_ms);
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t taken = ::read(slice_.wake_handle(), &count, sizeof count);
  }

  void accept_readers() {
    while (wants_more()) {
      sockaddr_storage address{};
      socklen_t length = sizeof address;
      const int handle =
          ::accept4(socket_.handle(), reinterpret_cast<sockaddr*>(&address), &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (handle < 0) return;
      ++accepted_;
      readers_.push_back({handle, socket_address_text(address)});
      say(readers_.back(), "reads the slice");
    }
  }

  // False: it is through with it, or it has gone.
  bool serve(Reader& reader) {
    for (int turn = 0; turn < kTurnsAtOnce && reader.given < slice_.bytes(); ++turn) {
      const size_t size = std::min<uint64_t>(buffer_.size(), slice_.bytes() - reader.given);
      const ssize_t read = ::pread(slice_.handle(), buffer_.data(), size, static_cast<off_t>(reader.given));
      if (read <= 0) return lost(reader, fmt::format("the pulled slice cannot be read: {}", std::strerror(errno)));
      const ssize_t sent = ::send(reader.handle, buffer_.data(), static_cast<size_t>(read), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && errno != EAGAIN && errno != EINTR) return lost(reader, "went away");
      if (sent < 0) break;
      reader.given += static_cast<uint64_t>(sent);
      reader.moved = Clock::now();
    }
    pollfd state{reader.handle, 0, 0};
    if (::poll(&state, 1, 0) == 1 && (state.revents & (POLLERR | POLLHUP)) != 0 && !has_all(reader))
      return lost(reader, "went away");
    if (reader.given < slice_.bytes() || (reader.told_all && unacknowledged(reader) > 0)) {
      if (Clock::now() - reader.moved < listen_.stall_max) return true;
      return lost(reader, fmt::format("has taken nothing for {} s and was cut off", listen_.stall_max.count()));
    }
    if (!slice_.is_whole()) {
      reader.moved = Clock::now();  // it waits for us
      return true;
    }
    if (!reader.told_all) {
      reader.told_all = true;
      ::shutdown(reader.handle, SHUT_WR);
      return true;
    }
    ++whole_;
    say(reader, fmt::format("has the whole slice: {} bytes", count_text(reader.given)));
    ::close(reader.handle);
    return false;
  }

  int unacknowledged(const Reader& reader) const {
    int bytes = 0;
    return ::ioctl(reader.handle, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
  }
  bool has_all(const Reader& reader) const { return reader.told_all && unacknowledged(reader) == 0; }

  bool lost(const Reader& reader, const std::string& what) {
    ++lacking_;
    say(reader, fmt::format("{}, after {} of {} bytes{}", what, count_text(reader.given), count_text(slice_.bytes()),
                            slice_.is_whole() ? "" : " so far"));
    ::close(reader.handle);
    return false;
  }
  void say(const Reader& reader, const std::string& what) const {
    fmt::print(err_, "parallax: {} {}\n", reader.name, what);
    std::fflush(err_);
  }

  PulledSlice& slice_;
  ListenSocket& socket_;
  const SliceListen& listen_;
  std::FILE* const err_;
  std::list<Reader> readers_;
  uint64_t accepted_ = 0, whole_ = 0, lacking_ = 0;
  std::array<char, kAtOnceBytes> buffer_{};
};

// What the readers' side of it comes to.
ClientOutcome outcome_of(const SliceReaders& readers, const SliceListen& listen, bool is_whole, bool interrupted,
                         std::FILE* err) {
  const uint64_t came = readers.whole() + readers.lacking();
  fmt::print(err, "parallax: {} of {} readers had the whole slice\n", readers.whole(),
             interrupted && listen.readers != 0 ? listen.readers : came);
  if (!is_whole) return {kExitFailed, "interrupted before the slice was whole"};
  if (interrupted && listen.readers != 0) return {kExitFailed, "interrupted before every reader had the slice"};
  if (readers.lacking() > 0) return {kExitFailed, "not every reader had the whole slice"};
  return {};
}

}  // namespace

ClientOutcome serve_slice(SensorClient& client, const v1::PullSliceRequest& request, const SliceListen& listen, std::FILE* err) {
  Result<ListenSocket> socket = ListenSocket::open(listen.address);
  if (!socket) return {socket.error().starts_with("--listen") ? kExitUsage : kExitFailed, socket.error()};
  PulledSlice slice;
  if (!slice.error().empty()) return {kExitFailed, slice.error()};
  const Interrupt interrupt;
  fmt::print(err, "parallax: listening on {}: for example `wireshark -k -i TCP@{}`\n", socket->text(), socket->text());
  if (!socket->is_loopback())
    fmt::print(err, "parallax: whoever reaches that address is given the packets, unencrypted, and is not asked who it is\n");
  std::fflush(err);

  ClientOutcome pulled;
  std::optional<v1::SliceSummary> summary;
  std::atomic<bool> wanted{true};
  std::thread puller([&] {
    pulled = client.slice(
        request, [&](const std::string& data) { return wanted && slice.append(data); }, summary);
    if (pulled.exit_code == 0 && summary) fmt::print(err, "{}", slice_text(*summary, request.filter()));
    slice.end(pulled.exit_code == 0 && summary.has_value());
  });
  SliceReaders readers(slice, *socket, listen, err);
  readers.run(interrupt);
  wanted = false;
  if (!slice.is_whole()) client.cancel();
  puller.join();
  if (!slice.error().empty()) return {kExitFailed, slice.error()};
  const bool interrupted = interrupt.has_come();
  if (pulled.exit_code != 0 && !interrupted) {
    if (readers.lacking() > 0) pulled.error += fmt::format(" ({} readers were given its beginning)", readers.lacking());
    return pulled;
  }
  return outcome_of(readers, listen, slice.is_whole(), interrupted, err);
}

}  // namespace parallax
