#include "daemon/history/history_salvage.h"

#include <algorithm>

namespace parallax {

HistorySalvage::HistorySalvage(const std::string& path, HistoryFile& into, uint64_t below_id)
    : below_id_(below_id), own_run_(into.own_run()) {
  std::vector<HistoryFile::RunRow> runs;
  try {
    database_ = std::make_unique<Database>(path, Database::Use::read);
    if (!HistoryFile::is_history(*database_)) return;
    runs = HistoryFile::runs_of(*database_);
    begin(Part::up);
  } catch (const DatabaseError&) {
    return;  // nothing of it can be read
  }
  for (const HistoryFile::RunRow& run : runs) runs_[run.id] = into.adopt(run);
}

void HistorySalvage::begin(Part part) {
  part_ = part;
  rows_.reset();
  if (part == Part::up)
    rows_ = std::make_unique<Statement>(*database_, "SELECT id, run, crc32, message FROM finding ORDER BY id");
  if (part == Part::down) {
    rows_ = std::make_unique<Statement>(*database_, "SELECT id, run, crc32, message FROM finding WHERE id > ?1 ORDER BY id DESC");
    rows_->bind(1, reached_);
  }
  if (part == Part::devices) rows_ = std::make_unique<Statement>(*database_, "SELECT 0, 0, crc32, message FROM device");
}

// To the next row that can be read. False: there is none.
bool HistorySalvage::next() {
  while (part_ != Part::over) {
    bool is_cut = false;
    try {
      if (rows_ != nullptr && rows_->step()) return true;
    } catch (const DatabaseError&) {
      is_cut = true;
    }
    const Part part = part_ == Part::up && is_cut ? Part::down : part_ == Part::devices ? Part::over : Part::devices;
    try {
      begin(part);
    } catch (const DatabaseError&) {
      rows_.reset();  // of a table that is not there
    }
  }
  return false;
}

bool HistorySalvage::step(HistoryFile& into, size_t limit, int64_t now_ns) {
  Transaction change = into.begin();
  bool is_more = true;
  for (; limit > 0 && (is_more = next()); --limit) {
    const int64_t id = rows_->number(0), run = rows_->number(1);
    const std::string_view message = rows_->bytes(3);
    if (part_ == Part::up) reached_ = std::max(reached_, id);
    if (rows_->number(2) != HistoryFile::checksum(id, run, message)) continue;
    if (part_ == Part::devices) {
      v1::Device device;
      if (!device.ParseFromArray(message.data(), static_cast<int>(message.size()))) continue;
      into.put_device(device);
      devices_.push_back(std::move(device));
      continue;
    }
    const auto run_here = runs_.find(run);
    if (run_here == runs_.end() || id <= 0) continue;
    const bool is_own = run_here->second == own_run_;
    if (!is_own && static_cast<uint64_t>(id) >= below_id_) continue;
    if (into.take(id, run_here->second, message, now_ns)) ++taken_;
  }
  change.commit();
  return is_more;
}

}  // namespace parallax
