// The fuzz targets with a seeded mutator, a bounded number of runs in every build. PARALLAX_FUZZ_SEED repeats a run (the seed is
// printed), PARALLAX_FUZZ_RUNS lengthens it, PARALLAX_FUZZ_CORPUS names a folder for the well-formed inputs it starts from.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/targets.h"
#include "tests/support/capture_bytes.h"
#include "tests/support/wire.h"

namespace parallax {

using namespace test;

namespace {

using Bytes = std::vector<uint8_t>;

uint64_t number(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::vector<Bytes> frames() {
  const Wire syn = tcp(2, Wire{2, 4, 5, 0xb4, 4, 2, 8, 10} + be32(1) + be32(0) + Wire{1, 3, 3, 9});
  const Wire timestamps = tcp(16, Wire{1, 1, 8, 10} + be32(1) + be32(2)) + zeros(20);
  const Wire sack = tcp(16, Wire{1, 1, 5, 18} + be32(1) + be32(2) + be32(3) + be32(4));
  const Wire four = ipv4({.payload = 32}) + tcp(16, zeros(12));
  const Wire six =
      ipv6(0, 60) + extension(43) + extension(44) + fragment_header(60, 0, true, 5) + extension(6) + tcp(16) + zeros(8);
  const Wire cooked = be16(0) + be16(1) + be16(6) + zeros(8) + be16(0x0800);
  const Wire with_link_type[] = {
      Wire{0, 0} + ipv4_frame(6, syn),
      Wire{0, 0} + ipv4_frame(6, timestamps),
      Wire{0, 9} + ipv4_frame(6, sack),
      Wire{0, 0} + ethernet(0x88a8) + vlan_tag(7, 0x8100) + vlan_tag(8, 0x86dd) + six,
      Wire{0, 0} + ethernet(0x0028) + Wire{0xaa, 0xaa, 3, 0, 0, 0, 8, 0} + four,
      Wire{0, 0} + ipv4_frame(17, udp(5) + zeros(5)),
      Wire{0, 0} + ipv4_frame(1, icmp(3, 4, 1400) + four),
      Wire{0, 0} + ipv6_frame(58, icmp(2, 0, 1280) + six),
      Wire{0, 0} + ethernet(0x0806) + arp_request(),
      Wire{0, 0} + ethernet(0x0800) + ipv4({.protocol = 17, .payload = 24, .fragment = 0x2000}) + udp(8000) + zeros(16),
      Wire{0, 0} + ethernet(0x0800) + ipv4({.protocol = 17, .payload = 24, .fragment = 3}) + zeros(24),
      Wire{1, 0} + four,
      Wire{1, 0} + six,
      Wire{2, 0} + Wire{2, 0, 0, 0} + four,
      Wire{3, 0} + be32(24) + six,
      Wire{4, 0} + cooked + four,
      Wire{5, 0} + be16(0x86dd) + zeros(18) + six,
      Wire{6, 0} + four,
      Wire{7, 0} + six,
  };
  return {std::begin(with_link_type), std::end(with_link_type)};
}

std::vector<Bytes> files() {
  std::vector<Bytes> all;
  const Wire frame = ipv4_frame(6, tcp(2));
  for (const bool big_endian : {false, true}) {
    const CaptureBytes empty(big_endian);
    for (const uint32_t magic : {0xa1b2c3d4u, 0xa1b23c4du}) {
      all.push_back(CaptureBytes(empty).pcap_header(magic).pcap_packet(1, 2, frame, 60).pcap_packet(2, 3, frame, 54).bytes());
    }
    CaptureBytes offset = empty;
    offset.u64(5);
    CaptureBytes options = empty;
    options.option(2, {'e', 't', 'h', '0'}).option(9, {9}).option(14, offset.bytes()).option(0, {});
    CaptureBytes power_of_two = empty;
    power_of_two.option(9, {0x80 | 20});
    CaptureBytes next = empty;
    next.section().interface(1, 96, options).interface(101, 0, power_of_two).enhanced(0, 1, frame, 60).simple(frame, 54);
    next.old_packet(1, 2, frame, 54).block(5, CaptureBytes(big_endian).u32(0)).section().interface().enhanced(0, 3, frame, 54);
    all.push_back(next.bytes());
  }
  return all;
}

// Small changes as they do harm: bits, interesting numbers, pieces cut out, doubled, taken from another input.
class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}

  Bytes mutated(const std::vector<Bytes>& corpus) {
    Bytes bytes = corpus[below(corpus.size())];
    for (size_t changes = 1 + below(6); changes > 0; --changes) change(bytes, corpus[below(corpus.size())]);
    return bytes;
  }

 private:
  size_t below(size_t bound) { return bound == 0 ? 0 : random_() % bound; }

  void change(Bytes& bytes, const Bytes& other) {
    constexpr uint8_t kInteresting[] = {0, 1, 4, 5, 6, 8, 12, 16, 20, 34, 40, 0x45, 0x4f, 0x7f, 0x80, 0xff};
    if (bytes.empty()) return;
    const size_t at = below(bytes.size()), length = 1 + below(16);
    const auto from = bytes.begin() + static_cast<ptrdiff_t>(at);
    switch (below(7)) {
      case 0:
        bytes[at] ^= static_cast<uint8_t>(1 << below(8));
        break;
      case 1:
        bytes[at] = static_cast<uint8_t>(random_());
        break;
      case 2:
        bytes[at] = kInteresting[below(std::size(kInteresting))];
        break;
      case 3:
        bytes.resize(at);
        break;
      case 4:
        bytes.erase(from, from + static_cast<ptrdiff_t>(std::min(length, bytes.size() - at)));
        break;
      case 5: {
        const Bytes piece(from, from + static_cast<ptrdiff_t>(std::min(length, bytes.size() - at)));
        bytes.insert(bytes.begin() + static_cast<ptrdiff_t>(at), piece.begin(), piece.end());
        break;
      }
      default: {
        const size_t start = below(other.size());
        const size_t count = std::min({length * 4, other.size() - start, bytes.size() - at});
        std::copy_n(other.begin() + static_cast<ptrdiff_t>(start), count, from);
      }
    }
  }

  std::mt19937_64 random_;
};

void run(const char* name, const std::vector<Bytes>& corpus, void (*target)(const uint8_t*, size_t), uint64_t runs) {
  if (const char* folder = std::getenv("PARALLAX_FUZZ_CORPUS")) {
    for (size_t i = 0; i < corpus.size(); ++i) {
      std::ofstream(std::string(folder) + "/" + name + "_" + std::to_string(i), std::ios::binary)
          .write(reinterpret_cast<const char*>(corpus[i].data()), static_cast<std::streamsize>(corpus[i].size()));
    }
  }
  for (const Bytes& bytes : corpus) target(bytes.data(), bytes.size());
  const uint64_t seed = number("PARALLAX_FUZZ_SEED", 20261121);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  Mutator mutator(seed);
  for (uint64_t i = 0; i < number("PARALLAX_FUZZ_RUNS", runs); ++i) {
    const Bytes bytes = mutator.mutated(corpus);
    target(bytes.data(), bytes.size());
  }
}

}  // namespace

TEST(Fuzz, NoFrameHarmsTheDecoder) { run("decode", frames(), fuzz::decode_frame, 200'000); }

TEST(Fuzz, NoFileHarmsTheReader) { run("capture_file", files(), fuzz::read_capture_file, 5'000); }

}  // namespace parallax
