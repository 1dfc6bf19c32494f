// Which role a caller has: api.roles, held against what the kernel says of the process at the other end of a unix socket, or
// against the names of a client's certificate. Pure after it was made; any thread.
//
// On a unix socket root and the daemon's own user may do everything, since they may read the spool and the socket is theirs.
// Without api.roles so may whoever may open the socket, and every certificate of the authority that the configuration names,
// which the log says at start.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

#include "capture/core/result.h"
#include "daemon/api/unix_listener.h"
#include "parallax/v1/config.pb.h"

namespace parallax {

class RoleRules {
 public:
  // `own_user`: whom the daemon runs as. Fails where a group is not known to this system.
  static Result<RoleRules> of(const v1::ApiConfig& api, uid_t own_user);

  // ROLE_UNSPECIFIED: none.
  v1::Role of_process(const UnixPeer& peer) const;
  v1::Role of_certificate(std::span<const std::string> names) const;

 private:
  struct Rule {
    v1::Role role;
    gid_t group;       // on a unix socket
    std::string name;  // on TCP
  };
  std::vector<Rule> rules_;
  uid_t own_user_ = 0;
};

}  // namespace parallax
