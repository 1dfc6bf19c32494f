#include "capture/source/libpcap_source.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <pcap/pcap.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "capture/source/kernel_stamps.h"
#include "capture/source/link_watch.h"
#include "capture/source/port_lock.h"

namespace parallax {
namespace {

constexpr size_t kBurstMax = 64;
constexpr int64_t kStatisticsIntervalMinNs = 5'000'000;  // libpcap reads two files of /sys each time, also of an idle port
constexpr int64_t kStatisticsIntervalMaxNs = 10'000'000;
constexpr int64_t kStatisticsCostShare = 100;  // at most one part in so many goes into reading counters
// Between two attempts at an interface that failed: doubled each time.
constexpr int64_t kRetryMinNs = 20'000'000;
constexpr int64_t kRetryMaxNs = 640'000'000;

std::string interface_names() {
  std::string names;
  struct if_nameindex* interfaces = if_nameindex();
  for (const struct if_nameindex* i = interfaces; i != nullptr && i->if_name != nullptr; ++i) {
    names += (names.empty() ? "" : ", ") + std::string(i->if_name);
  }
  if (interfaces != nullptr) if_freenameindex(interfaces);
  return names;
}

std::string activation_error(pcap_t* pcap, const std::string& interface, int code) {
  const std::string detail = pcap_geterr(pcap);
  switch (code) {
    case PCAP_ERROR_NO_SUCH_DEVICE:
      return "there is no interface " + interface + "; there are " + interface_names();
    case PCAP_ERROR_PERM_DENIED:
    case PCAP_ERROR_PROMISC_PERM_DENIED:
      return "no permission to capture: root or CAP_NET_RAW is needed";
    case PCAP_ERROR_IFACE_NOT_UP:
      return "the interface is down: ip link set " + interface + " up";
    default:
      return detail.empty() ? pcap_statustostr(code) : detail;
  }
}

// Of the interface that the socket is bound to.
unsigned short hardware_of(int socket) {
  sockaddr_ll bound{};
  socklen_t length = sizeof(bound);
  return getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &length) == 0 ? bound.sll_hatype : 0;
}

}  // namespace

struct LibpcapSource::Capture {
  Capture(const std::string& interface_name, const LibpcapSourceOptions& source_options)
      : interface(interface_name),
        options(source_options),
        stamps(options.clock, options.delivery_ns, options.stamp_uncertainty_ns),
        link(interface) {}

  const std::string interface;
  LibpcapSourceOptions options;
  PortLock lock;
  KernelStamps stamps;
  LinkWatch link;
  pcap_t* pcap = nullptr;
  LinkType link_type = LinkType::ethernet;
  std::string warning;
  bool ended = false;

  std::vector<uint8_t> copies;  // snaplen bytes for each packet of a burst
  std::span<RawPacket> burst;
  size_t burst_count = 0;
  uint32_t frame = 0;

  int64_t opened_ns = 0;
  int64_t handed_out_ns = 0;  // all stamped so much less the delivery bound before are handed out
  int64_t statistics_ns = 0;  // start of the last reading
  int64_t statistics_interval_ns = kStatisticsIntervalMinNs;
  pcap_stat former{};
  uint64_t lost_by_socket = 0, lost_by_interface = 0;  // not yet told
  int64_t loss_from_ns = 0, loss_to_ns = 0;

  unsigned interface_index = 0;  // as it was opened or bound again
  unsigned short hardware = 0;   // ARPHRD_*: what the link type goes by
  bool failed = false;           // libpcap gave up; tried again at retry_ns
  int64_t retry_ns = 0, retry_interval_ns = kRetryMinNs;
  bool link_up = true;
  int64_t known_up_ns = 0;  // when the link was last seen up, and had been since the look before
  std::optional<PortOutage> link_outage;

  ~Capture() { close(); }
  void close() {
    if (pcap != nullptr) pcap_close(std::exchange(pcap, nullptr));
  }
  std::string activate();
  void dispatch(int64_t begun_ns);
  bool ready_again(int64_t begun_ns);
  bool rebind(unsigned index);
  void reopen();
  void look_at_link(int64_t begun_ns);
  void read_statistics(int64_t begun_ns);
  void take(const pcap_pkthdr& header, const uint8_t* bytes);
};

