// A connection as a line: valid JSON whatever its names are, Zeek's fields, and nothing that is not known.
#include "daemon/connection_log/connection_line.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "analysis/model/address_text.h"

namespace parallax {
namespace {

using google::protobuf::Struct;

const ConnectionLineSource kSource{"edge-1", 1'700'000'000'000'000'000, {{"outside", "inside"}, {}, false}};

Address address(const char* text) {
  Address parsed{};
  EXPECT_TRUE(parse_address(text, parsed));
  return parsed;
}

LegRecord leg(PointIndex point, const char* client, const char* server) {
  LegRecord leg;
  leg.point = point;
  leg.client = {address(client), 40'000};
  leg.server = {address(server), 443};
  leg.conn_state = ConnState::SF;
  leg.first_seen_ns = 1'700'000'001'000'000'500;
  leg.last_seen_ns = leg.first_seen_ns + 1'250'000'000;
  leg.packets = {5, 4};
  leg.bytes = {200, 100};
  leg.stream_bytes = {150, 100};
  leg.history = "ShADadFf";
  return leg;
}

EndedConnections::Ended ended() {
  EndedConnections::Ended one;
  ConnectionRecord& c = one.record;
  c.id = 7;
  c.outcome = Outcome::established;
  c.close = Close::fin;
  c.closed_by = ClosedBy::client;
  c.legs = {leg(0, "198.51.100.7", "203.0.113.1"), leg(1, "10.0.0.1", "10.0.0.80")};
  CrossingRecord crossing;
  crossing.server_side = 1;
  crossing.method = PairingMethod::sequence;
  crossing.confidence = 0.99;
  crossing.lost = {2, 0};
  crossing.device_kind = DeviceKind::nat;
  c.crossings = {crossing};
  c.finding_ids = {3, 4};
  return one;
}

std::string line_of(const EndedConnections::Ended& one) {
  std::string line;
  append_connection_line(kSource, one, line);
  return line;
}

Struct parsed(const std::string& line) {
  Struct fields;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(line, &fields).ok()) << line;
  return fields;
}

TEST(ConnectionLine, HasZeeksFieldsOfTheClientsLegAndOursBeside) {
  const std::string line = line_of(ended());
  const std::string uid = connection_uid(kSource, 7);
  EXPECT_EQ(line, "{\"ts\":1700000001.000000,\"uid\":\"" + uid +
                      "\",\"id.orig_h\":\"198.51.100.7\",\"id.orig_p\":40000,\"id.resp_h\":\"203.0.113.1\",\"id.resp_p\":443,"
                      "\"proto\":\"tcp\",\"duration\":1.250000,\"orig_bytes\":150,\"resp_bytes\":100,\"conn_state\":\"SF\","
                      "\"history\":\"ShADadFf\",\"orig_pkts\":5,\"resp_pkts\":4,\"community_id\":\"" +
                      std::string(parsed(line).fields().at("community_id").string_value()) +
                      "\",\"sensor\":\"edge-1\",\"connection_id\":7,\"outcome\":\"established\",\"close\":\"fin\","
                      "\"closed_by\":\"client\",\"syn_attempts\":0,\"orig_retransmissions\":0,\"resp_retransmissions\":0,"
                      "\"points\":[\"outside\",\"inside\"],\"crossed\":[\"outside>inside\"],\"pairing\":[\"sequence\"],"
                      "\"pairing_confidence\":0.99,\"device_kind\":[\"nat\"],\"orig_lost\":2,\"resp_lost\":0,"
                      "\"lost_between\":[\"outside>inside\"],\"server_side.orig_h\":\"10.0.0.1\",\"server_side.orig_p\":40000,"
                      "\"server_side.resp_h\":\"10.0.0.80\",\"server_side.resp_p\":443,\"server_side.community_id\":\"" +
                      std::string(parsed(line).fields().at("server_side.community_id").string_value()) +
                      "\",\"finding_ids\":[3,4]}\n");
}

TEST(ConnectionLine, WhatIsNotKnownIsNotThere) {
  EndedConnections::Ended one = ended();
  one.record.legs.resize(1);
  one.record.crossings.clear();
  one.record.legs[0].packets = {};
  one.record.legs[0].last_seen_ns = one.record.legs[0].first_seen_ns;
  const Struct fields = parsed(line_of(one));
  for (const char* name : {"duration", "orig_bytes", "conn_state", "missed_bytes", "service", "pairing", "orig_lost",
                           "server_side.orig_h", "server_name", "orig_ip_bytes", "is_early", "is_again"})
    EXPECT_FALSE(fields.fields().contains(name)) << name;
  one.record.legs[0] = leg(0, "198.51.100.7", "203.0.113.1");
  one.record.legs[0].is_whole = {true, true};
  EXPECT_EQ(parsed(line_of(one)).fields().at("missed_bytes").number_value(), 0);
}

TEST(ConnectionLine, HostileNamesStayValidJsonOnOneLine) {
  EndedConnections::Ended one = ended();
  std::string every;
  for (int c = 0; c < 256; ++c) every += static_cast<char>(c);
  one.record.legs[0].tls.emplace().sni = every + "\"\n}{";
  one.record.http_requests.emplace_back().host = "\xc0\xaf\xed\xa0\x80\x1b[2Jevil\r\n";
  one.record.dns.emplace_back().name = std::string("a\0b", 3);
  const std::string line = line_of(one);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  for (const char c : line.substr(0, line.size() - 1)) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << line;
  const Struct fields = parsed(line);
  EXPECT_EQ(fields.fields().at("service").string_value(), "ssl");
  EXPECT_EQ(fields.fields().at("query").string_value(),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_NE(fields.fields().at("host").string_value().find("evil"), std::string::npos);
}

TEST(ConnectionLine, UidsDifferByConnectionRunAndSensor) {
  ConnectionLineSource later = kSource, other = kSource;
  later.started_ns += 1;
  other.sensor = "edge-2";
  const std::string uid = connection_uid(kSource, 1);
  EXPECT_EQ(uid.size(), 19u);
  EXPECT_EQ(uid[0], 'C');
  EXPECT_EQ(uid, connection_uid(kSource, 1));
  for (const std::string& another : {connection_uid(kSource, 2), connection_uid(later, 1), connection_uid(other, 1)})
    EXPECT_NE(uid, another);
}

}  // namespace
}  // namespace parallax
