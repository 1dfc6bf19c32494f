// Two legs of one point that may be one connection on its way to a device and back from it: a hairpin NAT, a one-armed load
// balancer.
//
// A point shows many clients that are merely alike: that say the same to several servers, share a clock, scan with constant
// numbers. So it takes the very same packets, IP ID included, each shown twice within a transit and always in the same order; and
// where no router's TTL tells that they have passed something, several of them. Where the device gives them other IP IDs, it
// takes what both ends have said instead.
#pragma once

#include <optional>

#include "analysis/connection/connection.h"

namespace parallax {

// How sure it is that the two are legs of one connection, 0 to 1; 0: they are not. By what the device has left alone.
double hairpin_sequence_score(const LegState& leg, const LegState& other);   // of the SYN all
double hairpin_timestamp_score(const LegState& leg, const LegState& other);  // of the SYN its timestamp and IP ID
double hairpin_answered_score(const LegState& leg, const LegState& other);   // of SYN and SYN-ACK all, or their timestamps
double hairpin_sighted_score(const LegState& leg, const LegState& other);    // of packets met in midstream all
double hairpin_shifted_score(const LegState& leg, const LegState& other);    // of these the timestamps and IP IDs
double hairpin_datagram_score(const LegState& leg, const LegState& other);   // length and sum of the payload, and IP IDs

// Whether `leg` is the one on the client's side of the device; nullopt: the stamps and TTLs of what both show do not tell.
std::optional<bool> is_on_client_side(const LegState& leg, const LegState& other);

// Of a hairpin's legs the one by which what passes the neighbouring leg comes to the point, or goes on from it.
const LegState& goes_on_at(const LegState& client_side, const LegState& server_side, const LegState& neighbour);

// On which side of the client's leg the device of a hairpin is, as if the path went straight on; of the server's on the other.
// Not where a leg's neighbour is; nullopt: neighbours take both.
std::optional<PathSide> side_of_hairpin(const LegState& client_side, const LegState& server_side);
// Whether a connection crosses the device between two points again, on its way back from a hairpin behind it: then its client is
// not on the side of these two legs that it is on of the others.
bool turns_back(const Connection& connection, const LegState& client_side, const LegState& server_side);
// Puts the leg on the client's side first.
void orient(Crossing& crossing, const Connection& connection);

}  // namespace parallax
