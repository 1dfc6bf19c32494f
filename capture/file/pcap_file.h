// Classic pcap (IETF draft-ietf-opsawg-pcap): a header of 24 bytes, then packets, each after a header of 16 (24 where
// Kuznetzov's patch wrote them). For CaptureFile::open().
#pragma once

#include <memory>

#include "capture/file/capture_file.h"

namespace parallax {

class PcapFile : public CaptureFile {
 public:
  // Whether a file that begins with these four bytes is one.
  static bool is_one(const uint8_t* magic);
  static Result<std::unique_ptr<CaptureFile>> make(FileBuffer buffer);
  const char* format() const override { return "pcap"; }

 protected:
  Step step(Found& found) override;

 private:
  void look_for_nanoseconds();
  int64_t fraction_ns(uint32_t fraction);

  explicit PcapFile(FileBuffer buffer) : CaptureFile(std::move(buffer)) {}

  uint32_t packet_header_ = 16;
  uint32_t fraction_ns_ = 1000;  // unit of the second half of a stamp
  bool under_wrong_magic_ = false;
  uint16_t version_minor_ = 4;
};

}  // namespace parallax
