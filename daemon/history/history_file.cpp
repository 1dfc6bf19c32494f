#include "daemon/history/history_file.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "daemon/message/time_text.h"
#include "daemon/message/to_proto.h"

namespace parallax {
namespace {

constexpr int kApplication = 0x504c5848;  // "PLXH"
constexpr int64_t kPageBytes = 4096;
constexpr const char* kSettings =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = NORMAL;"
    "PRAGMA wal_autocheckpoint = 1000;"
    "PRAGMA journal_size_limit = 4194304;"
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA cell_size_check = ON;"
    "PRAGMA cache_size = -8192;";
constexpr const char* kTables =
    "CREATE TABLE run (id INTEGER PRIMARY KEY, started_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL, is_over INTEGER NOT NULL,"
    "                  version BLOB NOT NULL);"
    "CREATE TABLE finding (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, severity INTEGER NOT NULL, written_ns INTEGER NOT NULL,"
    "                      crc32 INTEGER NOT NULL, message BLOB NOT NULL);"
    "CREATE INDEX finding_by_worth ON finding (severity, id);"
    "CREATE INDEX finding_by_age ON finding (written_ns);"
    "CREATE INDEX finding_by_run ON finding (run);"
    "CREATE TABLE device (place BLOB PRIMARY KEY, crc32 INTEGER NOT NULL, message BLOB NOT NULL);";

[[noreturn]] void damaged(const std::string& text) { throw DatabaseError(DatabaseError::Cause::damaged, text); }

std::string place_of(const v1::Device& device) {
  std::string place;
  for (const std::string& point : device.between()) place += (place.empty() ? "" : "/") + point;
  return place;
}

}  // namespace

bool HistoryFile::is_history(Database& database) {
  return database.number("PRAGMA user_version") == kFormat && database.number("PRAGMA application_id") == kApplication;
}

int64_t HistoryFile::checksum(int64_t id, int64_t run, std::string_view message) {
  const int64_t whose[] = {id, run};
  uLong sum = ::crc32(0, reinterpret_cast<const Bytef*>(whose), sizeof whose);
  return static_cast<int64_t>(::crc32(sum, reinterpret_cast<const Bytef*>(message.data()), static_cast<uInt>(message.size())));
}

// In the order in which they are used; made with the tables there.
struct HistoryFile::Writer {
  explicit Writer(const Database& database)
      : update(database, "UPDATE finding SET severity = ?3, written_ns = ?4, crc32 = ?5, message = ?6, run = ?2 WHERE id = ?1"),
        insert(database, "INSERT INTO finding (id, run, severity, written_ns, crc32, message) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"),
        erase(database, "DELETE FROM finding WHERE id = ?1"),
        find(database, "SELECT id FROM finding WHERE id = ?1"),
        put_device(database, "INSERT OR REPLACE INTO device (place, crc32, message) VALUES (?1, ?2, ?3)"),
        alive(database, "UPDATE run SET last_ns = ?2, is_over = ?3 WHERE id = ?1"),
        outdated(database, "DELETE FROM finding WHERE written_ns < ?1"),
        least(database, "DELETE FROM finding WHERE id IN (SELECT id FROM finding ORDER BY severity, id LIMIT ?1)"),
        pages(database, "PRAGMA page_count"),
        free_pages(database, "PRAGMA freelist_count"),
        rows(database, "SELECT id, run, crc32, message FROM finding WHERE id > ?1 ORDER BY id LIMIT ?2") {}

  Statement update, insert, erase, find, put_device, alive, outdated, least, pages, free_pages, rows;
};

struct HistoryFile::Reader {
  explicit Reader(const std::string& path)
      : database(path, Database::Use::read),
        recall(database, "SELECT id, run, crc32, message FROM finding WHERE id > ?1 AND run <> ?2 ORDER BY id LIMIT ?3"),
        devices(database, "SELECT place, crc32, message FROM device ORDER BY place") {}

  Database database;
  Statement recall, devices;
};

HistoryFile::HistoryFile(const std::string& path, HistoryBounds bounds, const HistoryRun& run)
    : path_(path), bounds_(bounds), own_started_ns_(run.started_ns), database_(path, Database::Use::write) {
  database_.execute(kSettings);
  database_.execute(fmt::format("PRAGMA max_page_count = {}", bounds.bytes / kPageBytes).c_str());
  make_tables();
  writer_ = std::make_unique<Writer>(database_);
  findings_ = static_cast<uint64_t>(database_.number("SELECT count(*) FROM finding"));
  begin_run(run);
  for (RunRow& one : runs_of(database_)) {
    if (one.id != run_) runs_[one.id] = std::move(one);
  }
}

HistoryFile::~HistoryFile() = default;

void HistoryFile::make_tables() {
  const int64_t format = database_.number("PRAGMA user_version"), application = database_.number("PRAGMA application_id");
  if (format == 0 && application == 0 && database_.number("SELECT count(*) FROM sqlite_schema") == 0) {
    Transaction making(database_);
    database_.execute(kTables);
    database_.execute(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplication, kFormat).c_str());
    return making.commit();
  }
  if (application != kApplication) damaged("it is a database of another program");
  if (format != kFormat) damaged(fmt::format("its format is {}, and this parallaxd knows {}", format, kFormat));
}

