#include "daemon/client/page/connection_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "daemon/client/page/html.h"
#include "daemon/client/page/html_table.h"
#include "daemon/client/report_words.h"
#include "daemon/message/time_text.h"

namespace parallax {
namespace {

uint64_t lost_of(const v1::Connection& connection) {
  uint64_t lost = 0;
  for (const v1::Crossing& crossing : connection.crossings()) lost += crossing.lost_from_client() + crossing.lost_from_server();
  return lost;
}

// As the point sees it that saw most of them: of a segment sent again before a device and lost there the one beyond it sees less.
uint64_t retransmissions_of(const v1::Connection& connection) {
  uint64_t most = 0;
  for (const v1::Leg& leg : connection.legs())
    most = std::max(most, leg.retransmissions_from_client() + leg.retransmissions_from_server());
  return most;
}

bool is_troubled(const v1::Connection& connection) {
  constexpr std::array kTroubled{v1::OUTCOME_REFUSED, v1::OUTCOME_UNANSWERED, v1::OUTCOME_INCOMPLETE, v1::OUTCOME_ONE_WAY};
  return connection.close() == v1::CLOSE_RST ||
         std::find(kTroubled.begin(), kTroubled.end(), connection.outcome()) != kTroubled.end();
}

// "198.51.100.7:20000 > 10.0.0.80:80 at inside": the ends at the last point that saw it, where they are not those of the client.
std::string beyond_text(const v1::Connection& connection) {
  if (connection.legs_size() < 2) return {};
  const v1::Leg& leg = *connection.legs().rbegin();
  const std::string client = endpoint_text(leg.client()), server = endpoint_text(leg.server());
  if (client == endpoint_text(connection.client()) && server == endpoint_text(connection.server())) return {};
  return fmt::format("{} > {} at {}", client, server, leg.point());
}

std::string close_text(const v1::Connection& connection) {
  if (connection.protocol() != v1::PROTOCOL_TCP || connection.close() == v1::CLOSE_UNSPECIFIED) return {};
  return connection.closed_by() == v1::CLOSED_BY_UNKNOWN ? word(connection.close())
                                                         : word(connection.close()) + " by " + word(connection.closed_by());
}

// What it was for, as far as its messages said so.
std::string name_of(const v1::Connection& connection) {
  for (const v1::Leg& leg : connection.legs()) {
    if (!leg.tls().sni().empty()) return leg.tls().sni();
  }
  if (connection.http_requests_size() > 0) {
    const v1::HttpRequest& first = connection.http_requests(0);
    return first.method() + ' ' + first.host() + first.target();
  }
  return connection.dns_size() > 0 ? connection.dns(0).type() + ' ' + connection.dns(0).name() : "";
}

std::string cut(std::string name) {
  constexpr size_t kNameMax = 80;
  if (name.size() <= kNameMax) return name;
  size_t end = kNameMax;
  while ((static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) --end;  // not within a character of UTF-8
  return name.substr(0, end) + "…";
}

std::string finding_links(const v1::Connection& connection, const std::set<uint64_t>& linked) {
  std::string out;
  for (const uint64_t id : connection.finding_ids())
    out += (out.empty() ? "" : " ") +
           (linked.contains(id) ? fmt::format("<a href=\"#finding-{0}\">{0}</a>", id) : std::to_string(id));
  return out;
}

void add_row(const v1::Connection& connection, const std::set<uint64_t>& linked, HtmlTable& table) {
  v1::Leg sum;  // as the point sees it that is nearest to the client
  int64_t first_ns = 0, last_ns = 0;
  if (connection.legs_size() > 0) {
    sum = connection.legs(0);
    first_ns = from_timestamp(sum.first_seen());
    last_ns = from_timestamp(sum.last_seen());
    for (const v1::Leg& leg : connection.legs()) {
      first_ns = std::min(first_ns, from_timestamp(leg.first_seen()));
      last_ns = std::max(last_ns, from_timestamp(leg.last_seen()));
    }
  }
  table.add({count_cell(connection.id()),
             {finding_links(connection, linked), std::to_string(connection.finding_ids_size())},
             text_cell(word(connection.protocol())),
             text_cell(endpoint_text(connection.client())),
             text_cell(endpoint_text(connection.server())),
             text_cell(beyond_text(connection)),
             text_cell(word(connection.outcome())),
             text_cell(close_text(connection)),
             count_cell_or_blank(retransmissions_of(connection)),
             count_cell_or_blank(lost_of(connection)),
             text_cell(time_text_ns(first_ns)),
             duration_cell(static_cast<double>(last_ns - first_ns) / 1e9),
             count_cell(sum.packets_from_client()),
             count_cell(sum.packets_from_server()),
             bytes_cell(sum.bytes_from_client()),
             bytes_cell(sum.bytes_from_server()),
             text_cell(cut(name_of(connection)))},
            fmt::format("connection-{}", connection.id()));
}

}  // namespace

ConnectionList::Interest ConnectionList::interest_of(const v1::Connection& connection) {
  return {!connection.finding_ids().empty(), is_troubled(connection), lost_of(connection), retransmissions_of(connection),
          -static_cast<int64_t>(connection.id())};
}

void ConnectionList::add(const v1::Record& record) {
  if (!record.has_connection()) return;
  const Interest interest = interest_of(record.connection());
  if (by_interest_.size() == kConnectionsMax) {
    ++left_out_;
    if (interest < by_interest_.begin()->first) return;
    by_interest_.erase(by_interest_.begin());
  }
  by_interest_.emplace(interest, record.connection());
}

bool ConnectionList::contains(uint64_t id) const {
  return std::any_of(by_interest_.begin(), by_interest_.end(), [id](const auto& entry) { return entry.second.id() == id; });
}

std::string ConnectionList::table(const std::set<uint64_t>& linked_findings) const {
  HtmlTable table("connections-table", {{"ID", "number"},
                                        {"findings"},
                                        {"protocol"},
                                        {"client", "exact"},
                                        {"server", "exact"},
                                        {"beyond the device", "exact"},
                                        {"outcome"},
                                        {"closed"},
                                        {"sent again", "number"},
                                        {"lost in devices", "number"},
                                        {"begins (UTC)", "exact"},
                                        {"duration", "number"},
                                        {"packets from client", "number"},
                                        {"from server", "number"},
                                        {"bytes from client", "number"},
                                        {"from server", "number"},
                                        {"first name or request"}});
  for (auto it = by_interest_.rbegin(); it != by_interest_.rend(); ++it) add_row(it->second, linked_findings, table);
  return table.html();
}

}  // namespace parallax
