// Slices out of pinned files: what was pinned, filtered, and whatever became of the file nothing that was not.
#include "daemon/slice/pinned_slice.h"

#include <set>

#include "tests/support/pinned_fixture.h"

namespace parallax {
namespace {

using test::numbered_slice;

constexpr uint64_t kPackets = 40;

class PinnedSliceTest : public test::PinnedFilesTest {
 protected:
  PinnedSliceTest() : files_(options()) { EXPECT_EQ(pin(files_, 7, kPackets), ""); }

  SliceResult pull(const PinnedFiles& files, const std::string& filter = "") {
    slice_.clear();
    return pull_pinned(files, 7, filter, [&](std::span<const uint8_t> chunk) {
      EXPECT_LE(chunk.size(), kSliceChunkBytes);
      slice_.insert(slice_.end(), chunk.begin(), chunk.end());
      return true;
    });
  }
  // The numbers of the packets in the slice. Fails where it is no whole pcapng, or a packet is not as it was.
  std::set<uint64_t> numbers() const {
    std::set<uint64_t> numbers;
    std::span<const uint8_t> rest = slice_;
    while (const auto block = first_block(rest)) {
      if (block->type == pcapng::kEnhancedPacket) {
        const auto packet = enhanced_packet(*block);
        uint64_t number = 0;
        if (packet && packet->data.size() > 22) std::memcpy(&number, packet->data.data() + 14, sizeof(number));
        const std::vector<uint8_t> frame = numbered_frame(number);
        EXPECT_TRUE(packet && std::equal(packet->data.begin(), packet->data.end(), frame.begin(), frame.end()));
        EXPECT_TRUE(numbers.insert(number).second);
      }
      rest = rest.subspan(block->bytes.size());
    }
    EXPECT_TRUE(rest.empty());
    return numbers;
  }
  uint64_t packets_said(const SliceSummary& summary) const {
    uint64_t packets = 0;
    for (const auto& point : summary.points) packets += point.packets;
    return packets;
  }

