// A capture file as a packet source: the packets of one file, or of one interface of it, in the order of their stamps where these
// make sense (capture/source/time_order.h).
//
// Owned and called by one rx worker.
#pragma once

#include <memory>
#include <string>

#include "capture/core/packet_source.h"
#include "capture/core/result.h"
#include "capture/file/capture_file.h"
#include "capture/source/clock_correction.h"
#include "capture/source/time_order.h"

namespace parallax {

class FileSource : public PacketSource {
 public:
  // `path` may end in #N: interface N alone, counted from 0 (unless a file has that very name).
  static Result<std::unique_ptr<FileSource>> open(const std::string& path);

  // From the next poll on.
  void set_clock(const ClockCorrection& clock) { clock_ = clock; }

  size_t poll(std::span<RawPacket> burst) override;
  // The greatest time so far, the next packet included: a file whose time runs backwards keeps its order.
  int64_t watermark_ns() const override;
  bool finished() const override { return order_.finished(); }
  std::optional<TimeSpan> take_uncertain_time() override;
  bool is_file() const override { return true; }
  std::string warning() const override;
  LinkType link_type() const override;

  const CaptureFile& file() const { return *file_; }

 private:
  FileSource(std::unique_ptr<CaptureFile> file, std::optional<uint32_t> interface)
      : file_(std::move(file)), order_(*file_), interface_(interface) {}

  std::unique_ptr<CaptureFile> file_;
  TimeOrder order_;
  std::optional<uint32_t> interface_;
  int64_t newest_ns_ = kTimeMin;
  ClockCorrection clock_;
  uint64_t unreadable_ = 0;  // packets of link types that Parallax does not read
  LinkType first_unreadable_{};
};

}  // namespace parallax
