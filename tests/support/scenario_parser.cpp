#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <sstream>

#include "tests/support/engine_words.h"
#include "tests/support/scenario.h"
#include "tests/support/scenario_words.h"

namespace parallax::test {
namespace {

// Scenarios begin here, at a round second, so that a stamp in a failure's text can be read.
constexpr int64_t kEpochNs = 1'700'000'000'000'000'000;
// Unless `coverage` says otherwise, every point watches from a second before the first packet to this long after the last.
constexpr int64_t kCoverBeforeNs = 1'000'000'000, kCoverAfterNs = 10'000'000'000;
constexpr int64_t kTransitNs = 50'000;

uint8_t parse_tcp_flags(const std::string& word) {
  uint8_t flags = 0;
  for (const char c : word) {
    switch (c) {
      case 'S':
        flags |= tcp_flag::syn;
        break;
      case 'F':
        flags |= tcp_flag::fin;
        break;
      case 'R':
        flags |= tcp_flag::rst;
        break;
      case 'P':
        flags |= tcp_flag::psh;
        break;
      case '.':
        flags |= tcp_flag::ack;
        break;
      case 'U':
        flags |= tcp_flag::urg;
        break;
      case 'E':
        flags |= tcp_flag::ece;
        break;
      case 'W':
        flags |= tcp_flag::cwr;
        break;
      default:
        throw Failure{"not a TCP flag, a keyword or a point: '" + word + "'"};
    }
  }
  return flags;
}

class Parser {
 public:
  Parser(Scenario& scenario) : scenario_(scenario) {}

  void line(int number, const std::string& text, std::vector<std::string> all) {
    Words words(std::move(all));
    const char first = words.peek()[0];
    if (first == '+' || first == '-' || first == '@') return packet(words);
    const std::string verb = words.take("a word");
    if (verb == "expect" || verb == "maybe") {
      scenario_.expectations.push_back({number, text, verb == "expect", words.rest()});
      return;
    }
    if (scenario_.input.options.path.empty() && verb != "path") {
      throw Failure{"a scenario begins with `path POINT...`"};
    } else if (verb == "path") {
      path(words);
    } else if (verb == "endpoint") {
      endpoint(words);
    } else if (verb == "at") {
      rewritten(words);
    } else if (verb == "isn") {
      isn(words, kAnyPoint);
    } else if (verb == "transit") {
      transit_ns_ = nanoseconds(words.take("seconds"));
    } else if (verb == "stamp-uncertainty") {
      stamp_uncertainty_ns_ = nanoseconds(words.take("seconds"));
    } else if (verb == "vxlan") {
      vxlan(words);
    } else if (verb == "span") {
      span_.at(point(words.take("a point"))) = true;
    } else if (verb == "swapped") {
      swapped_.at(point(words.take("a point"))) = true;
    } else if (verb == "sensor-loss") {
      sensor_loss(words);
    } else if (verb == "outage") {
      outage(words);
    } else if (verb == "coverage") {
      const PointIndex index = point(words.take("a point"));
      const int64_t from = nanoseconds(words.take("seconds"));
      coverage_.at(index) = {kEpochNs + from, kEpochNs + nanoseconds(words.take("seconds"))};
    } else if (verb == "engine") {
      engine(words);
    } else if (verb == "filter") {
      while (!words.empty())
        scenario_.input.filter += (scenario_.input.filter.empty() ? "" : " ") + words.take("a BPF expression");
    } else {
      throw Failure{"no such word: '" + verb + "'"};
    }
    if (!words.empty()) throw Failure{"did not expect '" + words.peek() + "' here"};
  }

