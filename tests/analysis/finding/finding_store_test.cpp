// When findings end, and what their watchers are told of those that go.
#include "analysis/finding/finding_store.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/support/packet_builder.h"

namespace parallax {
namespace {

constexpr int64_t kSecond = 1'000'000'000, kStart = 1'700'000'000 * kSecond;

// A SYN that a server of this number refused to a client, each time on another connection.
Observation refusal(int64_t at_ns, uint16_t service, Severity severity = Severity::warning) {
  static uint64_t connection = 0;
  Observation o;
  o.kind = FindingKind::syn_refused;
  o.where = {Where::Kind::beyond, 1, 1};
  o.origin = Origin::server;
  o.direction = FindingDirection::client_to_server;
  o.service = {test::address("198.51.100.1"), service};
  o.connection_id = ++connection;
  o.first_ns = o.last_ns = at_ns;
  o.severity = severity;
  return o;
}

Observation refusal_of(const char* client, int64_t at_ns, uint16_t service) {
  Observation o = refusal(at_ns, service);
  o.source = {test::address(client), 0};
  return o;
}

uint64_t raised(const FindingStore& store) {
  uint64_t sum = 0;
  for (const auto& [key, total] : store.totals()) sum += total.raised;
  return sum;
}

class FindingStoreTest : public ::testing::Test {
 protected:
  static constexpr size_t kShare = 8;  // of one kind

  std::vector<FindingChange> changes(FindingWatch& watch) const {
    std::vector<FindingChange> all;
    while (store_.changes().give(watch, 3, all)) {
    }
    return all;
  }
  FindingState state_of(uint64_t id) const { return store_.find(id)->state; }

  FindingStore store_{{"outside", "inside"}, kShare* FindingStore::kKindShare, [](const FindingGroup& group) {
                        return "count " + std::to_string(group.record.count);
                      }};
  FindingWatch all_;
};

uint64_t dropped(const std::vector<FindingChange>& changes) {
  uint64_t sum = 0;
  for (const FindingChange& change : changes) sum += change.dropped_before;
  return sum;
}

TEST_F(FindingStoreTest, ClosesByTimeAlone) {
  const uint64_t id = store_.observe(refusal(kStart, 443));
  changes(all_);
  store_.pass_time(kStart + kIncidentGapNs);
  EXPECT_EQ(state_of(id), FindingState::open) << "one more may join it yet";
  EXPECT_TRUE(changes(all_).empty());
  store_.pass_time(kStart + kIncidentGapNs + 1);
  EXPECT_EQ(state_of(id), FindingState::closed);
  const auto told = changes(all_);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].finding.id, id);
  EXPECT_EQ(told[0].finding.state, FindingState::closed);
  EXPECT_EQ(told[0].dropped_before, 0u);
}

TEST_F(FindingStoreTest, WhatJoinsPutsTheEndOff) {
  const uint64_t id = store_.observe(refusal(kStart, 443));
  store_.pass_time(kStart + kIncidentGapNs);
  EXPECT_EQ(store_.observe(refusal(kStart + kIncidentGapNs, 443)), id);
  store_.pass_time(kStart + 2 * kIncidentGapNs);
  EXPECT_EQ(state_of(id), FindingState::updated);
  store_.pass_time(kStart + 2 * kIncidentGapNs + 1);
  EXPECT_EQ(state_of(id), FindingState::closed);
}

TEST_F(FindingStoreTest, GapBeginsWhenItIsTold) {
  store_.pass_time(kStart + 3600 * kSecond);
  const uint64_t id = store_.observe(refusal(kStart, 443));
  store_.pass_time(kStart + 3600 * kSecond + kIncidentGapNs);
  EXPECT_EQ(state_of(id), FindingState::open) << "its packets are an hour old, and it is new";
  store_.pass_time(kStart + 3600 * kSecond + kIncidentGapNs + 1);
  EXPECT_EQ(state_of(id), FindingState::closed);
}

