// A port that its client uses again too early.
#pragma once

#include "analysis/detect/detector.h"

namespace parallax::detect {

// The connection's SYN has got no answer, and the one before it on the same ends was closed by FIN so lately that the server may
// hold it in TIME_WAIT.
bool may_be_barred(const Connection& connection);
// Tells so, in place of the observation that nothing answered it beyond the last point.
void tell_barred(Connection& connection, Observation unanswered, Verdicts& out);

}  // namespace parallax::detect
