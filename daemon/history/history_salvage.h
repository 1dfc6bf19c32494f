// Takes over what can still be read of a damaged history: from its beginning up to where it is damaged, from its end down to
// there, and what was learned of devices. Findings that are not as they were written, or whose run is not known, are left out.
//
// In steps, since a full one takes half a minute and whoever does it has other things to do. The history's thread. It never
// throws for what is wrong with the damaged one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/history/database.h"
#include "daemon/history/history_file.h"

namespace parallax {

class HistorySalvage {
 public:
  // Runs are taken over at once: REQUIRES: nobody recalls from `into` meanwhile. Of other runs than its own no finding from
  // `below_id` on is taken: it may be given again.
  HistorySalvage(const std::string& path, HistoryFile& into, uint64_t below_id);

  // Takes at most so many findings, in one transaction. False: that was all.
  bool step(HistoryFile& into, size_t limit, int64_t now_ns);
  uint64_t taken() const { return taken_; }
  const std::vector<v1::Device>& devices() const { return devices_; }  // that were taken

 private:
  enum class Part { up, down, devices, over };
  void begin(Part part);
  bool next();

  std::unique_ptr<Database> database_;
  std::unique_ptr<Statement> rows_;
  Part part_ = Part::over;
  std::map<int64_t, int64_t> runs_;  // from its ids to those here
  const uint64_t below_id_;
  const int64_t own_run_;
  int64_t reached_ = 0;  // going up
  uint64_t taken_ = 0;
  std::vector<v1::Device> devices_;
};

}  // namespace parallax
