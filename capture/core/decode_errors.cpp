#include "capture/core/decode_errors.h"

namespace parallax {

namespace {
struct Words {
  std::string_view name, text;
};
constexpr Words kWords[] = {
#define X(name, text) {#name, text},
#include "capture/core/decode_errors.def"
#undef X
};
}  // namespace

std::string_view decode_error_name(DecodeError error) { return kWords[static_cast<size_t>(error)].name; }
std::string_view decode_error_text(DecodeError error) { return kWords[static_cast<size_t>(error)].text; }

}  // namespace parallax
