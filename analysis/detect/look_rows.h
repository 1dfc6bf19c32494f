// The rows that look at connections of a protocol, and which of them a connection has something for: most ask for what most
// connections never show, and need not be called to say so.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "analysis/detect/detector.h"

namespace parallax {

// All but those whose kind is off and on which no other depends: none where all are off.
std::vector<const Detector*> rows_to_ask(FindingKinds off);

class LookRows {
 public:
  static constexpr size_t kRowsMax = 64;

  // REQUIRES: at most kRowsMax of the rows look at such connections.
  LookRows(Protocol protocol, const std::vector<const Detector*>& rows);

  // Those that the connection may have something for, in the table's order. At the end of the input it is over.
  template <typename Ask>
  void ask(const Connection& connection, bool input_ended, Ask&& ask) const {
    for (uint64_t open = open_for(connection, input_ended); open != 0; open &= open - 1) ask(*rows_[std::countr_zero(open)]);
  }

  // Whether those that are not asked would have said so themselves.
  bool leaves_out_rightly(const Connection& connection, const DetectorView& now) const;

 private:
  uint64_t open_for(const Connection& connection, bool input_ended) const;

  std::vector<const Detector*> rows_;
  uint64_t all_ = 0;                            // a bit for each row, as everywhere here
  uint64_t asking_for_[sign::kCount] = {};      // rows that need the sign
  uint64_t done_with_[kFindingKindCount] = {};  // the row of the kind, where it is done when it is told
};

}  // namespace parallax