std::string LibpcapSource::Capture::activate() {
  char error[PCAP_ERRBUF_SIZE] = {};
  pcap = pcap_create(interface.c_str(), error);
  if (pcap == nullptr) return error;
  pcap_set_snaplen(pcap, options.snaplen);
  pcap_set_promisc(pcap, 1);
  pcap_set_immediate_mode(pcap, 1);
  pcap_set_buffer_size(pcap, options.buffer_bytes);
  if (pcap_set_tstamp_precision(pcap, PCAP_TSTAMP_PRECISION_NANO) != 0) return "the kernel gives no stamps in nanoseconds";
  const int code = pcap_activate(pcap);
  if (code < 0) return activation_error(pcap, interface, code);
  if (code > 0) warning = "pcap:" + interface + ": " + (code == PCAP_WARNING ? pcap_geterr(pcap) : pcap_statustostr(code));
  if (pcap_setnonblock(pcap, 1, error) != 0) return error;
  if (pcap_setdirection(pcap, PCAP_D_IN) != 0) return "the direction cannot be chosen: " + std::string(pcap_geterr(pcap));
  link_type = static_cast<LinkType>(pcap_datalink(pcap) == DLT_RAW ? static_cast<int>(LinkType::raw_ip) : pcap_datalink(pcap));
  options.snaplen = pcap_snapshot(pcap);
  pcap_stats(pcap, &former);
  interface_index = link.interface_index();
  hardware = hardware_of(pcap_fileno(pcap));
  return {};
}

Result<std::unique_ptr<LibpcapSource>> LibpcapSource::open(const std::string& interface, const LibpcapSourceOptions& options) {
  if (interface.empty()) return Error{"pcap: the interface is missing, such as pcap:eth1; there are " + interface_names()};
  Result<PortLock> lock = PortLock::take(interface);
  if (!lock.ok()) return Error{"pcap:" + interface + ": " + lock.error()};
  auto capture = std::make_unique<Capture>(interface, options);
  capture->lock = std::move(*lock);
  if (const std::string error = capture->activate(); !error.empty()) return Error{"pcap:" + interface + ": " + error};
  capture->copies.resize(kBurstMax * static_cast<size_t>(capture->options.snaplen));
  capture->opened_ns = capture->handed_out_ns = capture->statistics_ns = capture->known_up_ns = capture->stamps.now_ns();
  return std::unique_ptr<LibpcapSource>(new LibpcapSource(std::move(capture)));
}

LibpcapSource::LibpcapSource(std::unique_ptr<Capture> capture) : capture_(std::move(capture)) {}
LibpcapSource::~LibpcapSource() = default;

