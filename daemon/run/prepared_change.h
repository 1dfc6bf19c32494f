// What a reload is to change of a part of the daemon: certificates, roles and limits of the API; the log of connections; the
// webhook. Nothing is before take() is called, which cannot fail.
#pragma once

#include <functional>
#include <vector>

#include "config/checks.h"
#include "parallax/v1/config.pb.h"

namespace parallax {

struct PreparedChange {
  std::vector<ConfigProblem> problems;  // not empty: it is refused
  std::function<void()> take;           // null: there is nothing to change
};
using PrepareAccess = std::function<PreparedChange(const v1::ApiConfig&)>;

}  // namespace parallax
