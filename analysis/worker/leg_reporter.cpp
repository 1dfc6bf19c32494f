#include "analysis/worker/leg_reporter.h"

#include "analysis/tcp/tcp_leg.h"

namespace parallax {

LegReporter::LegReporter(const EngineOptions& options, EngineLinks& links, SensorView& sensor, WorkerCounters& counters,
                         LegStore& store)
    : device_timeout_ns_(options.device_timeout_ns),
      sensor_(sensor),
      counters_(counters),
      store_(store),
      ring_(*links.leg_events[store.worker]),
      events_(ring_, waiting_max::leg_events(options)) {}

LegEvent LegReporter::event_of(uint32_t leg, LegEventType type, const PacketFacts& packet) const {
  const LegKey& key = store_.legs.key(leg);
  const Endpoint low{key.low, key.low_port}, high{key.high, key.high_port};
  const bool client_is_low = store_.legs.hot(leg).flags & leg_flag::client_is_low;
  LegEvent event{};
  event.packet = packet;
  event.leg = store_.id_of(leg);
  event.client = client_is_low ? low : high;
  event.server = client_is_low ? high : low;
  event.tunnel_key = key.tunnel_key;
  event.type = type;
  event.protocol = key.protocol;
  event.after_fin = store_.legs.hot(leg).flags & (leg_flag::fin_client | leg_flag::fin_server);
  return event;
}

// What the capture has done to the leg since the last report.
void LegReporter::add_report(LegEvent& event, bool over) {
  const uint32_t leg = event.leg.index;
  event.capture = store_.traces.report(store_.legs.hot(leg), store_.legs.cold(leg), over);
  const PointIndex point = store_.legs.key(leg).point;
  if (event.capture.missed_segments) counters_.capture_loss_segments[point].add(event.capture.missed_segments);
  const uint64_t copies = event.capture.copies[Side::client] + event.capture.copies[Side::server];
  if (copies) counters_.copies[point].add(copies);
  counters_.traces_refused.add(store_.traces.refused() - counters_.traces_refused.get());
}

LegEvent LegReporter::summary_event(uint32_t leg, LegEventType type, const PacketFacts& at, bool idle) {
  LegEvent event = event_of(leg, type, at);
  event.summary = summarize(store_.legs.hot(leg), store_.legs.cold(leg), store_.flow_of(leg), idle);
  add_report(event, type == LegEventType::closed);
  return event;
}

// REQUIRES: has_room().
void LegReporter::tell_progress(uint32_t leg, int64_t now_ns) {
  store_.legs.hot(leg).flags &= static_cast<uint16_t>(~leg_flag::reported_stale);
  const PacketFacts at = store_.no_packet(leg, now_ns);
  events_.send_now(summary_event(leg, LegEventType::progress, at, false));
  tell_what_stands(leg, at);
}

// What stands still when the leg is reported; where there is no room it is not told.
void LegReporter::tell_what_stands(uint32_t leg, const PacketFacts& last) {
  const TcpFlow* flow = store_.flow_of(leg);
  if (flow == nullptr || !(store_.legs.hot(leg).flags & leg_flag::standing)) return;
  LegEvent event = event_of(leg, LegEventType::stood_still, last);
  event.news.standstill = standstill::lasting(*flow, store_.legs.hot(leg));
  if (event.news.standstill.any() && !events_.send(event, legs_told_ + 1)) counters_.hints_not_told.add();
}

// There is always room for it: whatever else is told leaves room for the end of every leg that the correlator knows of.
void LegReporter::tell_end(uint32_t leg, const PacketFacts& last, LegEnding ending) {
  LegHot& hot = store_.legs.hot(leg);
  if (!(hot.flags & leg_flag::told)) return;
  hot.flags &= static_cast<uint16_t>(~leg_flag::told);
  --legs_told_;
  tell_what_stands(leg, last);
  const bool evicted = ending == LegEnding::evicted;
  LegEvent event = summary_event(leg, LegEventType::closed, last, evicted || ending == LegEnding::idle);  // followed no longer
  event.evicted = evicted;
  events_.send(event);
}

// A leg of which something cannot be told has ended, as far as the correlator can know: better than that it takes for silence
// what was only not told. The sweep forgets such legs when there is room again.
bool LegReporter::tell(uint32_t leg, LegEventType type, const Sighting& s, Side from, bool midstream, const LegNews& news) {
  LegHot& hot = store_.legs.hot(leg);
  const bool opened = type == LegEventType::opened;
  if (!opened && !(hot.flags & leg_flag::told)) return true;
  LegEvent event = event_of(leg, type, facts_of(s, from));
  event.midstream = midstream;
  event.news = news;
  event.options = s.options;
  event.window_scale = s.window_scale;
  event.mss = s.mss;
  event.window = s.window;
  if (type == LegEventType::turn) event.turn = turn_mark(hot, store_.legs.cold(leg), *store_.flow_of(leg), from);
  if (events_.send(event, legs_told_ + opened)) {
    if (opened) hot.flags |= leg_flag::told, ++legs_told_;
    return true;
  }
  counters_.events_dropped.add();
  sensor_.worker_loss(store_.worker, s.point).add(s.order_ns - device_timeout_ns_, s.order_ns, 1);
  tell_end(leg, event.packet, LegEnding::evicted);
  return false;
}

bool LegReporter::tell_arp_request(const Sighting& s) {
  LegEvent event{};
  event.type = LegEventType::arp_request;
  event.packet = facts_of(s, Side::client);
  event.client = {s.source, 0};
  event.server = {s.destination, 0};
  return events_.send(event, legs_told_);
}

bool LegReporter::tell_stray_icmp_error(const Sighting& s) {
  LegEvent event{};
  event.type = LegEventType::stray_icmp_error;
  event.packet = facts_of(s, Side::server);
  event.news.icmp = icmp_error_of(s);
  return events_.send(event, legs_told_);
}

}  // namespace parallax