  // Sorts the packets onto ports, in the order in which a sensor would hand them out.
  void finish() {
    const size_t points = scenario_.input.options.path.size();
    int64_t first_ns = kTimeMax, last_ns = kTimeMin;
    for (const Sent& sent : sent_) {
      first_ns = std::min(first_ns, sent.frame.time_ns);
      last_ns = std::max(last_ns, sent.frame.time_ns);
    }
    if (sent_.empty()) throw Failure{"no packet in it"};
    for (PointIndex p = 0; p < points; ++p) {
      const auto [from_ns, to_ns] = coverage_.at(p).value_or(std::pair{first_ns - kCoverBeforeNs, last_ns + kCoverAfterNs});
      for (const bool toward_inside : {true, false}) {
        if (span_.at(p) && !toward_inside) continue;
        InputPort port;
        port.info.point = p;
        port.info.direction = span_.at(p)     ? PortDirection::both
                              : toward_inside ? PortDirection::toward_inside
                                              : PortDirection::toward_outside;
        port.info.name = scenario_.input.options.path[p] + (span_.at(p) ? "" : toward_inside ? "-in" : "-out");
        port.info.source = "memory";
        port.losses = losses_.at(p);
        port.outages = outages_.at(p);
        // The station that speaks first and last is a host of no interest: what is covered is told by its packets.
        const Frame bystander = arp_request_frame(address("198.18.0.1"), address("198.18.0.2"));
        port.frames.push_back({from_ns, 0, bystander});
        port.frames.push_back({to_ns, 0, bystander});
        for (const Sent& sent : sent_) {
          if (sent.point != p || (!span_.at(p) && sent.toward_inside != (toward_inside != swapped_.at(p)))) continue;
          if (sent.frame.time_ns >= from_ns && sent.frame.time_ns <= to_ns) port.frames.push_back(sent.frame);
        }
        std::stable_sort(port.frames.begin(), port.frames.end(),
                         [](const TimedFrame& a, const TimedFrame& b) { return a.time_ns < b.time_ns; });
        scenario_.input.ports.push_back(std::move(port));
      }
    }
  }

 private:
  static constexpr int kAnyPoint = -1;

  struct Sent {
    PointIndex point;
    bool toward_inside;
    TimedFrame frame;
  };

  PointIndex point(const std::string& name) const {
    const auto index = scenario_.point(name);
    if (!index) throw Failure{"no point of that name: '" + name + "'"};
    return *index;
  }
  size_t alias(const std::string& name) const {
    const EndpointAlias* found = scenario_.endpoint(name);
    if (found == nullptr) throw Failure{"no endpoint of that name: '" + name + "'"};
    return static_cast<size_t>(found - scenario_.endpoints.data());
  }

  void path(Words& words) {
    std::vector<std::string>& names = scenario_.input.options.path;
    while (!words.empty()) names.push_back(words.take("a point"));
    if (names.empty() || names.size() > kPointsMax) throw Failure{"a path has one to eight points"};
    span_.assign(names.size(), false);
    swapped_.assign(names.size(), false);
    coverage_.resize(names.size());
    losses_.resize(names.size());
    outages_.resize(names.size());
  }

  // endpoint NAME ADDRESS:PORT beyond POINT [ttl N] [zero-ip-id]
  void endpoint(Words& words) {
    EndpointAlias e;
    e.name = words.take("a name");
    e.at.assign(scenario_.input.options.path.size(), parse_endpoint(words.take("ADDRESS:PORT")));
    words.require("beyond");
    const PointIndex nearest = point(words.take("a point"));
    if (nearest != 0 && nearest + 1u != e.at.size()) throw Failure{"an endpoint is beyond the first point or the last"};
    e.beyond_last = nearest != 0 || words.accept("after");  // `after`: with a single point, on its far side
    if (words.accept("ttl")) e.ttl = number<uint8_t>(words.take("a TTL"));
    e.zero_ip_id = words.accept("zero-ip-id");
    scenario_.endpoints.push_back(std::move(e));
  }

  // at POINT NAME is ADDRESS:PORT | at POINT isn A > B N
  void rewritten(Words& words) {
    const PointIndex p = point(words.take("a point"));
    if (words.accept("isn")) return isn(words, p);
    EndpointAlias& e = scenario_.endpoints.at(alias(words.take("an endpoint")));
    words.require("is");
    e.at.at(p) = parse_endpoint(words.take("ADDRESS:PORT"));
  }

