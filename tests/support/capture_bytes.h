// Capture files written byte by byte, in either byte order, right or wrong: for tests of the readers.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace parallax::test {

class CaptureBytes {
 public:
  explicit CaptureBytes(bool big_endian) : big_endian_(big_endian) {}

  CaptureBytes& u8(uint8_t v) { return bytes_.push_back(v), *this; }
  CaptureBytes& u16(uint16_t v) { return put(v, 2); }
  CaptureBytes& u32(uint32_t v) { return put(v, 4); }
  CaptureBytes& u64(uint64_t v) { return put(v, 8); }
  CaptureBytes& raw(const std::vector<uint8_t>& v) { return bytes_.insert(bytes_.end(), v.begin(), v.end()), *this; }

  CaptureBytes& pcap_header(uint32_t magic, uint32_t network = 1, uint16_t minor = 4) {
    return u32(magic).u16(2).u16(minor).u32(0).u32(0).u32(65535).u32(network);
  }
  CaptureBytes& pcap_packet(uint32_t seconds, uint32_t fraction, const std::vector<uint8_t>& data, uint32_t wire) {
    return u32(seconds).u32(fraction).u32(static_cast<uint32_t>(data.size())).u32(wire).raw(data);
  }

  CaptureBytes& block(uint32_t type, const CaptureBytes& body) {
    std::vector<uint8_t> padded = body.bytes_;
    padded.resize((padded.size() + 3) & ~size_t{3});
    const auto length = static_cast<uint32_t>(padded.size() + 12);
    return u32(type).u32(length).raw(padded).u32(length);
  }
  CaptureBytes& section() { return block(0x0A0D0D0A, part().u32(0x1A2B3C4D).u16(1).u16(0).u64(~uint64_t{0})); }
  CaptureBytes& interface(uint16_t link_type, uint32_t snaplen, const CaptureBytes& options) {
    return block(1, part().u16(link_type).u16(0).u32(snaplen).raw(options.bytes_));
  }
  CaptureBytes& interface(uint16_t link_type = 1, uint32_t snaplen = 0) { return interface(link_type, snaplen, part()); }
  CaptureBytes& option(uint16_t code, const std::vector<uint8_t>& value) {
    u16(code).u16(static_cast<uint16_t>(value.size())).raw(value);
    bytes_.resize((bytes_.size() + 3) & ~size_t{3});
    return *this;
  }
  CaptureBytes& enhanced(uint32_t interface, uint64_t stamp, const std::vector<uint8_t>& data, uint32_t wire) {
    return block(6, part()
                        .u32(interface)
                        .u32(static_cast<uint32_t>(stamp >> 32))
                        .u32(static_cast<uint32_t>(stamp))
                        .u32(static_cast<uint32_t>(data.size()))
                        .u32(wire)
                        .raw(data));
  }
  CaptureBytes& simple(const std::vector<uint8_t>& data, uint32_t wire) { return block(3, part().u32(wire).raw(data)); }
  CaptureBytes& old_packet(uint16_t interface, uint64_t stamp, const std::vector<uint8_t>& data, uint32_t wire) {
    return block(2, part()
                        .u16(interface)
                        .u16(0)
                        .u32(static_cast<uint32_t>(stamp >> 32))
                        .u32(static_cast<uint32_t>(stamp))
                        .u32(static_cast<uint32_t>(data.size()))
                        .u32(wire)
                        .raw(data));
  }

  CaptureBytes part() const { return CaptureBytes(big_endian_); }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  CaptureBytes& put(uint64_t v, int size) {
    for (int i = 0; i < size; ++i) bytes_.push_back(static_cast<uint8_t>(v >> 8 * (big_endian_ ? size - 1 - i : i)));
    return *this;
  }

  bool big_endian_;
  std::vector<uint8_t> bytes_;
};

// A file of these bytes that is gone with the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::vector<uint8_t>& bytes) {
    const char* directory = std::getenv("TMPDIR");
    path_ = std::string(directory ? directory : "/tmp") + "/parallax_test_XXXXXX";
    const int fd = ::mkstemp(path_.data());
    if (fd < 0) std::abort();
    std::FILE* file = ::fdopen(fd, "wb");
    if (!bytes.empty() && std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size()) std::abort();
    std::fclose(file);
  }
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace parallax::test
