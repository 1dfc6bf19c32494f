// What the client commands print for people: the API's messages as tables and lines.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/message/text_table.h"
#include "parallax/v1/sensor.pb.h"

namespace parallax {

std::string status_text(const v1::Status& status);

TextTable finding_table();
void add_row(const v1::Finding& finding, TextTable& table);
std::string finding_line(const v1::Finding& finding);  // for --follow, where no table can be aligned; with its newline
std::string dropped_text(uint64_t count);              // of findings that --follow was never given

TextTable connection_table();
void add_row(const v1::Connection& connection, TextTable& table);

// A device takes several lines: its transit, what it changes, the first of its address map.
std::string device_text(const v1::Device& device);

}  // namespace parallax
