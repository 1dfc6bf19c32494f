#include "daemon/api/callers.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>

#include <charconv>
#include <vector>

#include "daemon/message/utf8.h"

namespace parallax {
namespace {

constexpr size_t kNamesTold = 8, kNameBytesTold = 100;  // a certificate may have any number of any length

// By its name among all sockets: gRPC may have closed it, and the number then is another's.
void shut(int connection, const UnixPeer& peer) {
  if (peer.cookie != 0 && cookie_of(connection) == peer.cookie) ::shutdown(connection, SHUT_RDWR);
}

std::string account_of(const UnixPeer& peer) { return peer.is_known ? fmt::format("uid {}", peer.user) : "unknown"; }

}  // namespace

void Callers::accepted(int connection) {
  UnixPeer peer = peer_of(connection);
  const std::lock_guard lock(mutex_);
  by_connection_[connection] = std::move(peer);
}

void Callers::set_rules(RoleRules rules) {
  const std::lock_guard lock(mutex_);
  rules_ = std::move(rules);
  version_.fetch_add(1, std::memory_order_release);
}

Caller Callers::of(const grpc::ServerContext& context) const {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = find(context); found != by_connection_.end())
      return {found->second.text(), rules_.of_process(found->second), account_of(found->second)};
  }
  return of_certificate(context);
}

std::map<int, UnixPeer>::const_iterator Callers::find(const grpc::ServerContext& context) const {
  const std::string peer = context.peer();
  if (!peer.starts_with("fd:")) return by_connection_.end();
  int connection = -1;
  std::from_chars(peer.data() + 3, peer.data() + peer.size(), connection);
  return by_connection_.find(connection);
}

void Callers::hang_up(const grpc::ServerContext& context) const {
  const std::lock_guard lock(mutex_);
  if (const auto found = find(context); found != by_connection_.end()) shut(found->first, found->second);
}

void Callers::hang_up_all() const {
  const std::lock_guard lock(mutex_);
  for (const auto& [connection, peer] : by_connection_) shut(connection, peer);
}

// By the alternative names where it has any, else by the common name, as gRPC has the identity and RFC 6125 wants it.
Caller Callers::of_certificate(const grpc::ServerContext& context) const {
  Caller caller{context.peer(), v1::ROLE_UNSPECIFIED, "unknown"};
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  if (auth == nullptr || !auth->IsPeerAuthenticated()) return caller;
  std::vector<std::string> names;
  for (const grpc::string_ref& name : auth->GetPeerIdentity()) names.emplace_back(name.data(), name.size());
  for (size_t i = 0; i < names.size() && i < kNamesTold; ++i)
    caller.text += fmt::format(" \"{}\"", sanitised(names[i].substr(0, kNameBytesTold)));
  if (names.size() > kNamesTold) caller.text += fmt::format(" and {} more names", names.size() - kNamesTold);
  caller.account = fmt::format("names {}", fmt::join(names, "\n"));
  const std::lock_guard lock(mutex_);
  caller.role = rules_.of_certificate(names);
  return caller;
}

}  // namespace parallax
