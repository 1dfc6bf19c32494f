#include "capture/core/port.h"

namespace parallax {

namespace {
constexpr std::string_view kNames[] = {
#define X(name, text) #name,
#include "capture/core/drop_reasons.def"
#undef X
};
}  // namespace

std::string_view drop_reason_name(DropReason reason) { return kNames[static_cast<size_t>(reason)]; }

}  // namespace parallax
