// The server reset an established connection that nobody had closed.
#include "analysis/detect/detectors.h"
#include "analysis/detect/reset_by_end.h"

namespace parallax::detect {

const Detector reset_by_server = {
    .kind = FindingKind::reset_by_server,
    .severity = Severity::notice,
    .informs_others = true,
    .protocol = Protocol::tcp,
    .needs = sign::reset,
    .is_asked_again = true,
    .due_ns = reset_due_ns<Side::server>,
    .look = reset_look<Side::server>,
    .sentence = reset_sentence,
    .page = {.means = "The server reset an established connection; neither end had sent a FIN.",
             .needs =
                 "The handshake and the RST at the point nearest to the server, with the TTL of its SYN-ACKs. Where the RST was "
                 "seen only further on, or has another TTL, nobody is named.",
             .errs = "A device between the last point and the server, a load balancer above all, may send a RST in the server's "
                     "name, with the same TTL.",
             .next = "Look at the server's log for that time: crashes, restarts, limits of connections, idle timeouts."}};

}  // namespace parallax::detect