TEST_F(FindingStoreTest, NothingJoinsWhatIsClosed) {
  const uint64_t id = store_.observe(refusal(kStart, 443));
  store_.pass_time(kStart + kIncidentGapNs + 1);
  EXPECT_NE(store_.observe(refusal(kStart + kIncidentGapNs, 443)), id) << "told late";
  EXPECT_EQ(state_of(id), FindingState::closed);
}

TEST_F(FindingStoreTest, ClosedOneStaysClosedWhenAPartIsTakenBack) {
  const Observation first = refusal(kStart, 443), second = refusal(kStart, 443);
  const uint64_t id = store_.observe(first);
  store_.observe(second);
  store_.pass_time(kStart + kIncidentGapNs + 1);
  changes(all_);
  ASSERT_TRUE(store_.withdraw(id, first.connection_id));
  EXPECT_EQ(state_of(id), FindingState::closed);
  EXPECT_EQ(changes(all_).size(), 1u) << "its numbers have changed";
  ASSERT_TRUE(store_.withdraw(id, second.connection_id));
  EXPECT_EQ(state_of(id), FindingState::withdrawn);
  store_.pass_time(kStart + 3 * kIncidentGapNs);
  EXPECT_EQ(state_of(id), FindingState::withdrawn);
}

TEST_F(FindingStoreTest, WhatFollowsIsChargedAndGoesWithItsConnection) {
  const Observation first = refusal(kStart, 443), second = refusal(kStart, 443);
  const uint64_t id = store_.observe(first);
  store_.observe(second);
  changes(all_);
  store_.charge(id, first.connection_id, 1.5);
  store_.charge(id, second.connection_id, 2);
  EXPECT_EQ(store_.find(id)->time_lost_seconds, 3.5);
  ASSERT_EQ(changes(all_).size(), 1u) << "watchers are told";
  store_.withdraw(id, first.connection_id);
  EXPECT_EQ(store_.find(id)->time_lost_seconds, 2);
}

TEST_F(FindingStoreTest, WithdrawnOnesStandNoLongerButWereRaised) {
  const Observation first = refusal(kStart, 443), other = refusal(kStart, 80);
  const uint64_t id = store_.observe(first);
  store_.observe(other);
  EXPECT_EQ(store_.standing(FindingKind::syn_refused), 2u);
  store_.withdraw(id, first.connection_id);
  EXPECT_EQ(store_.standing(FindingKind::syn_refused), 1u);
  EXPECT_EQ(raised(store_), 2u);
}

TEST_F(FindingStoreTest, ThoseToldAsPartOfAnotherStandNoLongerButWereRaised) {
  FindingStore store({"outside", "inside"}, 1024, [](const FindingGroup&) { return "refused"; });
  constexpr uint16_t kServices = FindingStore::kSpreadServices + 1;
  for (uint16_t port = 1; port <= kServices; ++port) store.observe(refusal_of("192.0.2.66", kStart + port, port));
  EXPECT_EQ(store.standing(FindingKind::syn_refused), 1u);
  EXPECT_EQ(raised(store), kServices) << "a counter of Prometheus never falls";
}

TEST_F(FindingStoreTest, LegsAreKeptOnceAndGoWithTheirConnection) {
  Observation first = refusal(kStart, 443), second = refusal(kStart, 443);
  const FindingLeg outside{first.connection_id, Protocol::tcp, {test::address("192.0.2.1"), 1024}, first.service};
  const FindingLeg inside{second.connection_id, Protocol::tcp, {test::address("10.0.0.1"), 1024}, first.service};
  first.legs = {outside};
  second.legs = {inside};
  const uint64_t id = store_.observe(first);
  store_.observe(first);
  store_.observe(second);
  EXPECT_EQ(store_.find(id)->legs, (std::vector<FindingLeg>{outside, inside}));
  ASSERT_TRUE(store_.withdraw(id, first.connection_id));
  EXPECT_EQ(store_.find(id)->legs, std::vector<FindingLeg>{inside});
  for (uint16_t port = 1; port <= 2 * kFindingLegsMax; ++port) {
    second.legs = {inside};
    second.legs[0].client.port = port;
    store_.observe(second);
  }
  EXPECT_EQ(store_.find(id)->legs.size(), kFindingLegsMax);
}

