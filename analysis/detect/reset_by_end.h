// What reset_by_client and reset_by_server have in common: an end of the connection that reset it after the handshake, and before
// anybody had closed it.
//
// A RST bears its sender's name, and says nothing more of who sent it. It is the end's if it was seen coming in where that end's
// packets come in, with the TTL that they have there: then no device of the path can have made it. Claims no absence.
#pragma once

#include "analysis/detect/detector.h"

namespace parallax::detect {

template <Side end>
int64_t reset_due_ns(const Connection& c, const DetectorView& view);
template <Side end>
void reset_look(Connection& c, const DetectorView& view, Verdicts& out);
std::string reset_sentence(const FindingGroup& group, const DetectorView& view);

// The device resets a connection that an end has reset already, or the other way round: one of the kinds is told.
bool reset_is_told(const Connection& c);

}  // namespace parallax::detect
