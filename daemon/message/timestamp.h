// Times of messages from outside, whose seconds may be anything. The way back is to_proto.h.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <optional>

namespace parallax {

// Nanoseconds since 1970. nullopt: before the year 1677, after 2262, or no time at all.
std::optional<int64_t> time_ns(const google::protobuf::Timestamp& time);

}  // namespace parallax