TEST_F(FindingStoreTest, ClientsAreCountedOnceAndGoWithTheirConnections) {
  const auto connections_of = [&](uint64_t id) { return SentenceWords(*store_.group(id), {"outside", "inside"}).of_clients; };
  std::vector<Observation> all;
  for (const char* client : {"192.0.2.1", "192.0.2.2", "192.0.2.1"}) {
    all.push_back(refusal(kStart, 443));
    all.back().client = test::address(client);
  }
  const uint64_t id = store_.observe(all[0]);
  EXPECT_EQ(connections_of(id), "1 connection of 192.0.2.1 to 198.51.100.1:443");
  for (const size_t again : {0u, 1u, 2u}) store_.observe(all[again]);
  EXPECT_EQ(connections_of(id), "3 connections of 2 clients to 198.51.100.1:443");
  store_.withdraw(id, all[0].connection_id);
  EXPECT_EQ(connections_of(id), "2 connections of 2 clients to 198.51.100.1:443");
  store_.withdraw(id, all[1].connection_id);
  EXPECT_EQ(connections_of(id), "1 connection of 192.0.2.1 to 198.51.100.1:443");
  const uint64_t unknown = store_.observe(refusal(kStart, 80));
  EXPECT_EQ(connections_of(unknown), "1 connection to 198.51.100.1:80");
}

TEST_F(FindingStoreTest, OfMoreConnectionsThanAreKeptAtLeastTheirClientsAreTold) {
  uint64_t id = 0;
  for (size_t i = 0; i < kFindingConnectionsMax + 1; ++i) {
    Observation o = refusal(kStart, 443);
    o.client = test::address(i % 2 == 0 ? "192.0.2.1" : "192.0.2.2");
    id = store_.observe(o);
  }
  EXPECT_EQ(SentenceWords(*store_.group(id), {"outside", "inside"}).of_clients,
            "1001 connections of at least 2 clients to 198.51.100.1:443");
}

TEST_F(FindingStoreTest, PlacesAndPeriodsTakeLongerToEnd) {
  Observation of_place = refusal(kStart, 443), periodic = refusal(kStart, 80);
  of_place.is_of_place = true;
  periodic.period_seconds = 3600;
  const uint64_t place = store_.observe(of_place), rhythm = store_.observe(periodic);
  store_.pass_time(kStart + kPlaceGapNs);
  EXPECT_EQ(state_of(place), FindingState::open);
  store_.pass_time(kStart + kPlaceGapNs + 1);
  EXPECT_EQ(state_of(place), FindingState::closed);
  store_.pass_time(kStart + 3 * 3600 * kSecond);
  EXPECT_EQ(state_of(rhythm), FindingState::open);
  store_.pass_time(kStart + 3 * 3600 * kSecond + 1);
  EXPECT_EQ(state_of(rhythm), FindingState::closed);
}

