// What a reload is to change of who may do what: certificates, roles and limits of the API. Nothing is before take() is called,
// which cannot fail.
#pragma once

#include <functional>
#include <vector>

#include "config/checks.h"
#include "parallax/v1/config.pb.h"

namespace parallax {

struct AccessChange {
  std::vector<ConfigProblem> problems;  // not empty: it is refused
  std::function<void()> take;
};
using PrepareAccess = std::function<AccessChange(const v1::ApiConfig&)>;

}  // namespace parallax
