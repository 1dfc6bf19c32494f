// The configuration's defaults, all in one place. What the file does not say stays as it is here.
#pragma once

#include "parallax/v1/config.pb.h"

namespace parallax {

v1::Config default_config();
// What an element of a list does not say; the lists themselves have none by default.
void set_element_defaults(v1::Config& config);

}  // namespace parallax
