// A device drops some of one source's SYNs, and nobody else's.
#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const std::string source = group.only_source ? to_string(*group.only_source) : std::string("one source");
  return words.device + " throttles " + source + ": it dropped " + group.attempts_text("SYN") + " of " +
         std::to_string(group.connections) + " of its connections." + words.remark;
}

}  // namespace

const Detector source_throttled = {
    .kind = FindingKind::source_throttled,
    .severity = Severity::warning,
    .is_of_memory = true,
    .sentence = sentence,
    .page = {
        .means =
            "A device drops some of the SYNs of one source and lets others of it pass, while it drops nobody else's: a limit of "
            "connections for each source (flood protection, quotas). Behind a NAT many clients are one source. Told in place of "
            "syn_unanswered and syn_retried for these SYNs.",
        .needs =
            "Within a minute {source_throttled_dropped} connections of the source whose SYNs were proved to be dropped "
            "between the points, {source_throttled_passed} that passed, and eight of other sources; dropped were more than "
            "one in twenty of the source's and at most that of others', and no chance: had others been treated as the source is, "
            "five of theirs would have been dropped, and five times as many as were.",
        .errs = "A rule that bars one of the source's destinations looks alike if the source asks for others as well.",
        .next = "Look at the device's limits for each source address, and make an exception for the NAT's."}};

}  // namespace parallax::detect