  void vxlan(Words& words) {
    const PointIndex index = point(words.take("a point"));
    if (words.accept("none")) {
      vni_.erase(index);
    } else {
      vni_[index] = number<uint32_t>(words.take("a VNI, or none"));
    }
  }
  void isn(Words& words, int at) {
    const size_t from = alias(words.take("an endpoint"));
    words.require(">");
    const size_t to = alias(words.take("an endpoint"));
    isn_[{at, from, to}] = number<uint32_t>(words.take("a sequence number"));
  }
  uint32_t isn_of(PointIndex p, size_t from, size_t to) const {
    for (const int at : {static_cast<int>(p), kAnyPoint}) {
      if (const auto found = isn_.find({at, from, to}); found != isn_.end()) return found->second;
    }
    return 1'000'000'007u * static_cast<uint32_t>(1 + from * 16 + to);
  }

  // sensor-loss POINT FROM TO [count N] [REASON]
  void sensor_loss(Words& words) {
    const PointIndex p = point(words.take("a point"));
    SourceLoss loss{DropReason::nic, 1, kEpochNs + nanoseconds(words.take("seconds")), 0};
    loss.to_ns = kEpochNs + nanoseconds(words.take("seconds"));
    if (words.accept("count")) loss.count = number<uint64_t>(words.take("a count"));
    if (words.accept("ring")) loss.reason = DropReason::ring_full;
    if (words.accept("socket")) loss.reason = DropReason::socket;
    if (words.accept("table")) loss.reason = DropReason::leg_table;
    losses_.at(p).push_back(loss);
  }

  // outage POINT FROM TO link_down|silent|clock_step
  void outage(Words& words) {
    const PointIndex p = point(words.take("a point"));
    PortOutage outage{OutageCause::link_down, kEpochNs + nanoseconds(words.take("seconds")), 0};
    outage.to_ns = kEpochNs + nanoseconds(words.take("seconds"));
    const std::string cause = words.take("a cause");
    if (cause != "link_down" && cause != "silent" && cause != "clock_step")
      throw Failure{"a port is out because of link_down, silent or clock_step, not '" + cause + "'"};
    if (cause == "silent") outage.cause = OutageCause::silent;
    if (cause == "clock_step") outage.cause = OutageCause::clock_step;
    outages_.at(p).push_back(outage);
  }

  void engine(Words& words) {
    std::vector<std::string> options;
    while (!words.empty()) options.push_back(words.take("an option"));
    if (const std::string error = set_engine_options(scenario_.input, options); !error.empty()) throw Failure{error};
  }

  // What a packet line says, before it is put onto the points.
  struct Line {
    std::vector<PointIndex> points;
    size_t from = 0, to = 0, payload_from = 0;  // indexes of aliases
    std::string kind;                           // udp, icmp, arp, or TCP flags
    Ip ip;
    Tcp tcp;
    std::optional<uint8_t> ttl;
    bool ip_id_given = false, altered = false, spoiled = false, keeps_sack = false;
    bool has_checksum = true, is_fragmented = false;
    std::optional<PointIndex> offloaded_at;  // captured there before the network card has filled in length and checksum
    std::map<PointIndex, std::vector<size_t>> fragments;  // that the point sees, of those 1 to ...; none: a packet in one piece
    std::map<PointIndex, size_t> fragment_size;           // bytes of IP payload
    uint32_t times = 1;                                   // that it is sent
    int64_t every_ns = 0;
    int64_t transit_ns = 0, uncertainty_ns = 0;
    uint32_t seq = 0, length = 0;  // relative
    std::string text;              // its payload begins so
    std::optional<uint32_t> ack;
    std::vector<std::pair<uint32_t, uint32_t>> sack;
    uint8_t icmp_type = 0, icmp_code = 0;
    uint16_t icmp_mtu = 0;
    std::optional<size_t> about;  // index of alias: where the packet was going that an ICMP error quotes; none: to its sender
  };

