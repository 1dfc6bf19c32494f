// Which kinds of finding the configuration has turned off, as a sentence for people.
#pragma once

#include <string>

#include "parallax/v1/types.pb.h"

namespace parallax {

// "Not looked for, as configured: arp_burst, slow_client."; empty: all kinds are looked for.
std::string not_looked_for(const v1::Summary& summary);

}  // namespace parallax
