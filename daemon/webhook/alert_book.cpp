#include "daemon/webhook/alert_book.h"

#include <algorithm>

namespace parallax {

void AlertBook::note_change(Entry& entry, bool is_urgent, int64_t now_ns) const {
  const int64_t due_ns = is_urgent ? now_ns + kGatherNs : std::max(now_ns + kGatherNs, entry.settled_ns + update_ns_);
  entry.due_ns = entry.waits() ? std::min(entry.due_ns, due_ns) : due_ns;
  ++entry.version;
}

// The oldest that is over goes, of which the receiver has not heard.
bool AlertBook::make_room() {
  const auto over = std::find_if(entries_.begin(), entries_.end(), [](const auto& e) { return !e.second.alert.is_firing; });
  if (over == entries_.end()) return false;
  entries_.erase(over);
  return true;
}

bool AlertBook::take(Alert alert, bool is_withdrawn, int64_t now_ns) {
  const auto known = entries_.find(alert.finding_id);
  if (known != entries_.end()) {
    Entry& entry = known->second;
    if (is_withdrawn && entry.settled == 0) {  // nobody has heard of it
      entries_.erase(known);
      return true;
    }
    const bool is_urgent = alert.is_firing != entry.alert.is_firing || alert.severity > entry.alert.severity;
    entry.alert = std::move(alert);
    note_change(entry, is_urgent, now_ns);
    return true;
  }
  if (is_withdrawn) return true;
  bool has_room = true;
  if (entries_.size() >= kAlertsMax) {
    has_room = false;
    if (!make_room()) return false;
  }
  Entry entry;
  entry.due_ns = now_ns + kGatherNs;
  const uint64_t id = alert.finding_id;
  entry.alert = std::move(alert);
  entries_.emplace(id, std::move(entry));
  return has_room;
}

void AlertBook::end_unknown(const std::function<bool(uint64_t)>& is_known, const std::string& note, int64_t now_ns) {
  for (auto& [id, entry] : entries_) {
    if (!entry.alert.is_firing || is_known(id)) continue;
    entry.alert.is_firing = false;
    entry.alert.annotations["state"] = note;
    note_change(entry, true, now_ns);
  }
}

void AlertBook::end_unwanted(const std::function<bool(const Alert&)>& is_wanted, const std::string& note, int64_t now_ns) {
  std::erase_if(entries_, [&](const auto& e) { return e.second.settled == 0 && !is_wanted(e.second.alert); });
  end_unknown([&](uint64_t id) { return is_wanted(entries_.at(id).alert); }, note, now_ns);
}

bool AlertBook::is_news(const Alert& alert) const {
  const auto known = entries_.find(alert.finding_id);
  return known == entries_.end() ? alert.is_firing : known->second.alert != alert;
}

void AlertBook::begin_anew(int64_t now_ns) {
  for (auto& [id, entry] : entries_) {
    entry.settled = 0;
    note_change(entry, true, now_ns);
  }
}

AlertBook AlertBook::farewell(const std::string& note, int64_t now_ns) const {
  AlertBook last = *this;
  last.end_unwanted([](const Alert&) { return false; }, note, now_ns);
  return last;
}

std::optional<AlertBook::Batch> AlertBook::next(int64_t now_ns) const {
  const Entry* first = nullptr;
  for (const auto& [id, entry] : entries_) {
    if (entry.waits() && entry.due_ns <= now_ns && (first == nullptr || entry.due_ns < first->due_ns)) first = &entry;
  }
  if (first == nullptr) return std::nullopt;
  // What is due, what else has changed, what fires.
  std::vector<const Entry*> group;
  for (const auto& [id, entry] : entries_) {
    if (entry.alert.kind == first->alert.kind) group.push_back(&entry);
  }
  const auto rank = [now_ns](const Entry* e) { return !e->waits() ? 2 : e->due_ns > now_ns ? 1 : 0; };
  std::stable_sort(group.begin(), group.end(), [&](const Entry* a, const Entry* b) { return rank(a) < rank(b); });
  Batch batch;
  batch.message.kind = first->alert.kind;
  batch.message.is_firing = std::any_of(group.begin(), group.end(), [](const Entry* e) { return e->alert.is_firing; });
  for (size_t i = 0; i < group.size(); ++i) {
    const Entry& entry = *group[i];
    if (i >= kAlertsAtOnce) {
      batch.message.truncated += entry.alert.is_firing;
      continue;
    }
    batch.message.alerts.push_back(&entry.alert);
    if (entry.waits()) batch.changes.emplace_back(entry.alert.finding_id, entry.version);
  }
  return batch;
}

void AlertBook::settle(const Batch& batch, int64_t now_ns) {
  for (const auto& [id, version] : batch.changes) {
    const auto known = entries_.find(id);
    if (known == entries_.end()) continue;
    Entry& entry = known->second;
    entry.settled = version;
    entry.settled_ns = now_ns;
    if (!entry.alert.is_firing && !entry.waits()) entries_.erase(known);
  }
}

size_t AlertBook::firing() const {
  return static_cast<size_t>(
      std::count_if(entries_.begin(), entries_.end(), [](const auto& e) { return e.second.alert.is_firing; }));
}
size_t AlertBook::waiting() const {
  return static_cast<size_t>(std::count_if(entries_.begin(), entries_.end(), [](const auto& e) { return e.second.waits(); }));
}

}  // namespace parallax