  // TIME POINT... FROM > TO  FLAGS SEQ[:END] ... | udp LENGTH [unsummed] | icmp TYPE CODE
  void packet(Words& words) {
    const std::string when = words.take("a time");
    now_ns_ = when[0] == '@' ? kEpochNs + nanoseconds(when.substr(1)) : now_ns_ + nanoseconds(when);
    Line line;
    line.transit_ns = transit_ns_;
    line.uncertainty_ns = stamp_uncertainty_ns_;
    while (scenario_.point(words.peek())) line.points.push_back(point(words.take("a point")));
    if (line.points.empty()) throw Failure{"expected a point, got '" + words.peek() + "'"};
    line.from = line.payload_from = alias(words.take("an endpoint"));
    words.require(">");
    line.to = alias(words.take("an endpoint"));
    if (line.from == line.to) throw Failure{"a packet from an endpoint to itself"};
    kind(words, line);
    while (!words.empty()) {
      const std::string key = words.take("a field");
      if (!network_field(words, key, line) && !tcp_field(words, key, line))
        throw Failure{"no such field of a packet: '" + key + "'"};
    }
    if ((line.tcp.flags & tcp_flag::ack) && !line.ack) throw Failure{"a segment with ACK (.) says `ack N`"};
    for (uint32_t n = 0; n < line.times; ++n) {
      if (n > 0) now_ns_ += line.every_ns;
      if (!line.ip_id_given && !scenario_.endpoints[line.from].zero_ip_id) {
        line.ip.id = static_cast<uint16_t>(1000 * (line.from + 1) + ++ip_ids_[line.from]);
      }
      for (size_t i = 0; i < line.points.size(); ++i) send(line, i);
    }
  }

  void kind(Words& words, Line& line) {
    line.kind = words.take("flags, udp or icmp");
    if (line.kind == "udp") {
      line.length = number<uint32_t>(words.take("a length"));
      line.has_checksum = !words.accept("unsummed");
      line.is_fragmented = words.accept("fragmented");
    } else if (line.kind == "arp") {
      return;
    } else if (line.kind == "icmp") {
      line.icmp_type = number<uint8_t>(words.take("a type"));
      line.icmp_code = number<uint8_t>(words.take("a code"));
      if (words.accept("mtu")) line.icmp_mtu = number<uint16_t>(words.take("a number"));
      if (words.accept("about")) line.about = alias(words.take("an endpoint"));
    } else {
      line.tcp.flags = parse_tcp_flags(line.kind);
      if (!words.empty() && std::isdigit(static_cast<unsigned char>(words.peek()[0]))) {
        const auto [begin, end] = range(words.take("a sequence number"));
        line.seq = begin;
        line.length = end - begin;
      }
      if (line.tcp.flags & tcp_flag::syn) line.tcp.mss = 1460;
    }
  }

  bool network_field(Words& words, const std::string& key, Line& line) {
    if (key == "ttl") {
      line.ttl = number<uint8_t>(words.take("a TTL"));
    } else if (key == "id") {
      line.ip.id = number<uint16_t>(words.take("an IP ID"));
      line.ip_id_given = true;
    } else if (key == "tos") {
      line.ip.traffic_class = number<uint8_t>(words.take("a number"));
    } else if (key == "vlan") {
      line.ip.vlan = number<uint16_t>(words.take("a VLAN"));
    } else if (key == "fragments") {
      std::vector<size_t>& shown = line.fragments[point(words.take("a point"))];
      if (words.accept("whole")) return true;
      while (!words.empty() && std::isdigit(static_cast<unsigned char>(words.peek()[0])))
        shown.push_back(number<size_t>(words.take("a number")));
      if (shown.empty()) throw Failure{"which fragments does the point see?"};
    } else if (key == "fragment-size") {
      const PointIndex p = point(words.take("a point"));
      line.fragment_size[p] = number<size_t>(words.take("a number"));
    } else if (key == "begins") {
      line.text = unescaped(words.take("a text"));
      if (line.text.size() > line.length) throw Failure{fmt::format("the text has {} bytes", line.text.size())};
    } else if (key == "altered") {
      line.altered = true;
    } else if (key == "spoiled") {
      line.spoiled = true;
    } else if (key == "offloaded") {
      line.offloaded_at = point(words.take("a point"));
    } else if (key == "payload") {
      line.payload_from = alias(words.take("an endpoint"));
    } else if (key == "transit") {
      line.transit_ns = nanoseconds(words.take("seconds"));
    } else if (key == "repeat") {
      line.times = number<uint32_t>(words.take("a number"));
      line.every_ns = nanoseconds(words.take("seconds"));
    } else if (key == "stamp") {
      line.uncertainty_ns = nanoseconds(words.take("seconds"));
    } else {
      return false;
    }
    return true;
  }

