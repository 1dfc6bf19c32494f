// Names of clients' certificates as api.roles writes them: a name as the certificate has it, "*.example.net" for names of one
// label more, or "*" for every certificate. Pure.
#pragma once

#include <string>
#include <string_view>

namespace parallax {

// Empty: `pattern` is one of these.
std::string why_not_a_certificate_name(std::string_view pattern);

// As in TLS (RFC 6125) an asterisk stands for one whole label, of letters, digits, '-' and '_': not for a dot, and not for what
// makes a name another kind of name, such as "spiffe://" or an '@'. Letters count as they are written.
bool covers_certificate_name(std::string_view pattern, std::string_view name);

}  // namespace parallax