TEST_F(FindingStoreTest, EndsAreInTheirOrderHoweverTimePasses) {
  for (const int64_t step_ns : {kSecond, 10'000 * kSecond}) {
    FindingStore store({"outside", "inside"}, 64, [](const FindingGroup&) { return ""; });
    for (const int second : {5, 1, 4, 2, 3}) store.observe(refusal(kStart + second * kSecond, static_cast<uint16_t>(second)));
    FindingWatch watch = store.changes().watch(Severity::info, true);
    for (int64_t now_ns = kStart; now_ns < kStart + 10'000 * kSecond;) store.pass_time(now_ns += step_ns);
    std::vector<FindingChange> ends;
    store.changes().give(watch, 100, ends);
    std::vector<uint64_t> ids;
    for (const FindingChange& end : ends) ids.push_back(end.finding.id);
    EXPECT_EQ(ids, (std::vector<uint64_t>{2, 4, 5, 3, 1}));
  }
}

TEST_F(FindingStoreTest, WatcherIsToldWhereAbsorbedFindingsHaveGone) {
  FindingStore store({"outside", "inside"}, 1024, [](const FindingGroup&) { return "refused"; });
  std::set<uint64_t> parts;
  for (uint16_t port = 1; port <= FindingStore::kSpreadServices; ++port)
    parts.insert(store.observe(refusal_of("192.0.2.66", kStart + port, port)));
  FindingWatch watch = store.changes().watch(Severity::info, true);
  const uint64_t incident = store.observe(refusal_of("192.0.2.66", kStart + 100, 100));
  std::vector<FindingChange> told;
  EXPECT_FALSE(store.changes().give(watch, 100, told));
  ASSERT_EQ(told.size(), FindingStore::kSpreadServices + 1);
  for (size_t i = 0; i < FindingStore::kSpreadServices; ++i) {
    const FindingRecord& last = told[i].finding;
    EXPECT_EQ(parts.erase(last.id), 1u);
    EXPECT_EQ(last.state, FindingState::withdrawn);
    EXPECT_EQ(last.summary, "This finding is now told as part of finding " + std::to_string(incident) + ".");
    EXPECT_EQ(store.find(last.id), nullptr);
  }
  EXPECT_EQ(told.back().finding.id, incident);
  EXPECT_EQ(dropped(told), 0u);
  EXPECT_EQ(store.after(0, 100).size(), 1u) << "lists leave them out";
}

TEST_F(FindingStoreTest, LastWordsAreBoundedAndThoseForgottenCount) {
  constexpr size_t kScans = 70, kParts = kScans * FindingStore::kSpreadServices;
  static_assert(kParts > FindingChanges::kLastWordsMax);
  FindingStore store({"outside", "inside"}, 1 << 16, [](const FindingGroup&) { return ""; });
  FindingWatch watch = store.changes().watch(Severity::info, true);
  for (size_t scan = 0; scan < kScans; ++scan) {
    const std::string client = "192.0.2." + std::to_string(scan + 1);
    for (uint16_t port = 1; port <= FindingStore::kSpreadServices + 1; ++port)
      store.observe(refusal_of(client.c_str(), kStart, static_cast<uint16_t>(scan * 100 + port)));
  }
  std::vector<FindingChange> told;
  EXPECT_FALSE(store.changes().give(watch, 1 << 16, told));
  EXPECT_EQ(told.size(), FindingChanges::kLastWordsMax + kScans);
  EXPECT_EQ(dropped(told), kParts - FindingChanges::kLastWordsMax);
}

TEST_F(FindingStoreTest, WatcherThatKeepsUpLosesNothing) {
  for (uint16_t service = 1; service <= 100; ++service) {
    store_.observe(refusal(kStart, service));
    const auto told = changes(all_);
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].dropped_before, 0u);
  }
  EXPECT_EQ(store_.evicted(), 100 - kShare);
  EXPECT_EQ(all_.dropped, 0u);
}

TEST_F(FindingStoreTest, SlowWatcherIsToldHowManyItHasLost) {
  const uint64_t first = store_.observe(refusal(kStart, 1));
  EXPECT_EQ(changes(all_).size(), 1u);
  for (uint16_t service = 2; service <= 20; ++service) store_.observe(refusal(kStart, service));
  EXPECT_EQ(store_.find(first), nullptr) << "forgotten, but the watcher knows all of it";
  const auto told = changes(all_);
  EXPECT_EQ(told.size(), kShare);
  EXPECT_EQ(dropped(told), 19 - kShare);
  EXPECT_EQ(told[0].dropped_before, 19 - kShare) << "all of them changed before the first that is left";
  EXPECT_EQ(all_.dropped, 19 - kShare);
}