void LibpcapSource::Capture::take(const pcap_pkthdr& header, const uint8_t* bytes) {
  const auto length = std::min(header.caplen, static_cast<uint32_t>(options.snaplen));
  uint8_t* const copy = copies.data() + burst_count * static_cast<size_t>(options.snaplen);
  std::memcpy(copy, bytes, length);
  // With nanosecond precision tv_usec holds nanoseconds.
  const KernelStamp stamp = stamps.place(int64_t{header.ts.tv_sec} * 1'000'000'000 + header.ts.tv_usec);
  burst[burst_count++] = {copy, length, std::max(header.len, length), stamp.time_ns, stamp.uncertainty_ns, ++frame, link_type};
  handed_out_ns = std::max(handed_out_ns, stamp.time_ns);
}

size_t LibpcapSource::poll(std::span<RawPacket> burst) {
  Capture& capture = *capture_;
  if (capture.ended) return 0;
  const int64_t begun_ns = capture.stamps.now_ns();
  capture.burst = burst.first(std::min(burst.size(), kBurstMax));
  capture.burst_count = 0;
  if (!burst.empty() && (!capture.failed || capture.ready_again(begun_ns))) capture.dispatch(begun_ns);
  // The ring was empty; otherwise only what is older than the newest packet has been handed out.
  if (capture.burst_count < capture.burst.size()) capture.handed_out_ns = std::max(capture.handed_out_ns, begun_ns);
  if (capture.ended || begun_ns - capture.statistics_ns >= capture.statistics_interval_ns) {
    capture.stamps.compare();
    capture.look_at_link(begun_ns);
    capture.read_statistics(begun_ns);
  }
  return capture.burst_count;
}

void LibpcapSource::Capture::dispatch(int64_t begun_ns) {
  const auto take_packet = [](u_char* user, const pcap_pkthdr* header, const u_char* bytes) {
    reinterpret_cast<Capture*>(user)->take(*header, bytes);
  };
  stamps.begin_poll(handed_out_ns, begun_ns);
  const int result = pcap_dispatch(pcap, static_cast<int>(burst.size()), take_packet, reinterpret_cast<u_char*>(this));
  if (result >= 0) return;
  failed = true;
  warning = "pcap:" + interface + ": " + pcap_geterr(pcap);
  retry_interval_ns = kRetryMinNs;
  retry_ns = begun_ns + retry_interval_ns;
}

// The socket outlives an interface that is set down and up again, but not one that is made anew.
bool LibpcapSource::Capture::ready_again(int64_t begun_ns) {
  if (begun_ns < retry_ns) return false;
  retry_interval_ns = std::min(2 * retry_interval_ns, kRetryMaxNs);
  retry_ns = begun_ns + retry_interval_ns;
  const unsigned index = link.interface_index();
  if (index == 0 || link.look(begun_ns) == LinkWatch::Link::down) return false;
  if (pcap == nullptr || (index != interface_index && !rebind(index))) reopen();
  failed = pcap == nullptr;
  if (!failed) warning.clear();
  return !failed;
}

// The socket itself may be bound to the new interface by anyone: only to open another needs CAP_NET_RAW, which the daemon has
// given up.
bool LibpcapSource::Capture::rebind(unsigned index) {
  const int descriptor = pcap_fileno(pcap);
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_protocol = htons(ETH_P_ALL);
  to.sll_ifindex = static_cast<int>(index);
  packet_mreq promiscuous{to.sll_ifindex, PACKET_MR_PROMISC, 0, {}};
  if (bind(descriptor, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0 || hardware_of(descriptor) != hardware ||
      setsockopt(descriptor, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) != 0) {
    return false;
  }
  interface_index = index;
  return true;
}

void LibpcapSource::Capture::reopen() {
  const LinkType former_type = link_type;
  close();
  const std::string error = activate();
  if (!error.empty()) {
    warning = "pcap:" + interface + ": cannot be opened again: " + error;
    close();
  } else if (link_type != former_type) {
    warning = "pcap:" + interface + ": came back with another link type: restart to capture from it";
    link_type = former_type;
    close();
    ended = true;
  } else {
    copies.resize(std::max(copies.size(), kBurstMax * static_cast<size_t>(options.snaplen)));
  }
}

void LibpcapSource::Capture::look_at_link(int64_t begun_ns) {
  const LinkWatch::Link seen = link.look(begun_ns);
  const bool up = seen != LinkWatch::Link::down && !failed;
  if (!up || !link_up || seen == LinkWatch::Link::was_down) {
    link_outage = PortOutage{OutageCause::link_down, known_up_ns, stamps.now_ns()};
  }
  link_up = up;
  if (up) known_up_ns = begun_ns;
}

void LibpcapSource::Capture::read_statistics(int64_t begun_ns) {
  pcap_stat now{};
  const int64_t read_ns = stamps.now_ns();
  if (pcap != nullptr && pcap_stats(pcap, &now) == 0) {
    // 32 bits each; the difference is right across their end.
    lost_by_socket += now.ps_drop - former.ps_drop;
    lost_by_interface += now.ps_ifdrop - former.ps_ifdrop;
    former = now;
  }
  const int64_t done_ns = stamps.now_ns();
  loss_from_ns = statistics_ns - options.delivery_ns;
  loss_to_ns = done_ns;
  statistics_ns = std::max(statistics_ns, begun_ns);
  statistics_interval_ns =
      std::clamp((done_ns - read_ns) * kStatisticsCostShare, kStatisticsIntervalMinNs, kStatisticsIntervalMaxNs);
}

int64_t LibpcapSource::watermark_ns() const {
  const Capture& capture = *capture_;
  if (capture.ended) return kTimeMax;
  return std::max(capture.opened_ns, std::min(capture.handed_out_ns - capture.options.delivery_ns, capture.statistics_ns));
}

int64_t LibpcapSource::losses_known_ns() const { return capture_->ended ? kTimeMax : capture_->statistics_ns; }

int LibpcapSource::descriptor() const { return capture_->failed ? -1 : pcap_get_selectable_fd(capture_->pcap); }

bool LibpcapSource::finished() const { return capture_->ended; }

std::optional<SourceLoss> LibpcapSource::take_loss() {
  Capture& capture = *capture_;
  const auto told = [&](DropReason reason, uint64_t& count) {
    return SourceLoss{reason, std::exchange(count, 0), capture.loss_from_ns, capture.loss_to_ns};
  };
  if (capture.lost_by_socket > 0) return told(DropReason::socket, capture.lost_by_socket);
  if (capture.lost_by_interface > 0) return told(DropReason::nic, capture.lost_by_interface);
  return std::nullopt;
}

std::optional<PortOutage> LibpcapSource::take_outage() {
  if (capture_->link_outage) return std::exchange(capture_->link_outage, std::nullopt);
  return capture_->stamps.take_step();
}

bool LibpcapSource::link_up() const { return capture_->link_up; }

std::string LibpcapSource::warning() const { return capture_->warning; }

LinkType LibpcapSource::link_type() const { return capture_->link_type; }

}  // namespace parallax
