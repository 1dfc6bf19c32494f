#include "analysis/detect/look_rows.h"

#include <algorithm>
#include <cassert>
#include <iterator>

namespace parallax {
namespace {

uint8_t signs_of(const Connection& connection, bool input_ended) {
  const LegState& client_leg = connection.client_leg();
  uint8_t signs = 0;
  if (client_leg.has_syn()) signs |= sign::syn;
  if (client_leg.established) signs |= sign::accepted;
  if (!connection.crossings.empty()) signs |= sign::crossed;
  if (input_ended || connection.legs_over == connection.legs.size()) signs |= sign::over;
  for (const LegState& leg : connection.legs) {
    if (leg.reset) signs |= sign::reset;
    if (leg.stops) signs |= sign::stopped;
  }
  return signs;
}

}  // namespace

std::vector<const Detector*> rows_to_ask(FindingKinds off) {
  std::vector<const Detector*> rows;
  const auto is_on = [off](const Detector* detector) { return !off.contains(detector->kind); };
  if (std::none_of(detectors().begin(), detectors().end(), is_on)) return rows;
  std::copy_if(detectors().begin(), detectors().end(), std::back_inserter(rows),
               [off](const Detector* detector) { return detector->informs_others || !off.contains(detector->kind); });
  return rows;
}

LookRows::LookRows(Protocol protocol, const std::vector<const Detector*>& rows) {
  for (const Detector* row : rows) {
    if (row->look == nullptr || row->protocol.value_or(protocol) != protocol) continue;
    assert(rows_.size() < kRowsMax);
    const uint64_t bit = uint64_t{1} << rows_.size();
    rows_.push_back(row);
    all_ |= bit;
    for (size_t i = 0; i < sign::kCount; ++i) {
      if (row->needs & (1u << i)) asking_for_[i] |= bit;
    }
    if (!row->is_asked_again) done_with_[static_cast<size_t>(row->kind)] = bit;
  }
}

bool LookRows::leaves_out_rightly(const Connection& connection, const DetectorView& now) const {
  const uint64_t open = open_for(connection, false);
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (!(open & (uint64_t{1} << i)) && rows_[i]->due_ns(connection, now) != kTimeMax) return false;
  }
  return true;
}

uint64_t LookRows::open_for(const Connection& connection, bool input_ended) const {
  uint64_t open = all_;
  const uint8_t signs = signs_of(connection, input_ended);
  for (size_t i = 0; i < sign::kCount; ++i) {
    if (!(signs & (1u << i))) open &= ~asking_for_[i];
  }
  connection.told.for_each([&](FindingKind kind) { open &= ~done_with_[static_cast<size_t>(kind)]; });
  return open;
}

}  // namespace parallax