  bool tcp_field(Words& words, const std::string& key, Line& line) {
    if (key == "ack") {
      line.ack = number<uint32_t>(words.take("a number"));
    } else if (key == "win") {
      line.tcp.window = number<uint16_t>(words.take("a number"));
    } else if (key == "mss") {
      if (words.accept("none")) {
        line.tcp.mss.reset();
      } else {
        line.tcp.mss = number<uint16_t>(words.take("a number"));
      }
    } else if (key == "wscale") {
      line.tcp.window_scale = number<uint8_t>(words.take("a number"));
    } else if (key == "sackok") {
      line.tcp.sack_permitted = true;
    } else if (key == "ts") {
      const uint32_t value = number<uint32_t>(words.take("a number"));
      line.tcp.timestamps = {value, number<uint32_t>(words.take("a number"))};
    } else if (key == "sack") {
      line.sack.push_back(range(words.take("LEFT:RIGHT")));
    } else if (key == "sack-as-entered") {
      line.keeps_sack = true;
    } else {
      return false;
    }
    return true;
  }

  // The packet as the i-th of its points sees it.
  void send(Line& line, size_t i) {
    const PointIndex p = line.points[i];
    const EndpointAlias& source = scenario_.endpoints[line.from];
    const EndpointAlias& destination = scenario_.endpoints[line.to];
    const size_t hops = source.beyond_last ? scenario_.input.options.path.size() - 1 - p : p;
    line.ip.ttl = static_cast<uint8_t>(line.ttl ? *line.ttl - i : source.ttl - hops);
    line.ip.source = source.at[p].address;
    line.ip.destination = destination.at[p].address;
    TimedFrame frame{now_ns_ + static_cast<int64_t>(i) * line.transit_ns, static_cast<uint32_t>(line.uncertainty_ns), {}};
    std::vector<uint8_t> payload = stream_bytes(static_cast<uint32_t>(line.payload_from), line.seq, line.length);
    std::copy(line.text.begin(), line.text.end(), payload.begin());
    if (line.altered && i > 0 && !payload.empty()) payload.back() ^= 0x20;
    if (line.kind == "arp") {
      frame.bytes = arp_request_frame(source.at[p].address, destination.at[p].address);
    } else if (line.kind == "udp") {
      frame.bytes = udp_frame(line.ip, {source.at[p].port, destination.at[p].port, line.has_checksum}, payload);
    } else if (line.kind == "icmp") {
      const auto quoted = newest_.find({p, line.to, line.about.value_or(line.from)});
      if (quoted == newest_.end())
        throw Failure{"an ICMP error quotes a packet that came the other way, and there was none at this point"};
      frame.bytes = icmp_error_frame(line.ip, {line.icmp_type, line.icmp_code, line.icmp_mtu}, quoted->second);
    } else {
      const uint32_t peer_isn = isn_of(p, line.to, line.from);
      line.tcp.source_port = source.at[p].port;
      line.tcp.destination_port = destination.at[p].port;
      line.tcp.seq = isn_of(p, line.from, line.to) + line.seq;
      line.tcp.ack = line.ack ? peer_isn + *line.ack : 0;
      line.tcp.sack.clear();
      const uint32_t sack_isn = line.keeps_sack ? isn_of(line.points.front(), line.to, line.from) : peer_isn;
      for (const auto& [left, right] : line.sack) line.tcp.sack.push_back({sack_isn + left, sack_isn + right});
      frame.bytes = tcp_frame(line.ip, line.tcp, payload);
      if (line.spoiled && i > 0) frame.bytes[frame.bytes.size() - payload.size() - 4] ^= 0x40;  // without options
      if (line.offloaded_at == p) leave_to_network_card(frame.bytes, payload.size());
    }
    newest_[{p, line.from, line.to}] = frame.bytes;
    const auto shown = line.fragments.find(p);
    if (line.is_fragmented && (shown == line.fragments.end() || !shown->second.empty())) {
      const auto size = line.fragment_size.find(p);
      const std::vector<Frame> all = in_fragments(frame.bytes, size == line.fragment_size.end() ? 1480 : size->second);
      std::vector<size_t> numbers(all.size());
      std::iota(numbers.begin(), numbers.end(), size_t{1});
      for (const size_t number : shown == line.fragments.end() ? numbers : shown->second) {
        if (number < 1 || number > all.size()) throw Failure{fmt::format("there are {} fragments", all.size())};
        sent_.push_back({p, !source.beyond_last, {frame.time_ns, frame.stamp_uncertainty_ns, all[number - 1], 0}});
      }
      return;
    }
    if (const auto vni = vni_.find(p); vni != vni_.end()) frame.bytes = in_vxlan(vni->second, frame.bytes);
    sent_.push_back({p, !source.beyond_last, std::move(frame)});
  }

