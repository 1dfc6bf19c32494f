#include "daemon/api/callers.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <vector>

#include "daemon/message/utf8.h"

namespace parallax {
namespace {

constexpr size_t kNamesTold = 8, kNameBytesTold = 100;  // a certificate may have any number of any length

}  // namespace

void Callers::accepted(int connection) {
  UnixPeer peer = peer_of(connection);
  const std::lock_guard lock(mutex_);
  by_connection_[fmt::format("fd:{}", connection)] = std::move(peer);
}

void Callers::set_rules(RoleRules rules) {
  const std::lock_guard lock(mutex_);
  rules_ = std::move(rules);
  version_.fetch_add(1, std::memory_order_release);
}

Caller Callers::of(const grpc::ServerContext& context) const {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = by_connection_.find(context.peer()); found != by_connection_.end())
      return {found->second.text(), rules_.of_process(found->second)};
  }
  return of_certificate(context);
}

// By the alternative names where it has any, else by the common name, as gRPC has the identity and RFC 6125 wants it.
Caller Callers::of_certificate(const grpc::ServerContext& context) const {
  Caller caller{context.peer(), v1::ROLE_UNSPECIFIED};
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  if (auth == nullptr || !auth->IsPeerAuthenticated()) return caller;
  std::vector<std::string> names;
  for (const grpc::string_ref& name : auth->GetPeerIdentity()) names.emplace_back(name.data(), name.size());
  for (size_t i = 0; i < names.size() && i < kNamesTold; ++i)
    caller.text += fmt::format(" \"{}\"", sanitised(names[i].substr(0, kNameBytesTold)));
  if (names.size() > kNamesTold) caller.text += fmt::format(" and {} more names", names.size() - kNamesTold);
  const std::lock_guard lock(mutex_);
  caller.role = rules_.of_certificate(names);
  return caller;
}

}  // namespace parallax
