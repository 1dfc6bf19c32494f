// The file that the spool's writer is at: appends that go in whole or not at all, past the page cache where that can be.
//
// The writer's thread alone. A plain append takes any bytes, and the kernel is told to write them back at once. A direct one
// (O_DIRECT) takes whole disk blocks from aligned memory, returns when the disk has them, and leaves no page behind: it costs
// less processor time than a plain one, and no other program finds its pages pushed out (docs/decisions/0019). What one
// descriptor wrote, the other, and every reader, sees at once: the kernel keeps them apart by page.
#pragma once

#include <cstdint>
#include <span>

namespace parallax {

class SpoolOutput {
 public:
  // Of memory, size and place of a direct append; no disk has larger logical blocks.
  static constexpr uint64_t kAlignment = 4096;

  SpoolOutput() = default;
  ~SpoolOutput() { close(); }
  SpoolOutput(const SpoolOutput&) = delete;

  // Takes `fd` of an empty file. `direct`: try it; file systems that have none say so here or at the first append.
  void open(int fd, bool direct);
  void close();
  bool is_open() const { return fd_ >= 0; }
  bool is_direct() const { return direct_fd_ >= 0; }
  uint64_t bytes() const { return bytes_; }

  // False: `error` (an errno) says why, and the file is as long as before, but where why_not_cut() has an errno.
  bool append(std::span<const uint8_t> bytes, int& error);
  // The same; where the file system refuses it, as a plain one from then on. REQUIRES: is_direct(); bytes(), and address and size
  // of `bytes`, are multiples of kAlignment.
  bool append_direct(std::span<const uint8_t> bytes, int& error);
  // 0, or why a part that went in could not be cut off again.
  int why_not_cut() const { return why_not_cut_; }

 private:
  bool write_whole(int fd, std::span<const uint8_t> bytes, int& error);

  int fd_ = -1, direct_fd_ = -1;
  int why_not_cut_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace parallax
