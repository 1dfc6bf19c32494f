// Which role a process on the unix socket, or a certificate, has.
#include "daemon/api/role_rules.h"

#include <gtest/gtest.h>

#include "daemon/run/unix_groups.h"

namespace parallax {
namespace {

constexpr uid_t kOwn = 60'000, kOther = 60'002;

v1::ApiConfig with_groups() {
  v1::ApiConfig api;
  api.set_address("unix:/run/parallax/grpc.sock");
  for (const auto& [role, group] : {std::pair(v1::ROLE_PULLER, "mail"), std::pair(v1::ROLE_VIEWER, "games")}) {
    v1::RoleConfig& one = *api.add_roles();
    one.set_role(role);
    one.set_group(group);
  }
  return api;
}

UnixPeer peer(uid_t user, std::vector<gid_t> groups) { return {true, user, 4711, std::move(groups)}; }

TEST(RoleRules, ProcessHasTheHighestRoleOfItsGroups) {
  const Result<RoleRules> rules = RoleRules::of(with_groups(), kOwn);
  ASSERT_TRUE(rules) << rules.error();
  const gid_t mail = *find_group("mail"), games = *find_group("games");
  EXPECT_EQ(rules->of_process(peer(kOther, {mail})), v1::ROLE_PULLER);
  EXPECT_EQ(rules->of_process(peer(kOther, {games})), v1::ROLE_VIEWER);
  EXPECT_EQ(rules->of_process(peer(kOther, {games, 60'001, mail})), v1::ROLE_PULLER);
  EXPECT_EQ(rules->of_process(peer(kOther, {60'001})), v1::ROLE_UNSPECIFIED);
  EXPECT_EQ(rules->of_process(peer(kOther, {})), v1::ROLE_UNSPECIFIED);
  EXPECT_EQ(rules->of_process({}), v1::ROLE_UNSPECIFIED) << "the kernel does not say who it is, and not that it is root";
}

TEST(RoleRules, RootAndTheDaemonsOwnUserMayEverything) {
  const Result<RoleRules> rules = RoleRules::of(with_groups(), kOwn);
  ASSERT_TRUE(rules) << rules.error();
  EXPECT_EQ(rules->of_process(peer(0, {})), v1::ROLE_ADMIN);
  EXPECT_EQ(rules->of_process(peer(kOwn, {})), v1::ROLE_ADMIN);
}

TEST(RoleRules, WithoutRolesWhoeverGetsInMayDoEverything) {
  const Result<RoleRules> rules = RoleRules::of({}, kOwn);
  EXPECT_EQ(rules->of_process(peer(kOther, {})), v1::ROLE_ADMIN);
  const std::vector<std::string> names{"anna"};
  EXPECT_EQ(rules->of_certificate(names), v1::ROLE_ADMIN);
}

TEST(RoleRules, CertificateHasTheHighestRoleOfItsNames) {
  v1::ApiConfig api;
  for (const auto& [role, name] : {std::pair(v1::ROLE_VIEWER, "*.example.net"), std::pair(v1::ROLE_PULLER, "anna.example.net")}) {
    v1::RoleConfig& one = *api.add_roles();
    one.set_role(role);
    one.set_name(name);
  }
  const Result<RoleRules> rules = RoleRules::of(api, kOwn);
  const auto role_of = [&](const std::vector<std::string>& names) { return rules->of_certificate(names); };
  EXPECT_EQ(role_of({"anna.example.net"}), v1::ROLE_PULLER);
  EXPECT_EQ(role_of({"bert.example.net"}), v1::ROLE_VIEWER);
  EXPECT_EQ(role_of({"10.0.0.1", "bert.example.net"}), v1::ROLE_VIEWER);
  EXPECT_EQ(role_of({"anna.example.org"}), v1::ROLE_UNSPECIFIED);
  EXPECT_EQ(role_of({}), v1::ROLE_UNSPECIFIED);
}

TEST(RoleRules, UnknownGroupIsAnError) {
  v1::ApiConfig api = with_groups();
  api.mutable_roles(1)->set_group("no-such-group");
  EXPECT_EQ(RoleRules::of(api, kOwn).error(), "api.roles[1].group: there is no group \"no-such-group\" on this system");
}

}  // namespace
}  // namespace parallax