  static std::pair<uint32_t, uint32_t> range(const std::string& word) {
    const size_t colon = word.find(':');
    const uint32_t begin = number<uint32_t>(word.substr(0, colon));
    const uint32_t end = colon == std::string::npos ? begin : number<uint32_t>(word.substr(colon + 1));
    if (end < begin) throw Failure{"a range that ends before it begins: '" + word + "'"};
    return {begin, end};
  }

  Scenario& scenario_;
  int64_t now_ns_ = kEpochNs;
  int64_t transit_ns_ = kTransitNs;
  int64_t stamp_uncertainty_ns_ = 0;
  std::vector<bool> span_, swapped_;
  std::map<PointIndex, uint32_t> vni_;  // what the packets that follow are in
  std::vector<std::optional<std::pair<int64_t, int64_t>>> coverage_;
  std::vector<std::vector<SourceLoss>> losses_;
  std::vector<std::vector<PortOutage>> outages_;
  std::map<std::tuple<int, size_t, size_t>, uint32_t> isn_;
  std::map<size_t, uint32_t> ip_ids_;
  std::map<std::tuple<PointIndex, size_t, size_t>, Frame> newest_;
  std::vector<Sent> sent_;
};

}  // namespace

std::string_view name_of(Variant variant) { return variant == Variant::fault ? "fault" : "twin"; }

const EndpointAlias* Scenario::endpoint(std::string_view alias) const {
  const auto found = std::find_if(endpoints.begin(), endpoints.end(), [&](const EndpointAlias& e) { return e.name == alias; });
  return found == endpoints.end() ? nullptr : &*found;
}

std::optional<PointIndex> Scenario::point(std::string_view name) const {
  const auto& path = input.options.path;
  const auto found = std::find(path.begin(), path.end(), name);
  if (found == path.end()) return std::nullopt;
  return static_cast<PointIndex>(found - path.begin());
}

ParsedScenario parse_scenario(const std::string& file, const std::string& text, Variant variant) {
  Scenario scenario;
  scenario.name = file.substr(file.rfind('/') + 1);
  scenario.name = scenario.name.substr(0, scenario.name.rfind('.'));
  scenario.variant = variant;
  scenario.input.options.offline = true;
  scenario.input.options.record_packets = true;
  scenario.input.options.legs = 1 << 12;  // small: an engine is built for each run
  scenario.input.options.half_open_legs = 1 << 10;
  Parser parser(scenario);
  std::istringstream in(text);
  bool has_twin = false;
  int number = 0;
  try {
    for (std::string line; std::getline(in, line);) {
      ++number;
      std::vector<std::string> words = split(line);
      if (words.empty()) continue;
      const bool fault_only = words[0] == "fault", twin_only = words[0] == "twin";
      has_twin |= twin_only;
      if ((fault_only && variant == Variant::twin) || (twin_only && variant == Variant::fault)) continue;
      if (fault_only || twin_only) words.erase(words.begin());
      if (words.empty()) throw Failure{"nothing after 'fault' or 'twin'"};
      parser.line(number, line, std::move(words));
    }
    if (variant == Variant::twin && !has_twin) return {};
    if (scenario.expectations.empty()) throw Failure{"it expects nothing; say `expect nothing` where that is meant"};
    parser.finish();
  } catch (const Failure& failure) {
    return {std::nullopt, file + ":" + std::to_string(number) + ": " + failure.text};
  }
  return {std::move(scenario), {}};
}

}  // namespace parallax::test
