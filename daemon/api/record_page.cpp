#include "daemon/api/record_page.h"

#include <fmt/format.h>

#include <charconv>

namespace parallax {

bool PageToken::parse(const std::string& text, PageToken& token) {
  if (text.empty()) return true;
  const char* const last = text.data() + text.size();
  std::from_chars_result read = std::from_chars(text.data(), last, token.after);
  if (read.ec == std::errc{} && read.ptr != last && *read.ptr == '/') read = std::from_chars(read.ptr + 1, last, token.left);
  return read.ec == std::errc{} && read.ptr == last;
}

std::string PageToken::to_text() const { return left == kAll ? fmt::format("{}", after) : fmt::format("{}/{}", after, left); }

size_t page_size(uint32_t asked) {
  return asked == 0 ? SensorServer::kPageSizeDefault : std::min(asked, SensorServer::kPageSizeMax);
}

}  // namespace parallax
