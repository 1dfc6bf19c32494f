// The pcapng format, as far as Parallax writes it (IETF draft-ietf-opsawg-pcapng).
//
// A file is a section: a section header block (SHB), an interface description block (IDB) for each port, enhanced packet
// blocks (EPB), interface statistics blocks (ISB) at the end. Every block is
//
//     type:32  total length:32  body, padded to 4 bytes  total length again:32
//
// in the byte order of the writer, which the magic of the SHB shows. Options stand at the end of a body: code:16, length:16,
// value padded to 4 bytes, and a last one of zeros. Times of packets are 64 bits in units that the interface states (we:
// nanoseconds since 1970 UTC), the high half first.
//
// Padding, and the index of a spool file, are blocks of a type for local use (highest bit set), which every reader skips. Custom
// blocks would be the more proper thing, but Wireshark, tshark and capinfos 4.0 show and count each of them as a packet.
#pragma once

#include <cstdint>

namespace parallax::pcapng {

inline constexpr uint32_t kSectionHeader = 0x0A0D0D0A;
inline constexpr uint32_t kInterfaceDescription = 1;
inline constexpr uint32_t kInterfaceStatistics = 5;
inline constexpr uint32_t kEnhancedPacket = 6;
inline constexpr uint32_t kOwn = 0x8050'5258;  // Parallax's own, told apart by a magic

inline constexpr uint32_t kByteOrderMagic = 0x1A2B3C4D;
inline constexpr uint16_t kVersionMajor = 1, kVersionMinor = 0;
inline constexpr uint64_t kSectionLengthUnknown = ~uint64_t{0};

inline constexpr uint16_t kOptionEnd = 0, kOptionComment = 1;
inline constexpr uint16_t kSectionHardware = 2, kSectionOs = 3, kSectionApplication = 4;
inline constexpr uint16_t kInterfaceName = 2, kInterfaceText = 3, kInterfaceTimeResolution = 9, kInterfaceOs = 12;
inline constexpr uint16_t kPacketFlags = 2, kPacketDropCount = 4, kPacketId = 5;
inline constexpr uint16_t kStatisticsStart = 2, kStatisticsEnd = 3, kStatisticsReceived = 4, kStatisticsDropped = 5,
                          kStatisticsFilterAccepted = 6, kStatisticsDelivered = 8;

inline constexpr uint32_t kDirectionInbound = 1, kDirectionOutbound = 2;  // the low bits of kPacketFlags
inline constexpr uint8_t kNanoseconds = 9;                                // kInterfaceTimeResolution: 10^-9

inline constexpr uint32_t kBlockHeaderBytes = 8;      // type, total length
inline constexpr uint32_t kBlockBytesMin = 12;        // and the total length again
inline constexpr uint32_t kBlockBytesMax = 16 << 20;  // Wireshark refuses longer ones
inline constexpr uint32_t kPacketHeaderBytes = 28;    // of an EPB up to the packet's bytes
inline constexpr uint32_t kPacketOverheadBytes = kPacketHeaderBytes + 4;
inline constexpr uint32_t kPacketFlagsBytes = 12;  // the flags option and the end of options
inline constexpr uint32_t kDropCountBytes = 12;    // the option
inline constexpr uint32_t kOptionEndBytes = 4;
inline constexpr uint32_t kOptionBytesMax = 65535;

inline constexpr uint32_t kOwnHeaderBytes = 16;                      // of a kOwn block: type, length, magic
inline constexpr uint64_t kPaddingMagic = 0x3064'6170'786C'7250;     // "Prlxpad0"
inline constexpr uint64_t kSpoolIndexMagic = 0x3178'6469'786C'7250;  // "Prlxidx1"
inline constexpr uint64_t kSpoolLegsMagic = 0x3173'6765'6C78'7250;   // "Prxlegs1"
inline constexpr uint32_t kOwnBytesMin = kOwnHeaderBytes + 4;

constexpr uint32_t padded(uint32_t size) { return (size + 3) & ~uint32_t{3}; }

}  // namespace parallax::pcapng
