#include "daemon/message/record_sink.h"

#include <array>
#include <cerrno>
#include <cstring>

#include "daemon/message/json.h"

namespace parallax {

void JsonLines::add(const v1::Record& record) {
  line_.clear();
  append_json(record, line_);
  line_ += '\n';
  std::fwrite(line_.data(), 1, line_.size(), out_);  // whether all went well is asked once at the end, of `out`
}

void HeldLines::add(const v1::Record& record) {
  if (!file_) file_.reset(std::tmpfile());
  if (!file_) {
    error_ = std::strerror(errno);
    return;
  }
  JsonLines(file_.get()).add(record);
}

std::string HeldLines::write_to(FILE* out) {
  if (!file_) return error_;
  if (std::fflush(file_.get()) != 0 || std::ferror(file_.get()) != 0) return std::strerror(errno);
  std::rewind(file_.get());
  std::array<char, 1 << 16> bytes;
  while (const size_t count = std::fread(bytes.data(), 1, bytes.size(), file_.get())) std::fwrite(bytes.data(), 1, count, out);
  return std::ferror(file_.get()) != 0 ? std::strerror(errno) : "";
}

}  // namespace parallax
