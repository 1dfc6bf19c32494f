#include "capture/spool/spool_legs.h"

#include <sys/stat.h>
#include <zlib.h>

#include <cstring>
#include <utility>

#include "capture/core/bytes.h"
#include "capture/decode/flow_hash.h"
#include "capture/file/pcapng_blocks.h"
#include "capture/spool/spool_file.h"

namespace parallax {

namespace {

constexpr uint64_t kBitsPerLeg = 16;
constexpr uint64_t kProbes = 8;
constexpr size_t kBlockBytes = 1 << 20;  // of one block of filters, about

// Odd numbers without a pattern: digits of pi.
constexpr uint64_t kKeys[] = {0x243f6a8885a308d3, 0x13198a2e03707345, 0xa4093822299f31d1, 0x082efa98ec4e6c89};

uint64_t end_key(const Address& address, uint16_t port) {
  return folded_product(load_native<uint64_t>(address.data()) ^ kKeys[0],
                        load_native<uint64_t>(address.data() + 8) ^ kKeys[1] ^ port * kKeys[2]);
}

// Calls `probe` with each bit of the key, until it says no.
template <typename Probe>
bool all_bits(uint64_t key, uint64_t words, const Probe& probe) {
  const auto one = static_cast<uint32_t>(key), other = static_cast<uint32_t>(key >> 32) | 1;
  for (uint32_t i = 0; i < kProbes; ++i) {
    const uint64_t bit = static_cast<uint32_t>(one + i * other) * (words * 64) >> 32;
    if (!probe(bit / 64, uint64_t{1} << bit % 64)) return false;
  }
  return true;
}

}  // namespace

uint64_t spool_leg_key(const Sighting& s) {
  const uint64_t one = end_key(s.source, s.source_port), other = end_key(s.destination, s.destination_port);
  const uint64_t key = folded_product(one + other, (one ^ other) ^ kKeys[3] * (s.protocol + 1u));
  return key == kNoLeg ? kAnyLeg : key;
}

uint64_t SpoolLegKeys::of(const FrameView& frame, int64_t time_ns, SpooledHeaders& headers) {
  headers.error = decode(frame, headers);
  headers.is_whole = headers.error == DecodeError::none;
  headers.time_ns = time_ns;
  if (!headers.is_whole) return kNoLeg;
  const bool is_fragment = headers.has(SightingFlag::fragment) || headers.has(SightingFlag::outer_fragment);
  headers.is_whole = !is_fragment || fragments_.attribute(frame, headers) || !headers.has(SightingFlag::later_fragment);
  return headers.is_whole ? spool_leg_key(headers) : kAnyLeg;
}

void SpoolLegSet::insert(uint64_t key) {
  size_t at = (key ^ key >> 32) & (slots_.size() - 1);
  while (slots_[at] != kNoLeg && slots_[at] != key) at = (at + 1) & (slots_.size() - 1);
  if (slots_[at] == key) return;
  slots_[at] = key;
  if (++size_ > slots_.size() / 2) grow();
}

void SpoolLegSet::clear() {
  std::fill(slots_.begin(), slots_.end(), kNoLeg);
  size_ = 0;
}

void SpoolLegSet::grow() {
  const std::vector<uint64_t> before = std::exchange(slots_, std::vector<uint64_t>(2 * slots_.size(), kNoLeg));
  size_ = 0;
  for (const uint64_t key : before) {
    if (key != kNoLeg) insert(key);
  }
}

SpoolLegFilter make_leg_filter(const SpoolLegSet& keys) {
  SpoolLegFilter filter((keys.size() * kBitsPerLeg + 63) / 64);
  keys.for_each([&filter](uint64_t key) {
    all_bits(key, filter.size(), [&](uint64_t word, uint64_t bit) {
      filter[word] |= bit;
      return true;
    });
  });
  return filter;
}

bool may_hold(std::span<const uint64_t> filter, uint64_t key) {
  return !filter.empty() && all_bits(key, filter.size(), [&](uint64_t word, uint64_t bit) { return (filter[word] & bit) != 0; });
}

void SpoolLegIndex::add(std::span<const uint64_t> keys, bool begins) {
  if (begins && has_begun_) {
    closed_.push_back(std::make_shared<const SpoolLegFilter>(make_leg_filter(keys_)));
    words_ += closed_.back()->size() + 2;
    keys_.clear();
  }
  has_begun_ = true;
  uint64_t before = kNoLeg;
  for (const uint64_t key : keys) {
    if (key != kNoLeg && key != before) keys_.insert(key);
    before = key;
  }
}

// The content of a block: the CRC-32 of what follows, padded to eight bytes; for each chunk its offset, the number of words of
// its filter, and these.
void append_spool_legs(PcapngBuffer& out, std::span<const uint64_t> offsets, const SpoolLegIndex& legs) {
  std::vector<uint64_t> words{0};
  const auto end_block = [&] {
    if (words.size() == 1) return;
    words[0] = crc32_z(0, reinterpret_cast<const Bytef*>(words.data() + 1), (words.size() - 1) * sizeof(uint64_t));
    append_own(out, pcapng::kSpoolLegsMagic, {reinterpret_cast<const uint8_t*>(words.data()), words.size() * sizeof(uint64_t)});
    words.resize(1);
  };
  const auto add = [&](uint64_t offset, const SpoolLegFilter& filter) {
    words.push_back(offset);
    words.push_back(filter.size());
    words.insert(words.end(), filter.begin(), filter.end());
    if (words.size() * sizeof(uint64_t) >= kBlockBytes) end_block();
  };
  for (size_t i = 0; i < offsets.size() && i <= legs.closed().size(); ++i)
    add(offsets[i], i < legs.closed().size() ? *legs.closed()[i] : legs.last());
  end_block();
}

namespace {

// The block of ours of that kind which ends at `end`; empty: there is none.
std::vector<uint8_t> own_block_before(int fd, uint64_t end, uint64_t magic) {
  uint8_t last[4];
  if (end < pcapng::kOwnBytesMin || !read_exactly(fd, last, end - 4)) return {};
  const auto size = load_native<uint32_t>(last);
  if (size < pcapng::kOwnBytesMin || size > pcapng::kBlockBytesMax || size > end) return {};
  std::vector<uint8_t> bytes(size);
  if (!read_exactly(fd, bytes, end - size)) return {};
  const auto block = first_block(bytes);
  return block && block->bytes.size() == size && is_own(*block, magic) ? bytes : std::vector<uint8_t>{};
}

}  // namespace

void read_spool_legs(int fd, const std::function<void(uint64_t, std::span<const uint64_t>)>& take) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return;
  auto end = static_cast<uint64_t>(status.st_size);
  std::vector<uint8_t> block = own_block_before(fd, end, pcapng::kSpoolIndexMagic);
  while (!block.empty()) {
    end -= block.size();
    block = own_block_before(fd, end, pcapng::kSpoolLegsMagic);
    if (block.empty()) return;
    std::vector<uint64_t> words((block.size() - pcapng::kOwnBytesMin) / sizeof(uint64_t));
    if (words.empty()) continue;
    std::memcpy(words.data(), block.data() + pcapng::kOwnHeaderBytes, words.size() * sizeof(uint64_t));
    std::span<const uint64_t> rest = std::span<const uint64_t>(words).subspan(1);
    if (words[0] != crc32_z(0, reinterpret_cast<const Bytef*>(rest.data()), rest.size_bytes())) continue;
    while (rest.size() >= 2 && rest[1] <= rest.size() - 2) {
      take(rest[0], rest.subspan(2, rest[1]));
      rest = rest.subspan(2 + rest[1]);
    }
  }
}

}  // namespace parallax
