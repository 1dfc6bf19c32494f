#include "capture/spool/spool_reader.h"

#include <algorithm>

#include "capture/file/pcapng_blocks.h"

namespace parallax {

Result<std::unique_ptr<SpoolSnapshot>> SpoolSnapshot::open(SpoolViews views, std::vector<SpoolInterface> own, SpoolTimes times) {
  std::unique_ptr<SpoolSnapshot> snapshot(new SpoolSnapshot());
  snapshot->interfaces_ = std::move(own);
  snapshot->times_ = times;
  snapshot->losses_ = std::move(views.waiting);
  snapshot->losses_.insert(snapshot->losses_.end(), views.removed.begin(), views.removed.end());
  snapshot->removed_ = std::move(views.removed);
  for (auto& view : views.files) {
    const Result<SpoolFileHeader> header = read_spool_header(view->fd());
    if (!header) return Error{view->path() + ' ' + header.error()};
    File file;
    for (const PcapngInterface& interface : header->interfaces) file.interfaces.push_back(snapshot->interface_number(interface));
    for (SpoolLoss loss : view->losses()) {
      loss.interface = loss.interface < file.interfaces.size() ? file.interfaces[loss.interface] : SpoolLoss::kAllInterfaces;
      snapshot->losses_.push_back(loss);
    }
    file.view = std::move(view);
    snapshot->files_.push_back(std::move(file));
  }
  return snapshot;
}

uint16_t SpoolSnapshot::interface_number(const PcapngInterface& interface) {
  for (size_t i = 0; i < interfaces_.size(); ++i) {
    PcapngInterface& known = interfaces_[i].block;
    if (known.name != interface.name || known.description != interface.description || known.link_type != interface.link_type)
      continue;
    known.snaplen = std::max(known.snaplen, interface.snaplen);  // recorded with another one: no packet may exceed it
    return static_cast<uint16_t>(i);
  }
  SpoolInterface added{interface, {}, PortDirection::both};
  parse_interface_description(interface.description, added.point, added.direction);
  interfaces_.push_back(std::move(added));
  return static_cast<uint16_t>(interfaces_.size() - 1);
}

bool SpoolReader::Later::operator()(const OpenChunk* a, const OpenChunk* b) const {
  const int64_t a_ns = a->entries[a->position].time_ns, b_ns = b->entries[b->position].time_ns;
  return a_ns != b_ns ? a_ns > b_ns : a->number > b->number;
}

SpoolReader::SpoolReader(const SpoolSnapshot& snapshot, std::vector<uint64_t> legs)
    : snapshot_(snapshot), legs_(std::move(legs)), frames_(snapshot.interfaces().size()) {
  for (const SpoolSnapshot::File& file : snapshot.files_) {
    for (size_t i = 0; i < file.view->chunks().size(); ++i) sources_.push_back({&file, i});
  }
  std::stable_sort(sources_.begin(), sources_.end(),
                   [](const Source& a, const Source& b) { return a.chunk().first_ns < b.chunk().first_ns; });
}

SpoolReader::~SpoolReader() {
  for (; !open_.empty(); open_.pop()) delete open_.top();
}

// The file's filters are read when the first of its chunks is due, so that the first packets of a long slice come at once.
bool SpoolReader::is_wanted(const Source& source) {
  if (legs_.empty()) return true;
  auto it = wanted_.find(source.file);
  if (it == wanted_.end()) it = wanted_.emplace(source.file, source.file->view->may_hold_any(legs_)).first;
  return it->second[source.number];
}

void SpoolReader::open(size_t number) {
  const Source& source = sources_[number];
  if (!is_wanted(source)) {
    ++passed_over_;
    return;
  }
  std::unique_ptr<OpenChunk> chunk;
  if (spare_.empty()) {
    chunk = std::make_unique<OpenChunk>();
  } else {
    chunk = std::move(spare_.back());
    spare_.pop_back();
  }
  chunk->file = source.file;
  chunk->number = number;
  chunk->position = 0;
  chunk->entries.clear();
  chunk->bytes.resize(source.chunk().bytes);
  if (!read_exactly(source.file->view->fd(), chunk->bytes, source.chunk().offset)) {
    ++damaged_;
    return release(std::move(chunk));
  }
  std::span<const uint8_t> rest = chunk->bytes;
  while (const auto block = first_block(rest)) {
    if (block->type == pcapng::kEnhancedPacket) {
      const auto packet = enhanced_packet(*block);
      if (!packet || packet->interface >= source.file->interfaces.size()) break;
      if (packet->time_ns >= snapshot_.times().from_ns && packet->time_ns <= snapshot_.times().to_ns) {
        chunk->entries.push_back({packet->time_ns, static_cast<uint32_t>(block->bytes.data() - chunk->bytes.data())});
      }
    }
    rest = rest.subspan(block->bytes.size());
  }
  if (!rest.empty()) ++damaged_;
  std::stable_sort(chunk->entries.begin(), chunk->entries.end(),
                   [](const Entry& a, const Entry& b) { return a.time_ns < b.time_ns; });
  if (chunk->entries.empty()) return release(std::move(chunk));
  open_.push(chunk.release());
}

void SpoolReader::release(std::unique_ptr<OpenChunk> chunk) {
  if (spare_.size() < 8) spare_.push_back(std::move(chunk));
}

bool SpoolReader::next(SpooledPacket& packet) {
  if (given_out_) release(std::move(given_out_));
  while (next_source_ < sources_.size()) {
    if (!open_.empty()) {
      const OpenChunk& earliest = *open_.top();
      if (sources_[next_source_].chunk().first_ns > earliest.entries[earliest.position].time_ns) break;
      if (open_.size() >= kOpenChunksMax) {
        ++out_of_order_;
        break;
      }
    }
    open(next_source_++);
  }
  if (open_.empty()) return false;
  std::unique_ptr<OpenChunk> chunk(open_.top());
  open_.pop();
  const uint32_t offset = chunk->entries[chunk->position++].offset;
  const PcapngBlock block = *first_block(std::span<const uint8_t>(chunk->bytes).subspan(offset));
  const auto view = enhanced_packet(block);
  packet.interface = chunk->file->interfaces[view->interface];
  packet.drop_count = drop_count(block, *view);
  packet.packet = {view->data.data(),
                   static_cast<uint32_t>(view->data.size()),
                   view->original_length,
                   view->time_ns,
                   0,
                   ++frames_[packet.interface],
                   snapshot_.interfaces()[packet.interface].block.link_type};
  if (chunk->position < chunk->entries.size()) {
    open_.push(chunk.release());
  } else {
    given_out_ = std::move(chunk);
  }
  return true;
}

}  // namespace parallax
