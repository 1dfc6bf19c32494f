// `parallax` as an extcap program (extcap(4)): a sensor is an interface in Wireshark's list, and a capture on it is a slice.
//
// Wireshark calls whatever is in its extcap folder, there a symbolic link to `parallax`. Only the protocol's lines go to `out`,
// which is Wireshark's; what fails is one sentence on `err`, which Wireshark shows, and exit code 1.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

namespace parallax {

// `arguments`: without the program's name. Whether the call is Wireshark's.
bool is_extcap_call(const std::vector<std::string>& arguments);
int extcap(const std::vector<std::string>& arguments, std::FILE* out, std::FILE* err);

}  // namespace parallax