  PinnedFiles files_;
  std::vector<uint8_t> slice_;
};

TEST_F(PinnedSliceTest, IsWhatWasPinnedToTheByte) {
  const SliceResult result = pull(files_);
  ASSERT_EQ(result.code, SliceCode::ok) << result.message;
  EXPECT_EQ(slice_, numbered_slice(kPackets));
  EXPECT_TRUE(result.summary.missing.empty());
  ASSERT_EQ(result.summary.points.size(), 2u);
  EXPECT_EQ(result.summary.points[0].packets, kPackets / 2);
  EXPECT_EQ(result.summary.first_ns, kSpoolTestStartNs);
  EXPECT_EQ(result.summary.last_ns, kSpoolTestStartNs + static_cast<int64_t>(kPackets) - 1);
  EXPECT_EQ(result.summary.pinned_ns, kSpoolTestStartNs + 7'000'000'000);
}

TEST_F(PinnedSliceTest, AFilterLimitsWhatIsGivenAndTheStatisticsSayHowMuch) {
  const SliceResult result = pull(files_, "ether[21] == 0 and ether[14] < 10");
  ASSERT_EQ(result.code, SliceCode::ok) << result.message;
  EXPECT_EQ(numbers().size(), 10u);
  EXPECT_EQ(packets_said(result.summary), 10u);
  const TemporaryFile written("slice.pcapng", slice_);
  expect_opens_without_warning(written.path(), 10);
  EXPECT_EQ(pull(files_, "tcp port").code, SliceCode::invalid_argument);
  EXPECT_EQ(pull(files_, "host no-such-host.example").code, SliceCode::invalid_argument);
  EXPECT_TRUE(slice_.empty());
}

TEST_F(PinnedSliceTest, IsCutAtItsBytesAndSaysFromWhenOn) {
  for (const uint64_t bytes_max : {numbered_slice(kPackets).size() - 1, size_t{4000}}) {
    slice_.clear();
    const SliceResult result = pull_pinned(
        files_, 7, "",
        [&](std::span<const uint8_t> chunk) {
          slice_.insert(slice_.end(), chunk.begin(), chunk.end());
          return true;
        },
        bytes_max);
    ASSERT_EQ(result.code, SliceCode::ok) << result.message;
    EXPECT_LE(slice_.size(), bytes_max);
    const size_t given = numbers().size();
    EXPECT_TRUE(given > 0 && given < kPackets) << given;
    EXPECT_EQ(packets_said(result.summary), given);
    EXPECT_TRUE(result.summary.is_cut);
    ASSERT_EQ(result.summary.missing.size(), 1u);
    EXPECT_NE(result.summary.missing[0].find("it may have"), std::string::npos) << result.summary.missing[0];
    const TemporaryFile written("slice.pcapng", slice_);
    expect_opens_without_warning(written.path(), given);
  }
}

TEST_F(PinnedSliceTest, AReceiverThatGoesAwayStopsIt) {
  EXPECT_EQ(pull_pinned(files_, 7, "", [](auto) { return false; }).code, SliceCode::cancelled);
}

TEST_F(PinnedSliceTest, ThatItsFindingWasWithdrawnIsSaid) {
  v1::Finding withdrawn = finding(7);
  withdrawn.set_state(v1::FINDING_STATE_WITHDRAWN);
  ASSERT_EQ(files_.note_withdrawn(withdrawn), "");
  const SliceResult result = pull(files_);
  ASSERT_EQ(result.summary.remarks.size(), 1u);
  EXPECT_TRUE(result.summary.remarks[0].starts_with("finding 7 was withdrawn")) << result.summary.remarks[0];
  EXPECT_EQ(numbers().size(), kPackets);
}

TEST_F(PinnedSliceTest, WhatIsRemovedMeanwhileIsOutOfRange) {
  std::filesystem::remove(file(7));
  EXPECT_EQ(pull(files_).code, SliceCode::out_of_range);
}

// Whatever byte is another one: no packet that was not pinned, none that differs, and what is missing is said.
TEST_F(PinnedSliceTest, DamageAtAnyByteIsSaidAndCostsNoMoreThanItsPiece) {
  const std::vector<uint8_t> whole = bytes_of(file(7));
  for (size_t at = 0; at < whole.size(); ++at) {
    std::vector<uint8_t> damaged = whole;
    damaged[at] ^= 0x5a;
    overwrite(file(7), damaged);
    const PinnedFiles files(options());
    const SliceResult result = pull(files);
    if (result.code == SliceCode::data_loss) {
      EXPECT_TRUE(slice_.empty()) << at;
      EXPECT_NE(result.message.find("damaged"), std::string::npos) << at << result.message;
      continue;
    }
    ASSERT_EQ(result.code, SliceCode::ok) << at << result.message;
    const size_t given = numbers().size();
    EXPECT_EQ(packets_said(result.summary), given) << at;
    // The padding at the very end is nothing.
    EXPECT_TRUE(!result.summary.missing.empty() || slice_ == numbered_slice(kPackets)) << at;
    if (at >= numbered_slice(kPackets).size()) {
      EXPECT_EQ(given, kPackets) << at << ": only the end";
    }
  }
}

TEST_F(PinnedSliceTest, CutAtAnyByteItGivesWhatIsWholeAndSaysSo) {
  const std::vector<uint8_t> whole = bytes_of(file(7));
  const PcapngBuffer pcapng = numbered_slice(kPackets);
  size_t last = 0;
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    overwrite(file(7), std::span(whole).first(cut));
    const PinnedFiles files(options());
    const SliceResult result = pull(files);
    if (result.code == SliceCode::data_loss) {
      EXPECT_EQ(last, 0u) << cut;
      continue;
    }
    ASSERT_EQ(result.code, SliceCode::ok) << cut << result.message;
    EXPECT_FALSE(result.summary.missing.empty()) << cut;
    EXPECT_LE(slice_.size(), cut);
    EXPECT_TRUE(std::equal(slice_.begin(), slice_.end(), pcapng.begin()));
    EXPECT_GE(slice_.size(), last);
    last = slice_.size();
  }
  EXPECT_EQ(last, pcapng.size());
}

TEST_F(PinnedSliceTest, OfALargeOneWithADamagedPieceTheOthersAreGiven) {
  constexpr uint64_t kMany = 4000;  // some 700 KiB
  ASSERT_EQ(pin(files_, 7, kMany), "");
  std::vector<uint8_t> damaged = bytes_of(file(7));
  damaged[damaged.size() / 2] ^= 1;
  overwrite(file(7), damaged);
  const SliceResult result = pull(files_);
  ASSERT_EQ(result.code, SliceCode::ok);
  EXPECT_GT(numbers().size(), kMany * 8 / 10);
  EXPECT_LT(numbers().size(), kMany);
  ASSERT_EQ(result.summary.missing.size(), 1u);
  EXPECT_TRUE(result.summary.missing[0].starts_with("1 of the ")) << result.summary.missing[0];
  const TemporaryFile written("slice.pcapng", slice_);
  expect_opens_without_warning(written.path(), numbers().size());
}

}  // namespace
}  // namespace parallax
