// The engine's records as the API's messages, one to one; and its words as the messages' enumerators, by name.
//
// Pure; for any thread. The tables of words are made once, from the names on both sides (tests/analysis/model/vocabulary_test.cpp
// holds that none is missing).
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <string>
#include <vector>

#include "analysis/model/model.h"
#include "parallax/v1/types.pb.h"

namespace parallax {

// What the numbers in the records are called.
struct MessageNames {
  std::vector<std::string> points;  // by PointIndex: the path
  std::vector<std::string> ports;   // by PortIndex; offline: the files
  bool offline = false;             // evidence and packets then name file and frame, and no port

  const std::string& point(PointIndex index) const;  // empty where there is none
  const std::string& port(PortIndex index) const;
};

google::protobuf::Timestamp to_timestamp(int64_t time_ns);
int64_t from_timestamp(const google::protobuf::Timestamp& time);  // clamped to what 64 bits of nanoseconds hold

v1::FindingKind to_proto(FindingKind word);
v1::PacketLabel to_proto(PacketLabel word);
v1::Severity to_proto(Severity word);
v1::FindingState to_proto(FindingState word);
v1::Origin to_proto(Origin word);
v1::FindingDirection to_proto(FindingDirection word);
v1::Protocol to_proto(Protocol word);
v1::Outcome to_proto(Outcome word);
v1::Close to_proto(Close word);
v1::ClosedBy to_proto(ClosedBy word);
v1::PairingMethod to_proto(PairingMethod word);
v1::DeviceKind to_proto(DeviceKind word);
v1::DeviceChange to_proto(DeviceChange word);

v1::Endpoint to_proto(const Endpoint& endpoint);
v1::Connection to_proto(const ConnectionRecord& record, const MessageNames& names);
// The same into an empty message, wherever it lives.
void set_connection(const ConnectionRecord& record, const MessageNames& names, v1::Connection& message);
v1::Finding to_proto(const FindingRecord& record, const MessageNames& names);
v1::Device to_proto(const DeviceRecord& record, const MessageNames& names);
v1::Packet to_proto(const PacketRecord& record, const MessageNames& names);
// Link type, clock and warnings are the capture's: the caller adds them.
v1::Point to_proto(const PointRecord& record);
v1::Summary to_proto(const SummaryRecord& record);

// "beyond inside", "between outside and inside", "at an unknown place".
std::string where_text(const v1::Where& where);

}  // namespace parallax
