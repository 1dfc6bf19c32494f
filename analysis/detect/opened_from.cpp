#include "analysis/detect/opened_from.h"

#include "analysis/model/text.h"

namespace parallax {
namespace {

// On which side its clients are: nearer to them is the first of two points; beyond a point is the server.
PathSide client_side(const Where& where) {
  if (where.kind == Where::Kind::between) return where.first < where.second ? PathSide::outer : PathSide::inner;
  return where.first > 0 ? PathSide::outer : PathSide::inner;
}

}  // namespace

void OpenedFrom::take(const Observation& o, PathSide client) {
  switch (o.kind) {
    case FindingKind::syn_unanswered:
    case FindingKind::syn_refused:
      ++failed_[client];
      return;
    case FindingKind::closed_by_device:
    case FindingKind::handshake_ack_mismatch:
      ++failed_after_[client];
      return;
    default:
      return;
  }
}

std::string OpenedFrom::remark_for(const FindingGroup& group, const std::vector<std::string>& path) const {
  if (path.size() < 2 || group.record.where.kind == Where::Kind::unknown) return "";
  const PathSide side = client_side(group.record.where), other = opposite(side);
  const uint64_t failed = failed_[side] + failed_after_[side];
  const bool is_this_way_alone =
      accepted_[side] <= failed_after_[side] && failed > 0 && accepted_[other] > 0 && failed_[other] + failed_after_[other] == 0;
  if (!is_this_way_alone) return "";
  const auto name = [&](PathSide of) { return of == PathSide::outer ? path.front() : path.back(); };
  return " Only this direction fails: no connection from beyond " + name(side) + " came about, but " +
         std::to_string(accepted_[other]) + " from beyond " + name(other) + " did.";
}

}  // namespace parallax
