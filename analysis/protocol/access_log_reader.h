// Access logs out of their lines: the common and combined formats of Apache and nginx, haproxy's HTTP log, W3C extended (IIS).
//
// The first lines decide which format it is: a table of formats, each with a parser of one line (access_log_formats.h). What
// names the client behind a proxy is found by what stands in the fields, for a log does not say which field is which: an extra
// quoted field, or a captured header of haproxy's, of which most values are lists of addresses; in W3C the column's name says it.
// Lines are a stranger's: what does not parse is counted and passed over. One thread; no I/O.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/model/access_log.h"
#include "analysis/protocol/access_log_formats.h"

namespace parallax {

class AccessLogReader {
 public:
  static constexpr size_t kEntriesMax = 1 << 20;

  // Without its end of line. In the order of the file.
  void add(std::string_view line);
  // One that was too long to be handed over whole.
  void add_overlong() { ++line_, ++log_.lines, note_malformed(); }
  // What there was. Nothing may be added after it.
  AccessLog finish();

 private:
  struct Slot {
    uint64_t lists = 0, others = 0;  // values that are lists of addresses, and that are neither that nor "-"
  };
  struct SlotValue {
    size_t entry;
    uint8_t slot;
    std::string list;
  };
  void note_malformed();
  void take(LogLine& line);
  int client_slot() const;

  AccessLog log_;
  W3cFields w3c_;
  uint64_t line_ = 0;
  uint64_t with_user_agent_ = 0;
  std::map<uint8_t, Slot> slots_;
  std::vector<SlotValue> values_;
  bool peers_named_ = false, column_named_ = false;
};

}  // namespace parallax
