#include "daemon/api/role_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/certificate_name.h"
#include "daemon/run/unix_groups.h"

namespace parallax {

Result<RoleRules> RoleRules::of(const v1::ApiConfig& api, uid_t own_user) {
  RoleRules made;
  made.own_user_ = own_user;
  for (int i = 0; i < api.roles_size(); ++i) {
    const v1::RoleConfig& one = api.roles(i);
    Rule& rule = made.rules_.emplace_back(Rule{one.role(), static_cast<gid_t>(-1), one.name()});
    if (!one.has_group()) continue;
    const std::optional<gid_t> group = find_group(one.group());
    if (!group) return Error{fmt::format("api.roles[{}].group: there is no group \"{}\" on this system", i, one.group())};
    rule.group = *group;
  }
  return made;
}

v1::Role RoleRules::of_process(const UnixPeer& peer) const {
  if (rules_.empty()) return v1::ROLE_ADMIN;
  if (!peer.is_known) return v1::ROLE_UNSPECIFIED;
  if (peer.user == 0 || peer.user == own_user_) return v1::ROLE_ADMIN;
  v1::Role highest = v1::ROLE_UNSPECIFIED;
  for (const Rule& rule : rules_) {
    if (std::find(peer.groups.begin(), peer.groups.end(), rule.group) != peer.groups.end())
      highest = std::max(highest, rule.role);
  }
  return highest;
}

v1::Role RoleRules::of_certificate(std::span<const std::string> names) const {
  if (rules_.empty()) return v1::ROLE_ADMIN;
  v1::Role highest = v1::ROLE_UNSPECIFIED;
  for (const Rule& rule : rules_) {
    const bool is_met = std::any_of(names.begin(), names.end(),
                                    [&](const std::string& name) { return covers_certificate_name(rule.name, name); });
    if (is_met) highest = std::max(highest, rule.role);
  }
  return highest;
}

}  // namespace parallax