int64_t HistoryFile::insert_run(const RunRow& run) {
  Statement insert(database_, "INSERT INTO run (started_ns, last_ns, is_over, version) VALUES (?1, ?2, ?3, ?4)");
  insert.bind(1, run.started_ns).bind(2, run.last_ns).bind(3, run.is_over ? 1 : 0).bind_bytes(4, run.version).run();
  return database_.number("SELECT last_insert_rowid()");
}

std::vector<HistoryFile::RunRow> HistoryFile::runs_of(Database& database) {
  std::vector<RunRow> runs;
  Statement all(database, "SELECT id, started_ns, last_ns, is_over, version FROM run");
  while (all.step()) runs.push_back({all.number(0), all.number(1), all.number(2), all.number(3) != 0, std::string(all.bytes(4))});
  return runs;
}

int64_t HistoryFile::adopt(const RunRow& run) {
  if (run.started_ns == own_started_ns_) return run_;
  const int64_t id = insert_run(run);
  runs_[id] = run;
  return id;
}

// The daemon's own, also where it had begun it in this file before. Those of which nothing is left are forgotten.
void HistoryFile::begin_run(const HistoryRun& run) {
  Transaction change(database_);
  Statement own(database_, "SELECT id FROM run WHERE started_ns = ?1");
  if (own.bind(1, run.started_ns).step()) run_ = own.number(0);
  own.reset();
  database_.execute("DELETE FROM run WHERE id NOT IN (SELECT run FROM finding)");
  const bool is_there = run_ != 0 && database_.number(fmt::format("SELECT count(*) FROM run WHERE id = {}", run_).c_str()) > 0;
  if (!is_there) run_ = insert_run({0, run.started_ns, run.started_ns, false, run.version});
  change.commit();
}

void HistoryFile::insert(int64_t id, int64_t run, int64_t severity, int64_t now_ns, std::string_view message) {
  const int64_t crc32 = checksum(id, run, message);
  for (Statement* const statement : {&writer_->update, &writer_->insert}) {
    statement->bind(1, id).bind(2, run).bind(3, severity).bind(4, now_ns).bind(5, crc32).bind_bytes(6, message);
    if (statement->run() == 1 && statement == &writer_->update) return;
  }
  ++findings_;
}

void HistoryFile::put(const v1::RememberedFinding& finding, int64_t now_ns) {
  insert(static_cast<int64_t>(finding.finding().id()), run_, finding.finding().severity(), now_ns, finding.SerializeAsString());
}

void HistoryFile::erase(uint64_t id) {
  findings_ -= static_cast<uint64_t>(writer_->erase.bind(1, static_cast<int64_t>(id)).run());
}

void HistoryFile::put_device(const v1::Device& device) {
  const std::string place = place_of(device), message = device.SerializeAsString();
  writer_->put_device.bind_bytes(1, place).bind(2, checksum(0, 0, message)).bind_bytes(3, message).run();
}

void HistoryFile::note_alive(int64_t now_ns, bool is_over) {
  writer_->alive.bind(1, run_).bind(2, now_ns).bind(3, is_over ? 1 : 0).run();
}

uint64_t HistoryFile::used_bytes() {
  const auto one = [](Statement& statement) {
    const int64_t pages = statement.step() ? statement.number(0) : 0;
    statement.reset();
    return pages;
  };
  return static_cast<uint64_t>((one(writer_->pages) - one(writer_->free_pages)) * kPageBytes);
}

void HistoryFile::remove(HistoryBound bound, int64_t rows) {
  findings_ -= static_cast<uint64_t>(rows);
  removals_[static_cast<size_t>(bound)] += static_cast<uint64_t>(rows);
}

void HistoryFile::keep_bounds(int64_t now_ns) {
  constexpr int64_t kShareAtOnce = 16;  // of all findings, so that it need not be done for each batch
  if (bounds_.max_age_ns > 0) remove(HistoryBound::age, writer_->outdated.bind(1, now_ns - bounds_.max_age_ns).run());
  if (findings_ > bounds_.findings)
    remove(HistoryBound::count, writer_->least.bind(1, static_cast<int64_t>(findings_ - bounds_.findings)).run());
  while (findings_ > 0 && used_bytes() + kBytesSpare > bounds_.bytes) {
    const auto all = static_cast<int64_t>(findings_.load());
    remove(HistoryBound::size, writer_->least.bind(1, (all + kShareAtOnce - 1) / kShareAtOnce).run());
  }
}

