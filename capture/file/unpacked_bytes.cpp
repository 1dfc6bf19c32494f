#include "capture/file/unpacked_bytes.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace parallax {
namespace {

class PlainBytes : public UnpackedBytes {
 public:
  explicit PlainBytes(StoredBytes stored) : UnpackedBytes(std::move(stored)) {}
  size_t read(std::span<uint8_t> out) override {
    const std::span<const uint8_t> there = stored_.available();
    if (there.empty()) return stored_.read(out);
    const size_t count = std::min(there.size(), out.size());
    std::memcpy(out.data(), there.data(), count);
    stored_.consume(count);
    return count;
  }
};

class GzipBytes : public UnpackedBytes {
 public:
  static bool begins(std::span<const uint8_t> bytes) { return bytes.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b; }

  explicit GzipBytes(StoredBytes stored) : UnpackedBytes(std::move(stored)) {
    constexpr int kGzipAlone = 16;
    if (::inflateInit2(&stream_, MAX_WBITS + kGzipAlone) != Z_OK) error_ = "out of memory";
  }
  ~GzipBytes() override { ::inflateEnd(&stream_); }

  size_t read(std::span<uint8_t> out) override {
    stream_.next_out = out.data();
    stream_.avail_out = static_cast<uInt>(out.size());
    while (!is_over_ && error_.empty() && stream_.avail_out == out.size()) step();
    return out.size() - stream_.avail_out;
  }

 private:
  void step() {
    if (stored_.available().empty() && !stored_.fill(1)) {
      is_over_ = true;
      if (stored_.error().empty()) error_ = "the gzip stream ends early";
      return;
    }
    const std::span<const uint8_t> in = stored_.available();
    stream_.next_in = const_cast<Bytef*>(in.data());  // which zlib does not write to
    stream_.avail_in = static_cast<uInt>(in.size());
    const int code = ::inflate(&stream_, Z_NO_FLUSH);
    stored_.consume(in.size() - stream_.avail_in);
    if (code == Z_STREAM_END) {
      begin_next();
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      error_ = std::string("the gzip stream is damaged: ") + (stream_.msg != nullptr ? stream_.msg : ::zError(code));
    }
  }
  // What follows and is not gzip is none of it, as gzip has it.
  void begin_next() {
    stored_.fill(2);
    is_over_ = !begins(stored_.available());
    if (!is_over_) ::inflateReset(&stream_);
  }

  z_stream stream_{};
  bool is_over_ = false;
};

class ZstdBytes : public UnpackedBytes {
 public:
  static bool begins(std::span<const uint8_t> bytes) {
    constexpr uint8_t kFrame[] = {0x28, 0xb5, 0x2f, 0xfd};
    return bytes.size() >= sizeof kFrame && std::equal(std::begin(kFrame), std::end(kFrame), bytes.begin());
  }

  explicit ZstdBytes(StoredBytes stored)
      : UnpackedBytes(std::move(stored)), stream_(::ZSTD_createDStream(), &::ZSTD_freeDStream) {
    if (!stream_) error_ = "out of memory";
  }

  size_t read(std::span<uint8_t> out) override {
    ZSTD_outBuffer unpacked{out.data(), out.size(), 0};
    while (unpacked.pos == 0 && error_.empty()) {
      if (!is_held_back_ && stored_.available().empty() && !stored_.fill(1)) {
        if (is_within_ && stored_.error().empty()) error_ = "the zstd stream ends early";
        return 0;
      }
      const std::span<const uint8_t> in = stored_.available();
      ZSTD_inBuffer packed{in.data(), in.size(), 0};
      const size_t result = ::ZSTD_decompressStream(stream_.get(), &unpacked, &packed);
      if (::ZSTD_isError(result)) error_ = std::string("the zstd stream is damaged: ") + ::ZSTD_getErrorName(result);
      stored_.consume(packed.pos);
      is_within_ = result != 0;
      is_held_back_ = is_within_ && unpacked.pos == unpacked.size;
    }
    return unpacked.pos;
  }

 private:
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream_;
  bool is_within_ = false;     // a frame
  bool is_held_back_ = false;  // there was no room for all that it has unpacked
};

}  // namespace

Result<std::unique_ptr<UnpackedBytes>> UnpackedBytes::open(const std::string& path) {
  Result<StoredBytes> opened = StoredBytes::open(path);
  if (!opened.ok()) return Error{opened.error()};
  StoredBytes stored = std::move(*opened);
  stored.fill(4);
  std::unique_ptr<UnpackedBytes> bytes;
  if (GzipBytes::begins(stored.available())) {
    bytes = std::make_unique<GzipBytes>(std::move(stored));
  } else if (ZstdBytes::begins(stored.available())) {
    bytes = std::make_unique<ZstdBytes>(std::move(stored));
  } else {
    bytes = std::make_unique<PlainBytes>(std::move(stored));
  }
  return bytes;
}

}  // namespace parallax
