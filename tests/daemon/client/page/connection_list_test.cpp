// Which connections a page lists.
#include "daemon/client/page/connection_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parallax {
namespace {

using testing::HasSubstr;
using testing::Not;

v1::Record established(uint64_t id) {
  v1::Record record;
  v1::Connection& connection = *record.mutable_connection();
  connection.set_id(id);
  connection.set_protocol(v1::PROTOCOL_TCP);
  connection.set_outcome(v1::OUTCOME_ESTABLISHED);
  connection.set_close(v1::CLOSE_FIN);
  return record;
}

TEST(ConnectionList, WorstComeFirst) {
  ConnectionList list;
  list.add(established(1));
  v1::Record lossy = established(2);
  lossy.mutable_connection()->add_crossings()->set_lost_from_client(3);
  list.add(lossy);
  v1::Record refused = established(3);
  refused.mutable_connection()->set_outcome(v1::OUTCOME_REFUSED);
  list.add(refused);
  v1::Record found = established(4);
  found.mutable_connection()->add_finding_ids(7);
  list.add(found);
  list.add(established(5));
  const std::string table = list.table({7});
  std::vector<size_t> at;
  for (const int id : {4, 3, 2, 1, 5}) at.push_back(table.find("id=\"connection-" + std::to_string(id) + '"'));
  EXPECT_TRUE(std::is_sorted(at.begin(), at.end())) << table;
  EXPECT_NE(at.back(), std::string::npos);
  EXPECT_THAT(table, HasSubstr("<a href=\"#finding-7\">7</a>"));
  EXPECT_THAT(list.table({}), Not(HasSubstr("<a href")));
}

TEST(ConnectionList, OfManyTheMostInterestingStay) {
  ConnectionList list;
  constexpr uint64_t kCount = ConnectionList::kConnectionsMax + 500;
  for (uint64_t id = 1; id <= kCount; ++id) {
    v1::Record record = established(id);
    if (id > kCount - 10) record.mutable_connection()->set_outcome(v1::OUTCOME_UNANSWERED);
    list.add(record);
  }
  EXPECT_EQ(list.left_out(), 500u);
  EXPECT_TRUE(list.contains(kCount));
  EXPECT_TRUE(list.contains(1));
  EXPECT_TRUE(list.contains(ConnectionList::kConnectionsMax - 10));
  EXPECT_FALSE(list.contains(ConnectionList::kConnectionsMax - 9));
}

}  // namespace
}  // namespace parallax
