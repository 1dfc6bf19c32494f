#include "daemon/run/access_log_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "analysis/protocol/access_log_reader.h"
#include "capture/file/file_buffer.h"

namespace parallax {
namespace {

constexpr size_t kLineMax = 64 << 10;

constexpr const char* kFormatsKnown =
    "known are the common and combined formats of Apache and nginx, haproxy's HTTP log, and W3C extended (IIS)";

void read_lines(FileBuffer& buffer, AccessLogReader& reader) {
  bool is_overlong = false;  // of a line too long its beginning has gone already
  while (buffer.size() > 0 || buffer.refill(1)) {
    const char* begin = reinterpret_cast<const char*>(buffer.data());
    const auto* end = static_cast<const char*>(std::memchr(begin, '\n', std::min(buffer.size(), kLineMax)));
    if (end == nullptr && buffer.size() < kLineMax && buffer.refill(std::min(kLineMax, buffer.size() + 1))) continue;
    const size_t length = end != nullptr ? static_cast<size_t>(end - begin) : std::min(buffer.size(), kLineMax);
    if (end == nullptr && length == kLineMax) {
      is_overlong = true;
    } else if (is_overlong) {
      reader.add_overlong();
      is_overlong = false;
    } else {
      reader.add({reinterpret_cast<const char*>(buffer.data()), length});
    }
    buffer.consume(length + (end != nullptr));
  }
  if (is_overlong) reader.add_overlong();
}

}  // namespace

Result<AccessLog> read_access_log(const std::string& path) {
  Result<FileBuffer> buffer = FileBuffer::open(path);
  if (!buffer.ok()) return Error{buffer.error()};
  AccessLogReader reader;
  read_lines(*buffer, reader);
  AccessLog log = reader.finish();
  log.file = path;
  if (log.format == AccessLogFormat::unknown && log.malformed > 0)
    return Error{
        fmt::format("{}:{}: no access log, or of a format that is not known: {}", path, log.first_malformed_line, kFormatsKnown)};
  if (!buffer->error().empty()) log.warning = fmt::format("{}: {}; read up to there", path, buffer->error());
  return log;
}

}  // namespace parallax
