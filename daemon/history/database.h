// SQLite, as far as the history needs it: a connection and prepared statements. What fails throws.
//
// One thread at a time.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace parallax {

class DatabaseError : public std::runtime_error {
 public:
  enum class Cause { damaged, full, other };
  DatabaseError(Cause cause, const std::string& text) : std::runtime_error(text), cause_(cause) {}
  Cause cause() const { return cause_; }

 private:
  const Cause cause_;
};

class Database {
 public:
  enum class Use { read, write };

  // REQUIRES: the file is there; an empty one is a database without tables.
  Database(const std::string& path, Use use);
  ~Database();
  Database(const Database&) = delete;

  void execute(const char* sql);
  int64_t number(const char* sql);  // the only value of its only row
  sqlite3* handle() const { return handle_; }

 private:
  sqlite3* handle_ = nullptr;
};

class Statement {
 public:
  Statement(const Database& database, const char* sql);
  ~Statement();
  Statement(const Statement&) = delete;

  // Of the next run, from 1. Bytes have to stay until then.
  Statement& bind(int place, int64_t value);
  Statement& bind_bytes(int place, std::string_view bytes);
  // Whether there is another row.
  bool step();
  // To its end; the number of rows that it has changed.
  int64_t run();
  // Lets go of what it reads. It may be run again.
  void reset();

  int64_t number(int column) const;
  std::string_view bytes(int column) const;  // until the next step

 private:
  const Database& database_;
  sqlite3_stmt* handle_ = nullptr;
};

// Rolled back unless it is committed.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) { database_.execute("BEGIN IMMEDIATE"); }
  ~Transaction();
  Transaction(const Transaction&) = delete;
  void commit();

 private:
  Database& database_;
  bool is_open_ = true;
};

}  // namespace parallax
