// Which ids of findings and connections may have been given out: the marks of the directory's file `ids`, which outlive a kill, a
// power cut and a damaged database.
//
//     finding 65537
//     connection 16777217      the first that the next run may give
//
// The marks run ahead of what is given, so that they seldom need to be written; a clean stop puts them where they belong, and
// after any other end so many ids are left out. One thread.
#pragma once

#include <cstdint>
#include <string>

#include "analysis/engine.h"
#include "capture/core/result.h"

namespace parallax {

class IdMarks {
 public:
  static constexpr uint64_t kFindingsAhead = uint64_t{1} << 16;
  static constexpr uint64_t kConnectionsAhead = uint64_t{1} << 24;

  explicit IdMarks(const std::string& directory) : path_(directory + "/ids") {}

  // Those of the file; no file: the first ones. Also where it is damaged, which `repair` then says.
  Result<Engine::NextIds> read(std::string& repair) const;
  // Sees to it that the marks are ahead of what is going to be given. Empty, or why they could not be written.
  std::string keep_ahead(Engine::NextIds next);
  void forget() { marks_ = {0, 0}; }  // what was written: the file is gone
  // Nothing more is given.
  std::string settle(Engine::NextIds next) { return write(next); }

 private:
  std::string write(Engine::NextIds marks);

  const std::string path_;
  Engine::NextIds marks_{0, 0};  // as written by this run
};

}  // namespace parallax