TEST_F(FindingStoreTest, ALaterStateThatIsForgottenIsLost) {
  store_.observe(refusal(kStart, 1));
  changes(all_);
  store_.observe(refusal(kStart, 1));  // two of its kind, which outlast single ones
  for (uint16_t service = 2; service < 2 + kShare; ++service)
    for (int i = 0; i < 3; ++i) store_.observe(refusal(kStart, service));
  EXPECT_EQ(dropped(changes(all_)), 1u);
}

TEST_F(FindingStoreTest, ChangesThatANewerStateReplacesAreNotLost) {
  for (int i = 0; i < 1000; ++i) store_.observe(refusal(kStart, 443));
  const auto told = changes(all_);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].finding.count, 1000u);
  EXPECT_EQ(told[0].dropped_before, 0u);
}

TEST_F(FindingStoreTest, OnlyWhatIsSevereEnoughCounts) {
  FindingWatch critical = store_.changes().watch(Severity::critical, false);
  FindingWatch warning = store_.changes().watch(Severity::warning, false);
  for (uint16_t service = 1; service <= 30; ++service)
    store_.observe(refusal(kStart, service, service <= 10 ? Severity::warning : Severity::critical));
  // The least severe went first: 10 warnings and 12 of 20 criticals.
  const auto severe = changes(critical);
  EXPECT_EQ(severe.size(), kShare);
  EXPECT_EQ(dropped(severe), 12u);
  EXPECT_EQ(dropped(changes(warning)), 22u);
}

TEST_F(FindingStoreTest, WatcherOfSevereOnesIsGivenNoOther) {
  FindingWatch critical = store_.changes().watch(Severity::critical, false);
  for (uint16_t service = 1; service <= kShare; ++service)
    store_.observe(refusal(kStart, service, service == 5 ? Severity::critical : Severity::notice));
  const auto told = changes(critical);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].finding.id, 5u);
  store_.observe(refusal(kStart, 1, Severity::critical));
  EXPECT_EQ(changes(critical).size(), 1u) << "its severity has risen";
}

TEST_F(FindingStoreTest, WhatWasForgottenBeforeTheWatchIsNoLoss) {
  for (uint16_t service = 1; service <= 20; ++service) store_.observe(refusal(kStart, service));
  FindingWatch from_now = store_.changes().watch(Severity::info, true);
  FindingWatch from_the_first = store_.changes().watch(Severity::info, false);
  EXPECT_TRUE(changes(from_now).empty());
  store_.observe(refusal(kStart, 21));  // pushes out one that was known when the watches began
  EXPECT_EQ(dropped(changes(from_now)), 0u);
  const auto told = changes(from_the_first);
  EXPECT_EQ(told.size(), kShare);
  EXPECT_EQ(dropped(told), 1u);
}

TEST_F(FindingStoreTest, LossesAreToldOnceAndWithTheNextFinding) {
  FindingWatch watch = store_.changes().watch(Severity::critical, false);
  for (uint16_t service = 1; service <= kShare + 2; ++service) store_.observe(refusal(kStart, service, Severity::critical));
  std::vector<FindingChange> told;
  EXPECT_TRUE(store_.changes().give(watch, 1, told));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].dropped_before, 2u);
  EXPECT_EQ(dropped(changes(watch)), 0u);
}

TEST_F(FindingStoreTest, AFarTooSlowWatcherIsToldOfAtLeastSoMany) {
  constexpr size_t kLost = FindingChanges::kForgottenMax + 100;
  for (size_t i = 0; i < kShare + kLost; ++i) store_.observe(refusal(kStart, static_cast<uint16_t>(i)));
  EXPECT_EQ(dropped(changes(all_)), FindingChanges::kForgottenMax);
}

}  // namespace
}  // namespace parallax