bool HistoryFile::check_some(size_t findings) {
  size_t read = 0;
  Statement& rows = writer_->rows;
  rows.bind(1, checked_to_).bind(2, static_cast<int64_t>(findings));
  for (; rows.step(); ++read) {
    checked_to_ = rows.number(0);
    if (rows.number(2) == checksum(checked_to_, rows.number(1), rows.bytes(3))) continue;
    rows.reset();
    damaged(fmt::format("finding {} is not as it was written", checked_to_));
  }
  rows.reset();
  if (read == findings) return true;
  for (const char* const index : {"worth", "age", "run"}) {
    const int64_t entries = database_.number(fmt::format("SELECT count(*) FROM finding INDEXED BY finding_by_{}", index).c_str());
    if (entries != static_cast<int64_t>(findings_))
      damaged(fmt::format("its index by {} has {} of {} findings", index, entries, findings_.load()));
  }
  return false;
}

bool HistoryFile::take(int64_t id, int64_t run, std::string_view message, int64_t now_ns) {
  v1::RememberedFinding finding;
  if (!finding.ParseFromArray(message.data(), static_cast<int>(message.size()))) return false;
  const bool is_here = writer_->find.bind(1, id).step();
  writer_->find.reset();
  if (!is_here) insert(id, run, finding.finding().severity(), now_ns, message);
  return !is_here;
}

std::vector<RecalledFinding> HistoryFile::recall(uint64_t after_id, size_t limit, bool earlier_only) {
  if (reader_ == nullptr) reader_ = std::make_unique<Reader>(path_);
  std::vector<RecalledFinding> found;
  Statement& rows = reader_->recall;
  rows.bind(1, static_cast<int64_t>(std::min<uint64_t>(after_id, INT64_MAX)))
      .bind(2, earlier_only ? run_ : 0)
      .bind(3, static_cast<int64_t>(limit));
  while (rows.step()) {
    const std::string_view message = rows.bytes(3);
    RecalledFinding& one = found.emplace_back();
    one.id = static_cast<uint64_t>(rows.number(0));
    const int64_t run = rows.number(1);
    if (rows.number(2) != checksum(rows.number(0), run, message) ||
        !one.remembered.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
      rows.reset();
      damaged(fmt::format("finding {} is not as it was written", one.id));
    }
    if (run != run_) tell_run(run, *one.remembered.mutable_finding());
  }
  rows.reset();
  return found;
}

void HistoryFile::tell_run(int64_t run, v1::Finding& finding) const {
  const auto known = runs_.find(run);
  const RunRow its = known != runs_.end() ? known->second : RunRow{};
  v1::EarlierRun& told = *finding.mutable_earlier_run();
  *told.mutable_started() = to_timestamp(its.started_ns);
  *told.mutable_ended() = to_timestamp(its.last_ns);
  told.set_was_killed(!its.is_over);
  const bool was_closed = finding.state() == v1::FINDING_STATE_CLOSED;
  const std::string end = its.is_over ? fmt::format("was stopped at {}", time_text_ns(its.last_ns))
                                      : fmt::format("was cut off after {}", time_text_ns(its.last_ns));
  told.set_note(was_closed
                    ? "Of an earlier run of the sensor."
                    : fmt::format("Of an earlier run of the sensor, which {} while this was open: what happened from then until "
                                  "the next start was not seen, so that nothing tells whether it went on.",
                                  end));
  finding.set_state(v1::FINDING_STATE_CLOSED);
}

std::vector<v1::Device> HistoryFile::devices() {
  if (reader_ == nullptr) reader_ = std::make_unique<Reader>(path_);
  std::vector<v1::Device> found;
  Statement& rows = reader_->devices;
  while (rows.step()) {
    const std::string_view message = rows.bytes(2);
    v1::Device& device = found.emplace_back();
    if (rows.number(1) != checksum(0, 0, message) || !device.ParseFromArray(message.data(), static_cast<int>(message.size())) ||
        place_of(device) != rows.bytes(0)) {
      rows.reset();
      damaged("what was learned of a device is not as it was written");
    }
  }
  rows.reset();
  return found;
}

uint64_t HistoryFile::highest_id() { return static_cast<uint64_t>(database_.number("SELECT ifnull(max(id), 0) FROM finding")); }

uint64_t HistoryFile::earlier_findings() {
  return static_cast<uint64_t>(database_.number(fmt::format("SELECT count(*) FROM finding WHERE run <> {}", run_).c_str()));
}

}  // namespace parallax
