// Which leg goes on with another's QUIC connection.
#include "analysis/connection/quic_clients.h"

#include <gtest/gtest.h>

#include <string_view>

namespace parallax {
namespace {

class QuicClientsTest : public testing::Test {
 protected:
  uint64_t leg(uint16_t client_port, uint16_t server_port = 443, PointIndex point = 0) {
    LegEvent event{};
    event.leg = LegId::make(0, next_leg_++, 1);
    event.protocol = ip_protocol::udp;
    event.packet.point = point;
    event.client.port = client_port;
    event.server.port = server_port;
    return store_.open(event).legs.front().id.value();
  }
  // The leg that the packet's connection was met on before; 0: none.
  uint64_t shows(uint64_t id, Side from, QuicPacketType type, std::string_view destination, std::string_view source = "") {
    RecognitionEvent event{};
    event.kind = RecognitionKind::quic;
    event.leg = store_.leg(id)->id;
    event.from = from;
    event.code = static_cast<uint16_t>(type);
    event.add(0, destination, kQuicIdBytesMax);
    event.add(1, source, kQuicIdBytesMax);
    store_.take(event);
    const LegState* before = clients_.take(*store_.leg(id), event, store_);
    return before == nullptr ? 0 : before->id.value();
  }
  void handshake(uint64_t id, std::string_view server) {
    shows(id, Side::client, QuicPacketType::initial, "FirstOne", "me");
    shows(id, Side::server, QuicPacketType::initial, "me", server);
  }

  EngineOptions options_;
  ConnectionStore store_{options_};
  QuicClients clients_;
  uint32_t next_leg_ = 1;
};

constexpr auto kShort = QuicPacketType::one_rtt;

TEST_F(QuicClientsTest, AnIdOfAnyLengthIsFoundBehindAShortHeader) {
  uint16_t port = 40000;
  for (const std::string_view server : {"Four", "ServerI1", "An ID of 18 bytes.", "An ID of twenty byte"}) {
    const uint64_t first = leg(port++), second = leg(port++), third = leg(port++);
    handshake(first, server);
    EXPECT_EQ(shows(second, Side::client, kShort, std::string(server) + "and what is encrypted"), first) << server;
    EXPECT_EQ(store_.leg(first)->successor, second);
    EXPECT_TRUE(store_.leg(second)->recognised->quic->goes_on);
    EXPECT_EQ(shows(third, Side::client, kShort, std::string(server) + "and what is encrypted"), second) << "and once more";
  }
}

TEST_F(QuicClientsTest, DuringTheHandshakeTheIdHasAnEnd) {
  const uint64_t first = leg(40000), second = leg(40001), third = leg(40002);
  handshake(first, "ServerI1");
  EXPECT_EQ(shows(second, Side::client, QuicPacketType::handshake, "ServerI1more", "me"), 0u);
  EXPECT_EQ(shows(third, Side::client, QuicPacketType::handshake, "ServerI1", "me"), first);
}

TEST_F(QuicClientsTest, AnotherServerOrPointIsAnotherConnection) {
  handshake(leg(40000), "ServerI1");
  EXPECT_EQ(shows(leg(40001, 8443), Side::client, kShort, "ServerI1xxxxxxxxxxxx"), 0u);
  EXPECT_EQ(shows(leg(40001, 443, 1), Side::client, kShort, "ServerI1xxxxxxxxxxxx"), 0u);
  EXPECT_EQ(shows(leg(40001), Side::server, kShort, "ServerI1xxxxxxxxxxxx"), 0u) << "servers do not move";
  EXPECT_EQ(shows(leg(40002), Side::client, kShort, "ServerI2xxxxxxxxxxxx"), 0u);
}

TEST_F(QuicClientsTest, AnIdOfThreeBytesTellsNothing) {
  handshake(leg(40000), "IDs");
  EXPECT_EQ(shows(leg(40001), Side::client, kShort, "IDsxxxxxxxxxxxxxxxxx"), 0u);
}

TEST_F(QuicClientsTest, ALegThatIsKnownGoesOnWithItsOwnConnection) {
  const uint64_t first = leg(40000), second = leg(40001);
  handshake(first, "ServerI1");
  handshake(second, "ServerI2");
  EXPECT_EQ(shows(second, Side::client, kShort, "ServerI1xxxxxxxxxxxx"), 0u);
}

TEST_F(QuicClientsTest, IsBounded) {
  const uint64_t first = leg(40000);
  handshake(first, "ServerI1");
  const uint64_t flood = leg(40001);
  for (size_t i = 0; i < QuicClients::kKnownMax; ++i)
    shows(flood, Side::server, QuicPacketType::initial, "me", "id" + std::to_string(1'000'000 + i));
  EXPECT_EQ(clients_.evicted(), 1u);
  EXPECT_EQ(shows(leg(40002), Side::client, kShort, "ServerI1xxxxxxxxxxxx"), 0u);
}

}  // namespace
}  // namespace parallax
