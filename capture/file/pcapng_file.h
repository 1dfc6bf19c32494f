// pcapng (IETF draft-ietf-opsawg-pcapng; layout in capture/file/pcapng_format.h): sections, interfaces and three kinds of packet
// block; other blocks are passed over. For CaptureFile::open().
#pragma once

#include <memory>

#include "capture/file/capture_file.h"

namespace parallax {

class PcapngFile : public CaptureFile {
 public:
  // Whether a file that begins with these four bytes is one.
  static bool is_one(const uint8_t* magic);
  static Result<std::unique_ptr<CaptureFile>> make(FileBuffer buffer);
  const char* format() const override { return "pcapng"; }

 protected:
  Step step(Found& found) override;

 private:
  explicit PcapngFile(FileBuffer buffer) : CaptureFile(std::move(buffer)) {}

  Step take_section(const uint8_t* body, uint32_t size);
  Step take_interface(const uint8_t* body, uint32_t size);
  Step take_option(uint16_t code, const uint8_t* value, uint16_t length, Interface& interface);
  Step take_enhanced_packet(const uint8_t* body, uint32_t size, Found& found);
  Step take_simple_packet(const uint8_t* body, uint32_t size, Found& found);
  Step take_old_packet(const uint8_t* body, uint32_t size, Found& found);
  // `interface` within the section; nullopt: no stamp.
  Step take_packet(uint32_t interface, std::optional<uint64_t> stamp, const uint8_t* data, uint32_t captured, uint32_t wire,
                   uint32_t room, Found& found);

  size_t section_interface_ = 0;  // the first one of this section
  int64_t newest_ns_ = 0;         // of the last packet: simple packets have no stamp of their own
};

}  // namespace parallax
