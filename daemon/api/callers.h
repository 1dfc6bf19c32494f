// Who makes a call, and which role that gives. On a unix socket the kernel told when the connection was accepted: gRPC knows such
// a connection as "fd:N". On TCP the certificate says it, which gRPC has verified.
//
// Written by the accepting thread, asked by the threads that serve calls. A connection keeps its number until gRPC closes it, and
// the next one with the number overwrites the entry before gRPC hears of it; a call that is left of the earlier one has nobody to
// answer to any more. The rules may change meanwhile: a role is always that of now.
#pragma once

#include <grpcpp/server_context.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "daemon/api/role_rules.h"

namespace parallax {

struct Caller {
  std::string text;  // for people: "uid 1000 (anna), pid 4711", or "ipv4:192.0.2.1:4711 \"anna.example.net\""
  v1::Role role = v1::ROLE_UNSPECIFIED;
  std::string account;  // the same for all calls of one user, or of those whose certificates have the same names
};

class Callers {
 public:
  explicit Callers(RoleRules rules) : rules_(std::move(rules)) {}

  void set_rules(RoleRules rules);
  // Grows whenever the rules were set.
  uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // Before the connection is handed to gRPC.
  void accepted(int connection);
  Caller of(const grpc::ServerContext& context) const;
  // Ends the connection of a call on a unix socket, whose receiver takes nothing. gRPC cancels a call only once the kernel has
  // taken what it is writing. On TCP the kernel does it (TCP_USER_TIMEOUT).
  void hang_up(const grpc::ServerContext& context) const;
  // The same of all of them, for the end.
  void hang_up_all() const;

 private:
  // Its entry, or the end. REQUIRES: the lock.
  std::map<int, UnixPeer>::const_iterator find(const grpc::ServerContext& context) const;
  Caller of_certificate(const grpc::ServerContext& context) const;

  std::atomic<uint64_t> version_{0};
  mutable std::mutex mutex_;  // guards what follows
  RoleRules rules_;
  std::map<int, UnixPeer> by_connection_;  // as many as there ever were file descriptors at a time
};

}  // namespace parallax
