// `parallax doctor`: the appliance looked over as an expert would, by what the daemon's configuration asks of it.
#pragma once

#include <string>
#include <vector>

#include "daemon/doctor/diagnosis.h"
#include "daemon/doctor/machine.h"
#include "parallax/v1/config.pb.h"

namespace parallax {

// Of one matter each, for the chapters of examine(): nothing where the configuration does not ask for it.
void examine_ports(const v1::Config& config, const Machine& machine, Chapter& chapter);
void examine_dpdk(const v1::Config& config, const Machine& machine, Chapter& chapter);
void examine_cores(const v1::Config& config, const Machine& machine, Chapter& chapter);
void examine_clock(const v1::Config& config, const Machine& machine, Chapter& chapter);
void examine_disk(const v1::Config& config, const Machine& machine, Chapter& chapter);

// Chapters without a diagnosis are left out. REQUIRES: check_config() found nothing.
std::vector<Chapter> examine(const v1::Config& config, const Machine& machine);

// For people: a line for each diagnosis, below it what mends it, and a sum at the end.
std::string text_of(const std::vector<Chapter>& chapters);
bool is_anything_wrong(const std::vector<Chapter>& chapters);

}  // namespace parallax
