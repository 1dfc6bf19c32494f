// The analysis worker's part that tells the correlator: of legs, and of what their messages say.
#include "analysis/worker/analysis_worker.h"

namespace parallax {

LegEvent AnalysisWorker::event_of(uint32_t leg, LegEventType type, const PacketFacts& packet) const {
  const LegKey& key = legs_.key(leg);
  const Endpoint low{key.low, key.low_port}, high{key.high, key.high_port};
  const bool client_is_low = legs_.hot(leg).flags & leg_flag::client_is_low;
  LegEvent event{};
  event.packet = packet;
  event.leg = id_of(leg);
  event.client = client_is_low ? low : high;
  event.server = client_is_low ? high : low;
  event.tunnel_key = key.tunnel_key;
  event.type = type;
  event.protocol = key.protocol;
  return event;
}

// What the capture has done to the leg since the last report.
void AnalysisWorker::add_report(LegEvent& event, bool over) {
  const uint32_t leg = event.leg.index;
  event.capture = traces_.report(legs_.hot(leg), legs_.cold(leg), over);
  const PointIndex point = legs_.key(leg).point;
  if (event.capture.missed_segments) counters_.capture_loss_segments[point].add(event.capture.missed_segments);
  const uint64_t copies = event.capture.copies[0] + event.capture.copies[1];
  if (copies) counters_.copies[point].add(copies);
  counters_.traces_refused.add(traces_.refused() - counters_.traces_refused.get());
}

LegEvent AnalysisWorker::summary_event(uint32_t leg, LegEventType type, const PacketFacts& at, bool idle) {
  LegEvent event = event_of(leg, type, at);
  event.summary = summarize(legs_.hot(leg), legs_.cold(leg), known_flow(leg), idle);
  add_report(event, type == LegEventType::closed);
  return event;
}

// REQUIRES: leg_events_.has_room().
void AnalysisWorker::tell_progress(uint32_t leg, int64_t now_ns) {
  legs_.hot(leg).flags &= static_cast<uint16_t>(~leg_flag::reported_stale);
  leg_events_.send_now(summary_event(leg, LegEventType::progress, no_packet(leg, now_ns), false));
}

// There is always room for it: whatever else is told leaves room for the end of every leg that the correlator knows of.
void AnalysisWorker::tell_end(uint32_t leg, const PacketFacts& last, Ending ending) {
  LegHot& hot = legs_.hot(leg);
  if (!(hot.flags & leg_flag::told)) return;
  hot.flags &= static_cast<uint16_t>(~leg_flag::told);
  --legs_told_;
  const bool evicted = ending == Ending::evicted;
  LegEvent event = summary_event(leg, LegEventType::closed, last, evicted || ending == Ending::idle);  // followed no longer
  event.evicted = evicted;
  leg_events_.send(event);
}

// A leg of which something cannot be told has ended, as far as the correlator can know: better than that it takes for silence
// what was only not told. The sweep forgets such legs when there is room again.
void AnalysisWorker::send_packet_event(uint32_t leg, LegEventType type, const Sighting& s, Side from, bool midstream) {
  LegHot& hot = legs_.hot(leg);
  const bool opened = type == LegEventType::opened;
  if (!opened && !(hot.flags & leg_flag::told)) return;
  LegEvent event = event_of(leg, type, facts_of(s, from));
  event.midstream = midstream;
  event.options = s.options;
  event.window_scale = s.window_scale;
  event.mss = s.mss;
  event.window = s.window;
  if (leg_events_.send(event, legs_told_ + opened)) {
    if (opened) hot.flags |= leg_flag::told, ++legs_told_;
    return;
  }
  counters_.events_dropped.add();
  sensor_.worker_loss(index_, s.point).add(s.order_ns - options_.device_timeout_ns, s.order_ns, 1);
  tell_end(leg, event.packet, Ending::evicted);
  for (size_t slot = 0; slot < 2; ++slot) leave_pair(leg, slot, PairSighting::Kind::end, event.packet);
  drop_log(leg);
}

// Exactly one is taken for each sighting that says so, whatever becomes of the sighting.
std::span<const uint8_t> AnalysisWorker::excerpt_of(const Sighting& s) {
  return sensor_.channels()[s.port]->excerpts[index_]->pop(excerpt_buffer_);
}

void AnalysisWorker::recognise(uint32_t leg, const Sighting& s, Side from) {
  const uint16_t opening = from == Side::client ? leg_flag::syn : leg_flag::syn_ack;
  std::optional<uint32_t> first_seq;
  if (legs_.hot(leg).flags & opening) first_seq = legs_.cold(leg).isn[index_of(from)] + 1;
  recogniser_.take(leg, id_of(leg), s, from, first_seq, excerpt_);
}

}  // namespace parallax
