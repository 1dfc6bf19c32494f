#include "daemon/history/database.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cstring>

namespace parallax {
namespace {

DatabaseError::Cause cause_of(int code) {
  switch (code & 0xff) {  // of an extended code, the code
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return DatabaseError::Cause::damaged;
    case SQLITE_FULL:
      return DatabaseError::Cause::full;
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
    case SQLITE_MISMATCH:
    case SQLITE_FORMAT:
    case SQLITE_CONSTRAINT:  // tables that are not ours, or no longer
      return DatabaseError::Cause::damaged;
    default:
      return DatabaseError::Cause::other;
  }
}

[[noreturn]] void fail(sqlite3* database, int code) {
  std::string text = database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code);
  const int system = database != nullptr ? sqlite3_system_errno(database) : 0;
  const bool is_of_system = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
  if (system != 0 && is_of_system) text += fmt::format(" ({})", std::strerror(system));
  throw DatabaseError(cause_of(code), text);
}

void check(sqlite3* database, int code) {
  if (code != SQLITE_OK) fail(database, code);
}

}  // namespace

Database::Database(const std::string& path, Use use) {
  const int flags = use == Use::write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
  const int code = sqlite3_open_v2(path.c_str(), &handle_, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, nullptr);
  if (code == SQLITE_OK) {
    sqlite3_extended_result_codes(handle_, 1);
    // A damaged schema is not to make it run anything.
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    return;
  }
  try {
    fail(handle_, code);
  } catch (...) {
    sqlite3_close(handle_);
    throw;
  }
}

Database::~Database() { sqlite3_close(handle_); }

void Database::execute(const char* sql) { check(handle_, sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr)); }

int64_t Database::number(const char* sql) {
  Statement statement(*this, sql);
  return statement.step() ? statement.number(0) : 0;
}

Statement::Statement(const Database& database, const char* sql) : database_(database) {
  check(database.handle(), sqlite3_prepare_v3(database.handle(), sql, -1, SQLITE_PREPARE_PERSISTENT, &handle_, nullptr));
}

Statement::~Statement() { sqlite3_finalize(handle_); }

Statement& Statement::bind(int place, int64_t value) {
  check(database_.handle(), sqlite3_bind_int64(handle_, place, value));
  return *this;
}

Statement& Statement::bind_bytes(int place, std::string_view bytes) {
  check(database_.handle(), sqlite3_bind_blob64(handle_, place, bytes.data(), bytes.size(), SQLITE_STATIC));
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  sqlite3_reset(handle_);
  fail(database_.handle(), code);
}

int64_t Statement::run() {
  while (step()) {
  }
  sqlite3_reset(handle_);
  return sqlite3_changes64(database_.handle());
}

void Statement::reset() { sqlite3_reset(handle_); }

int64_t Statement::number(int column) const { return sqlite3_column_int64(handle_, column); }

std::string_view Statement::bytes(int column) const {
  const void* const data = sqlite3_column_blob(handle_, column);
  return {static_cast<const char*>(data), static_cast<size_t>(sqlite3_column_bytes(handle_, column))};
}

void Transaction::commit() {
  database_.execute("COMMIT");
  is_open_ = false;
}

Transaction::~Transaction() {
  // Some errors have rolled it back already.
  if (is_open_) sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

}  // namespace parallax
