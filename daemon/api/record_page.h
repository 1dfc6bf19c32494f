// A page of a list: what comes after the request's token and is wanted, as much as a page holds. The records have ids, and come
// from `records_after(id, limit)`, sorted by them. Any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>

#include "daemon/api/sensor_service.h"

namespace parallax {

// The last id (or position) that the page before held; of a list of the newest also '/' and how many are left of them.
struct PageToken {
  static constexpr uint64_t kAll = UINT64_MAX;
  uint64_t after = 0;
  uint64_t left = kAll;

  // False: not one that to_text() has made. An empty one is the beginning.
  static bool parse(const std::string& text, PageToken& token);
  std::string to_text() const;
};

// As the request asks, within the bounds.
size_t page_size(uint32_t asked);

// Each record above `after`, until `go_on` says no. Beginning with `batch` at a time, then more: few may be wanted of many.
template <typename RecordsAfter, typename GoOn>
void each_record(uint64_t after, size_t batch, RecordsAfter records_after, GoOn go_on) {
  while (true) {
    const auto records = records_after(after, batch);
    for (const auto& record : records) {
      if (!go_on(record)) return;
      after = record.id;
    }
    if (records.size() < batch) return;
    batch = std::min<size_t>(2 * batch, SensorServer::kPageSizeMax);
  }
}

// Where the list of the newest `count` that are wanted begins.
template <typename RecordsAfter, typename IsWanted>
PageToken before_newest(uint32_t count, RecordsAfter records_after, IsWanted is_wanted) {
  std::deque<uint64_t> ids;  // at most as many as records are kept
  each_record(0, SensorServer::kPageSizeMax, records_after, [&](const auto& record) {
    if (is_wanted(record)) ids.push_back(record.id);
    if (ids.size() > count) ids.pop_front();
    return true;
  });
  return {ids.empty() ? 0 : ids.front() - 1, ids.size()};
}

// False: the request's token is none.
template <typename Request, typename Answer, typename Messages, typename RecordsAfter, typename IsWanted, typename ToMessage>
bool fill_page(const Request& request, Answer& answer, Messages& messages, RecordsAfter records_after, IsWanted is_wanted,
               ToMessage to_message) {
  PageToken at;
  if (!PageToken::parse(request.page_token(), at)) return false;
  if (request.newest() > 0 && request.page_token().empty()) at = before_newest(request.newest(), records_after, is_wanted);
  const size_t size = page_size(request.page_size());
  size_t bytes = 0;
  each_record(at.after, size + 1, records_after, [&](const auto& record) {
    if (at.left == 0) return false;
    if (is_wanted(record)) {
      // A page is full only when one more has been met, so that the last page has no token.
      if (messages.size() == static_cast<int>(size) || bytes > SensorServer::kPageBytesMax) {
        answer.set_next_page_token(at.to_text());
        return false;
      }
      *messages.Add() = to_message(record);
      bytes += messages.rbegin()->ByteSizeLong();
      if (at.left != PageToken::kAll) --at.left;
    }
    at.after = record.id;
    return true;
  });
  return true;
}

}  // namespace parallax
