#include "capture/file/capture_file.h"

#include "capture/core/bytes.h"
#include "capture/file/pcap_file.h"
#include "capture/file/pcapng_file.h"

namespace parallax {

Result<std::unique_ptr<CaptureFile>> CaptureFile::open(const std::string& path, std::optional<uint32_t> only_interface) {
  Result<FileBuffer> buffer = FileBuffer::open(path);
  if (!buffer.ok()) return Error{buffer.error()};
  constexpr size_t kMagic = 4;
  if (!buffer->refill(kMagic)) {
    if (!buffer->error().empty()) return Error{"cannot read " + path + ": " + buffer->error()};
    return Error{
        path + (buffer->size() == 0 ? " is empty" : " is no capture file: it has " + std::to_string(buffer->size()) + " bytes")};
  }
  const uint8_t* p = buffer->data();
  Result<std::unique_ptr<CaptureFile>> file = PcapngFile::is_one(p) ? PcapngFile::make(std::move(*buffer))
                                              : PcapFile::is_one(p)
                                                  ? PcapFile::make(std::move(*buffer))
                                                  : Error{"is neither pcap nor pcapng: it begins with other bytes"};
  if (!file.ok()) return Error{path + " " + file.error()};
  CaptureFile& opened = **file;
  opened.only_interface_ = only_interface;
  if (only_interface.value_or(0) > 0 && dynamic_cast<PcapFile*>(&opened)) {
    return Error{path + " is a pcap file and has one interface, #0; #" + std::to_string(*only_interface) + " was asked for"};
  }
  opened.find_next();
  if (only_interface && opened.finished() && *only_interface >= opened.interfaces_.size()) {
    return Error{path + " has " + std::to_string(opened.interfaces_.size()) + " interfaces, counted from #0; #" +
                 std::to_string(*only_interface) + " was asked for"};
  }
  return file;
}

// The next packet that is wanted, within the buffer; nullopt: more must be read, or there is none.
void CaptureFile::find_next() {
  has_next_ = false;
  while (!finished_) {
    switch (step(next_)) {
      case Step::packet:
        if (only_interface_ && next_.interface != *only_interface_) break;
        has_next_ = true;
        return;
      case Step::other:
        break;
      case Step::incomplete:
        if (!buffer_.at_end()) return;
        [[fallthrough]];
      case Step::damaged:
        end();
        return;
    }
  }
}

size_t CaptureFile::read(std::span<RawPacket> packets, uint32_t* interfaces) {
  if (packets.empty()) return 0;
  if (!has_next_ && !finished_) {  // nothing that was handed out needs the buffer any more
    buffer_.refill(needed_);
    find_next();
  }
  size_t count = 0;
  for (; has_next_ && count < packets.size(); find_next()) {
    packets[count] = next_.packet;
    if (interfaces) interfaces[count] = next_.interface;
    ++count;
  }
  return count;
}

void CaptureFile::end() {
  finished_ = true;
  const std::string at = "byte " + std::to_string(buffer_.offset());
  const std::string packet = "packet " + std::to_string(packets_ + 1);
  if (!damage_.empty()) {
    ending_ = "damaged at " + at + ", before " + packet + ": " + damage_;
  } else if (buffer_.size() > 0) {
    ending_ = "cut in the middle of " + (in_packet_ ? packet + ", which" : "the block before " + packet + ", which") +
              " begins at " + at;
  }
  if (!buffer_.error().empty()) {
    if (ending_.empty()) ending_ = "ends at " + at + ", before " + packet;
    ending_ += " (" + buffer_.error() + ")";
  }
}

std::string CaptureFile::warning() const {
  std::string text = ending_;
  if (first_in_nanoseconds_ != 0) {
    text += std::string(text.empty() ? "" : "; ") + "has more than 999,999 microseconds in the stamp of packet " +
            std::to_string(first_in_nanoseconds_) + "; such stamps are read as nanoseconds, which its magic number denies";
  }
  if (times_bounded_)
    text += std::string(text.empty() ? "" : "; ") + "has stamps more than 146 years from 1970, which were held there";
  return text;
}

uint16_t CaptureFile::file16(const uint8_t* p) const {
  const auto value = load_native<uint16_t>(p);
  return swapped_ ? __builtin_bswap16(value) : value;
}
uint32_t CaptureFile::file32(const uint8_t* p) const {
  const auto value = load_native<uint32_t>(p);
  return swapped_ ? __builtin_bswap32(value) : value;
}
uint64_t CaptureFile::file64(const uint8_t* p) const {
  const auto value = load_native<uint64_t>(p);
  return swapped_ ? __builtin_bswap64(value) : value;
}

int64_t CaptureFile::time_ns(const StampUnit& unit, uint64_t stamp) {
  unsigned __int128 since = static_cast<unsigned __int128>(stamp) * unit.multiply;
  if (unit.divide != 1 || unit.shift != 0) since = (since / unit.divide) >> unit.shift;
  const __int128 time = static_cast<__int128>(since) + unit.offset_ns;  // since < 2^64 * 10^9 < 2^94
  if (time > kTimeNsMax || time < -kTimeNsMax) {
    times_bounded_ = true;
    return time > 0 ? kTimeNsMax : -kTimeNsMax;
  }
  return static_cast<int64_t>(time);
}

}  // namespace parallax
