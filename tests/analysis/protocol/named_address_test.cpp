#include "analysis/protocol/named_address.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace parallax {
namespace {

std::span<const uint8_t> bytes_of(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

TEST(FtpPassiveReply, NamesAnAddressAndAPort) {
  Endpoint end;
  ASSERT_EQ(parse_ftp_passive_reply(bytes_of("227 Entering Passive Mode (10,11,2,7,161,160).\r\n"), end), ParseStatus::done);
  EXPECT_EQ(to_string(end), "10.11.2.7:41376");
}

TEST(FtpPassiveReply, OtherRepliesAreForeign) {
  Endpoint end;
  EXPECT_EQ(parse_ftp_passive_reply(bytes_of("220 hello\r\n"), end), ParseStatus::foreign);
  EXPECT_EQ(parse_ftp_passive_reply(bytes_of("227 Entering"), end), ParseStatus::more);
  EXPECT_EQ(parse_ftp_passive_reply(bytes_of("227 Entering (10,0,0,256,1,1)\n"), end), ParseStatus::broken);
}

// 10.11.2.7:41376, as the mapper of an Exchange server named it to whoever had asked 10.11.2.2.
TEST(RpcEndpointMap, NamesTheAddressOfItsFirstTower) {
  std::vector<uint8_t> answer{5, 0, 2, 3, 0x10, 0, 0, 0, 60, 0};
  answer.resize(40);
  const std::vector<uint8_t> floors{1, 0, 7, 2, 0, 0xa1, 0xa0, 1, 0, 9, 4, 0, 10, 11, 2, 7};
  answer.insert(answer.end(), floors.begin(), floors.end());
  answer.resize(60);
  Endpoint end;
  ASSERT_EQ(parse_rpc_endpoint_map(answer, end), ParseStatus::done);
  EXPECT_EQ(to_string(end), "10.11.2.7:41376");
  answer[2] = 0;  // a request
  EXPECT_EQ(parse_rpc_endpoint_map(answer, end), ParseStatus::foreign);
}

}  // namespace
}  // namespace parallax
