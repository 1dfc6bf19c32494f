// Very many IP fragments from one source to one address that does not answer. Found with datagram_flood: see DatagramFloods.
#include "analysis/detect/detectors.h"
#include "analysis/detect/handshake.h"
#include "analysis/model/text.h"

namespace parallax::detect {
namespace {

std::string sentence(const FindingGroup& group, const DetectorView& view) {
  const SentenceWords words(group, view.options.path);
  const FindingRecord& r = group.record;
  return to_string(*group.only_source) + " beyond " + words.first + " sent " + plural(r.count, "fragment") + " of datagrams to " +
         (group.one_host && group.host ? to_string(*group.host) : plural(group.hosts.size(), "host")) + " within " +
         duration_of(r.last_seen_ns - r.first_seen_ns) + ", up to " +
         std::to_string(static_cast<uint64_t>(r.rate_per_second.value_or(0))) +
         " a second (first fragments not counted), and nothing came back.";
}

}  // namespace

const Detector fragment_flood = {
    .kind = FindingKind::fragment_flood,
    .severity = Severity::warning,
    .other_severities = {{Severity::info, "where its datagrams are told as a datagram_flood"}},
    .is_of_memory = true,
    .sentence = sentence,
    .page = {
        .means =
            "One host sends very many IP fragments to one address, from which nothing comes back: each has to be put together "
            "by whoever inspects it.",
        .needs = "{fragment_flood_fragments} fragments that are not the first of their datagram, {fragment_flood_per_second} a "
                 "second or more on the average, from one address to another, and no answer.",
        .errs = "Media in large datagrams that go one way look the same.",
        .next = "Look at what runs on the source. Devices mostly can limit fragments apart from other packets."}};

}  // namespace parallax::detect
