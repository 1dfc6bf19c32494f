// The client reset an established connection that nobody had closed.
#include "analysis/detect/detectors.h"
#include "analysis/detect/reset_by_end.h"

namespace parallax::detect {

const Detector reset_by_client = {
    .kind = FindingKind::reset_by_client,
    .severity = Severity::notice,
    .other_severities = {{Severity::info, "where it had acknowledged all that the server had sent"},
                         {Severity::warning, "where the server had not answered its last keep-alives"}},
    .informs_others = true,
    .protocol = Protocol::tcp,
    .needs = sign::reset,
    .is_asked_again = true,
    .due_ns = reset_due_ns<Side::client>,
    .look = reset_look<Side::client>,
    .sentence = reset_sentence,
    .page = {.means = "The client reset an established connection; neither end had sent a FIN.",
             .needs = "The handshake and the RST at the point nearest to the client, with the TTL of its SYN. Where the RST was "
                      "seen only further on, or has another TTL, nobody is named.",
             .errs =
                 "A device between the client and the first point may send a RST in the client's name, with the same TTL. Some "
                 "programs end every connection so, after they have all that they want.",
             .next = "Look at the client's program and its timeouts; compare the time of the RST with what it was waiting for."}};

}  // namespace parallax::detect
