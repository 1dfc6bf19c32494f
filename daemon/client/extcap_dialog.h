// The dialogue of a sensor in Wireshark, in the words of extcap(4). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/client/sensor_client.h"
#include "parallax/v1/types.pb.h"

namespace parallax {

inline constexpr std::string_view kDialogFrom = "10m";  // what is pulled where nothing is chosen
inline constexpr size_t kDialogFindingsMax = 200;       // the newest of this run of the daemon, and as many of earlier ones

// The dialogue's lines, with the sensor's own address and certificates.
std::string dialog_arguments(const ClientOptions& client);
// The lines of its list of findings, the newest first, of which at most kDialogFindingsMax.
std::string finding_values(std::vector<v1::Finding> findings);

}  // namespace parallax
