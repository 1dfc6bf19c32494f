#include "capture/source/file_source.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>

namespace parallax {

namespace {

struct Selection {
  std::string path;
  std::optional<uint32_t> interface;
};

Selection selection_of(const std::string& path) {
  const size_t hash = path.rfind('#');
  if (hash == std::string::npos || ::access(path.c_str(), F_OK) == 0) return {path, std::nullopt};
  uint32_t interface = 0;
  const char* end = path.data() + path.size();
  const auto [rest, error] = std::from_chars(path.data() + hash + 1, end, interface);
  if (error != std::errc{} || rest != end) return {path, std::nullopt};
  return {path.substr(0, hash), interface};
}

}  // namespace

Result<std::unique_ptr<FileSource>> FileSource::open(const std::string& path) {
  const Selection selection = selection_of(path);
  Result<std::unique_ptr<CaptureFile>> file = CaptureFile::open(selection.path, selection.interface);
  if (!file.ok()) return Error{file.error()};
  return std::unique_ptr<FileSource>(new FileSource(std::move(*file), selection.interface));
}

size_t FileSource::poll(std::span<RawPacket> burst) {
  const size_t count = order_.poll(burst);
  for (size_t i = 0; i < count; ++i) {
    burst[i].time_ns = clock_.corrected(burst[i].time_ns);
    newest_ns_ = std::max(newest_ns_, burst[i].time_ns);
    if (burst[i].link_type == LinkType::ethernet || is_read(burst[i].link_type)) [[likely]]
      continue;
    if (unreadable_++ == 0) first_unreadable_ = burst[i].link_type;
  }
  return count;
}

int64_t FileSource::watermark_ns() const {
  if (finished()) return kTimeMax;
  const int64_t next_ns = order_.next_time_ns();
  return next_ns == kTimeMin ? newest_ns_ : std::max(newest_ns_, clock_.corrected(next_ns));
}

std::optional<TimeSpan> FileSource::take_uncertain_time() {
  std::optional<TimeSpan> span = order_.take_uncertain_time();
  if (span) span = {clock_.corrected(span->from_ns), clock_.corrected(span->to_ns)};
  return span;
}

std::string FileSource::warning() const {
  std::string text = file_->warning();
  const auto add = [&text](const std::string& more) { text += (text.empty() || more.empty() ? "" : "; ") + more; };
  add(order_.warning());
  if (unreadable_ > 0) {
    add("has " + std::to_string(unreadable_) + " packets of link type " +
        std::to_string(static_cast<unsigned>(first_unreadable_)) + ", which Parallax does not read");
  }
  if (interface_ && finished() && *interface_ >= file_->interfaces().size()) {
    add("has no interface #" + std::to_string(*interface_));
  }
  return text;
}

LinkType FileSource::link_type() const {
  const size_t interface = interface_.value_or(0);
  if (interface < file_->interfaces().size()) return file_->interfaces()[interface].link_type;
  return LinkType::ethernet;  // a pcapng file without any
}

}  // namespace parallax
