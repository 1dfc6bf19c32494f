#include "capture/source/dpdk_source.h"

#include <dirent.h>
#include <net/if.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "capture/source/af_packet_ring.h"
#include "capture/source/dpdk_losses.h"
#include "capture/source/eal.h"
#include "capture/source/kernel_stamps.h"
#include "capture/source/link_watch.h"
#include "capture/source/longest_frame.h"
#include "capture/source/port_lock.h"

namespace parallax {
namespace {

constexpr uint16_t kDescriptors = 4096;  // of the receive queue, where the device has so many
constexpr uint16_t kBurstMax = 64;       // of one poll
constexpr uint32_t kMbufCache = 250;
constexpr uint32_t kJumboMtu = 9216;       // of PCI devices, where they can
constexpr size_t kScratchBytes = 1 << 18;  // for the packets of one burst that lie in several buffers
constexpr int64_t kStatisticsIntervalMinNs = 1'000'000;
constexpr int64_t kStatisticsIntervalMaxNs = 10'000'000;
constexpr int64_t kStatisticsCostShare = 100;  // at most one part in so many goes into reading counters
// From the wire to where a poll can see it: a NIC writes its descriptors in batches; the kernel has interrupt, softirq and a
// queue between (2 to 63 us were measured).
constexpr int64_t kNicDeliveryNs = 5'000;
constexpr int64_t kKernelDeliveryNs = 100'000;
// Of the kernel's stamps, as for libpcap.
constexpr uint32_t kKernelStampUncertaintyNs = 10'000;
constexpr int64_t kKernelStampDeliveryNs = 10'000'000;
constexpr uint32_t kRingHeader = 66;  // of the kernel, before each frame in the ring of an af_packet port (TPACKET_V2)
// Asking a device for its link costs from a register's reading to a mailbox's round trip.
constexpr int64_t kLinkIntervalMinNs = 20'000'000;
constexpr int64_t kLinkIntervalMaxNs = 500'000'000;

// DPDK's buffer pools keep a cache for each thread that they know.
struct RegisteredThread {
  const bool registered = rte_lcore_id() == LCORE_ID_ANY && rte_thread_register() == 0;
  ~RegisteredThread() {
    if (registered && eal_running()) rte_thread_unregister();
  }
};

// The value of `key` in "name,key=value,key=value"; empty: not there.
std::string argument_of(const std::string& device, const std::string& key) {
  const size_t found = device.find("," + key + "=");
  if (found == std::string::npos) return {};
  const size_t begin = found + key.size() + 2;
  return device.substr(begin, device.find(',', begin) - begin);
}

// The same as a number; 0 where it is none.
uint32_t number_of(const std::string& device, const std::string& key) {
  return static_cast<uint32_t>(std::strtoul(argument_of(device, key).c_str(), nullptr, 10));
}

// The driver of a virtual device: its name without the number at the end.
std::string driver_of(const std::string& device) {
  std::string name = device.substr(0, device.find(','));
  while (!name.empty() && name.back() >= '0' && name.back() <= '9') name.pop_back();
  return name;
}

// What the drivers of this process take packets from: sockets of their own kind, and taps.
std::vector<int> descriptors_with_packets() {
  std::vector<int> found;
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return found;
  while (const dirent* entry = readdir(folder)) {
    const int descriptor = std::atoi(entry->d_name);
    char target[32] = {};
    int domain = 0;
    socklen_t size = sizeof(domain);
    const bool is_tap =
        readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1) > 0 && target == std::string("/dev/net/tun");
    const bool is_socket = getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0;
    if (is_tap || (is_socket && (domain == AF_PACKET || domain == AF_XDP))) found.push_back(descriptor);
  }
  closedir(folder);
  return found;
}

// The only one that came since then; negative: none, or several, of which one may be silent while packets come.
int descriptor_besides(const std::vector<int>& before) {
  std::vector<int> came;
  for (const int descriptor : descriptors_with_packets()) {
    if (std::find(before.begin(), before.end(), descriptor) == before.end()) came.push_back(descriptor);
  }
  return came.size() == 1 ? came.front() : -1;
}

bool is_on_interface(const std::string& driver) { return driver == "net_af_packet" || driver == "net_af_xdp"; }

// What the headers say of a frame's length on the wire, for one that was cut. Not less than `length`.
uint32_t length_by_headers(const uint8_t* frame, uint32_t length) {
  constexpr uint32_t kTag = 4, kHeadersMax = 14 + 2 * kTag + 40;
  if (length < kHeadersMax) return length;
  const auto load16 = [&](uint32_t at) { return static_cast<uint32_t>(frame[at]) << 8 | frame[at + 1]; };
  uint32_t type_at = 12;
  for (int tags = 0; tags < 2 && (load16(type_at) == 0x8100 || load16(type_at) == 0x88a8); ++tags) type_at += kTag;
  const uint32_t network = type_at + 2;
  if (load16(type_at) == 0x0800) return std::max(length, network + load16(network + 2));
  if (load16(type_at) == 0x86dd) return std::max(length, network + 40 + load16(network + 4));
  return length;
}

Error device_error(const std::string& device, const std::string& what) {
  const std::string log = eal_take_log();
  return {"dpdk:" + device + ": " + what + (log.empty() ? "" : " (" + log + ")")};
}

std::string code_text(int result) { return rte_strerror(result < 0 ? -result : result); }

}  // namespace

struct DpdkSource::Port {
  Port(const std::string& device_text, const std::string& on_interface, const Clock& sensor_clock)
      : device(device_text),
        interface(on_interface),
        clock(&sensor_clock),
        link(is_on_interface(driver_of(device_text)) ? on_interface : std::string{}) {}

  std::string device;
  std::string name;             // DPDK's
  std::string driver;           // of a virtual device
  const std::string interface;  // of a virtual device on one
  const Clock* const clock;
  LinkWatch link;
  PortLock lock;
  rte_mempool* pool = nullptr;
  uint16_t id = RTE_MAX_ETHPORTS;
  int descriptor = -1;  // the driver's, readable when a packet waits
  bool plugged = false;
  bool started = false;

  std::array<rte_mbuf*, kBurstMax> held;
  uint16_t held_count = 0;
  std::vector<uint8_t> scratch;
  size_t scratch_used = 0;
  uint32_t frame = 0;
  int64_t opened_ns = 0;         // what arrived before was not seen
  int64_t emptied_ns = 0;        // all that arrived before is handed out
  uint32_t cut_at = UINT32_MAX;  // frames of this length or more may be longer on the wire
  uint32_t depth = 0;            // packets that wait in the device or its ring at most; 0: not known
  uint32_t until_mark = 0;       // packets to come before everything that waited at mark_ns is handed out
  int64_t mark_ns = 0;
  int64_t last_stamp_ns = 0;
  int64_t delivery_ns = 0;  // of poll stamps: from the wire to where the poll sees it, at most

  // af_packet: the kernel's stamps.
  std::optional<AfPacketRing> ring;
  std::optional<KernelStamps> stamps;
  int64_t newest_kernel_stamp_ns = 0;

  bool link_up = true;
  int64_t known_up_ns = 0;
  int64_t link_asked_ns = 0, link_interval_ns = kLinkIntervalMinNs;
  std::optional<PortOutage> link_outage, pause;

  DpdkLosses losses;
  size_t losses_told = 0;
  int64_t loss_from_ns = 0, loss_to_ns = 0;
  int64_t statistics_ns = 0;  // start of the last reading
  int64_t statistics_cost_ns = 0;
  int64_t statistics_interval_ns = kStatisticsIntervalMinNs;

  ~Port();
  void use_large_ring();
  std::string plug();
  std::string configure(uint32_t mbufs);
  std::string make_pool(uint32_t mbufs);
  std::string queues(const rte_eth_conf& conf, const rte_eth_dev_info& info);
  size_t discard_waiting();
  void find_ring(int socket, size_t taken);
  uint16_t receive(uint16_t wanted);
  void stamp_by_poll(std::span<RawPacket> burst);
  void stamp_by_kernel(std::span<RawPacket> burst, int64_t begun_ns);
  bool in_step_with_ring(uint16_t count) const;
  bool link_is_up(int64_t now_ns, bool& was_down);
  void look_at_link(int64_t begun_ns);
  void note_progress(int64_t begun_ns, uint16_t wanted);
  void read_statistics(int64_t begun_ns);
  RawPacket view(rte_mbuf* mbuf, int64_t stamp_ns, uint32_t uncertainty_ns);
  int64_t now_ns() {
    last_stamp_ns = std::max(last_stamp_ns, clock->now_ns());
    return last_stamp_ns;
  }
};

DpdkSource::Port::~Port() {
  if (held_count > 0) rte_pktmbuf_free_bulk(held.data(), held_count);
  losses = DpdkLosses();  // before the driver closes its sockets
  if (started) rte_eth_dev_stop(id);
  if (id != RTE_MAX_ETHPORTS) rte_eth_dev_close(id);
  if (plugged) rte_eal_hotplug_remove(driver.empty() ? "pci" : "vdev", name.c_str());
  rte_mempool_free(pool);
}

// The driver's own ring is short, and cuts frames above 1,982 bytes without a word. Unless the sizes are given, take one for as
// many frames as outlast a stall of some tenths of a second; where there may be longer ones, a quarter as many for jumbo frames,
// eight to a block of eighteen pages. Either has 36 MiB at most.
void DpdkSource::Port::use_large_ring() {
  constexpr uint32_t kShort = 2048;
  const bool given = !argument_of(device, "blocksz").empty() || !argument_of(device, "framesz").empty();
  const bool is_short = longest_frame(interface) <= kShort - kRingHeader;
  if (!given) device += is_short ? ",blocksz=65536,framesz=2048" : ",blocksz=73728,framesz=9216";
  const uint32_t frame_size = number_of(device, "framesz") > 0 ? number_of(device, "framesz") : kShort;
  if (argument_of(device, "framecnt").empty()) device += frame_size <= kShort ? ",framecnt=16384" : ",framecnt=4096";
  depth = number_of(device, "framecnt");
  // Frames that the kernel has joined (GRO) may well be longer than the rest.
  cut_at = std::max(frame_size, 128u) - kRingHeader;
}

// Makes the device known to DPDK and finds its port.
std::string DpdkSource::Port::plug() {
  name = device.substr(0, device.find(','));
  const size_t comma = device.find(',');
  const std::string arguments = comma == std::string::npos ? "" : device.substr(comma + 1);
  if (driver.empty()) {
    // Devices that are configured at start have been probed by EAL.
    if (rte_eth_dev_get_port_by_name(name.c_str(), &id) == 0) return {};
    const int result = rte_eal_hotplug_add("pci", name.c_str(), arguments.c_str());
    if (result != 0) {
      return "no such PCI device, or it is not bound to vfio-pci (dpdk-devbind.py -b vfio-pci " + name +
             "): " + code_text(result);
    }
  } else {
    uint16_t other = 0;
    if (rte_eth_dev_get_port_by_name(name.c_str(), &other) == 0)
      return "another port has this name: number them, such as " + driver + "1";
    if (!interface.empty() && is_on_interface(driver) && if_nametoindex(interface.c_str()) == 0) {
      return "there is no interface " + interface;
    }
    if (is_on_interface(driver) && interface.empty()) return "needs iface=<interface>";
    const int result = rte_eal_hotplug_add("vdev", name.c_str(), arguments.c_str());
    if (result != 0) {
      std::string text = "the device cannot be made: " + code_text(result);
      if (geteuid() != 0) text += "; root or CAP_NET_RAW (af_xdp and tap: CAP_NET_ADMIN, CAP_BPF) is needed";
      return text;
    }
  }
  plugged = true;
  if (rte_eth_dev_get_port_by_name(name.c_str(), &id) != 0) {
    id = RTE_MAX_ETHPORTS;
    return "the device is no network port";
  }
  return {};
}

// The af_packet driver copies each frame into one buffer, which must hold the largest that its ring can.
std::string DpdkSource::Port::make_pool(uint32_t mbufs) {
  const uint32_t room =
      std::clamp<uint32_t>(number_of(device, "framesz") + RTE_PKTMBUF_HEADROOM, RTE_MBUF_DEFAULT_BUF_SIZE, UINT16_MAX);
  const std::string pool_name = "mbufs_" + std::to_string(id);
  pool = rte_pktmbuf_pool_create(pool_name.c_str(), mbufs, std::min(kMbufCache, mbufs / 4), 0, static_cast<uint16_t>(room),
                                 rte_eth_dev_socket_id(id));
  if (pool == nullptr)
    pool = rte_pktmbuf_pool_create(pool_name.c_str(), mbufs, std::min(kMbufCache, mbufs / 4), 0, static_cast<uint16_t>(room),
                                   SOCKET_ID_ANY);
  if (pool != nullptr) return {};
  const uint64_t mib = (uint64_t{mbufs} * (room + 256)) >> 20;
  return "no memory for " + std::to_string(mbufs) + " packet buffers of " + std::to_string(room) + " bytes, about " +
         std::to_string(mib + 1) + " MiB: raise eal.memory_mib or the number of huge pages, or lower limits.mbufs";
}

std::string DpdkSource::Port::queues(const rte_eth_conf& conf, const rte_eth_dev_info& info) {
  // Some drivers want as many transmit queues as receive queues. Nothing is ever sent.
  uint16_t transmit_queues = driver == "net_af_xdp" || driver == "net_tap" ? 1 : 0;
  int result = rte_eth_dev_configure(id, 1, transmit_queues, &conf);
  if (result != 0 && transmit_queues == 0 && info.max_tx_queues > 0) {
    transmit_queues = 1;
    result = rte_eth_dev_configure(id, 1, transmit_queues, &conf);
  }
  if (result != 0) return "cannot be configured with one receive queue: " + code_text(result);
  // A power of two, as af_xdp wants; never more than half of the buffers.
  auto receive_descriptors = static_cast<uint16_t>(std::bit_floor(std::min<uint32_t>(pool->size / 2, kDescriptors)));
  uint16_t transmit_descriptors = 512;
  rte_eth_dev_adjust_nb_rx_tx_desc(id, &receive_descriptors, &transmit_descriptors);
  result = rte_eth_rx_queue_setup(id, 0, receive_descriptors, rte_eth_dev_socket_id(id), nullptr, pool);
  if (result != 0) return "its receive queue cannot be set up: " + code_text(result);
  if (driver.empty()) depth = 2u * receive_descriptors;  // what the driver has taken off the ring and keeps, as well
  if (transmit_queues == 1) result = rte_eth_tx_queue_setup(id, 0, transmit_descriptors, rte_eth_dev_socket_id(id), nullptr);
  if (result != 0) return "its transmit queue cannot be set up: " + code_text(result);
  return {};
}

std::string DpdkSource::Port::configure(uint32_t mbufs) {
  rte_eth_dev_info info{};
  if (const int result = rte_eth_dev_info_get(id, &info); result != 0) return "tells nothing about itself: " + code_text(result);
  if (std::string error = make_pool(mbufs); !error.empty()) return error;

  // Place for hardware stamps: only where info.rx_offload_capa has RTE_ETH_RX_OFFLOAD_TIMESTAMP for every port of the
  // sensor, on one device clock (rte_eth_read_clock); else all ports are stamped by the one clock of the sensor.
  rte_eth_conf conf{};
  conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
  if (driver.empty()) conf.rxmode.mtu = std::min<uint32_t>(info.max_mtu, kJumboMtu);
  if (std::string error = queues(conf, info); !error.empty()) return error;

  if (const int result = rte_eth_dev_start(id); result != 0) return "does not start: " + code_text(result);
  started = true;
  // Devices that know no address filter refuse both, and show everything anyway.
  const int promiscuous = rte_eth_promiscuous_enable(id);
  if (promiscuous != 0 && promiscuous != -ENOTSUP) return "cannot be set promiscuous: " + code_text(promiscuous);
  rte_eth_allmulticast_enable(id);
  return {};
}

// Between making its socket and binding it to the interface, the af_packet driver takes the packets of every interface.
size_t DpdkSource::Port::discard_waiting() {
  std::array<rte_mbuf*, kBurstMax> burst;
  size_t discarded = 0;
  while (discarded < depth) {
    const auto wanted = static_cast<uint16_t>(std::min<size_t>(depth - discarded, kBurstMax));
    const uint16_t count = rte_eth_rx_burst(id, 0, burst.data(), wanted);
    if (count == 0) break;
    rte_pktmbuf_free_bulk(burst.data(), count);
    discarded += count;
  }
  return discarded;
}

void DpdkSource::Port::find_ring(int socket, size_t taken) {
  const auto or_else = [](uint32_t given, size_t usual) { return given > 0 ? given : usual; };
  const AfPacketRingShape shape{or_else(number_of(device, "blocksz"), static_cast<size_t>(getpagesize())),
                                or_else(number_of(device, "framesz"), 2048), number_of(device, "framecnt")};
  ring = AfPacketRing::find(socket, shape, taken);
  if (ring) stamps.emplace(clock, kKernelStampDeliveryNs, kKernelStampUncertaintyNs);
}

Result<std::unique_ptr<DpdkSource>> DpdkSource::open(const std::string& device, const DpdkSourceOptions& options) {
  if (!eal_running()) return Error{"dpdk:" + device + ": DPDK's environment does not run"};
  if (device.empty()) return Error{"dpdk: a PCI address or a virtual device is missing, such as dpdk:0000:3b:00.0"};
  eal_take_log();
  const std::string address = pci_address_of(device);
  auto port = std::make_unique<Port>(device, address.empty() ? argument_of(device, "iface") : std::string{}, *options.clock);
  if (address.empty()) port->driver = driver_of(device);
  port->delivery_ns = !address.empty() ? kNicDeliveryNs : port->interface.empty() ? 0 : kKernelDeliveryNs;
  if (port->driver == "net_af_packet") port->use_large_ring();
  const std::string& locked = port->interface.empty() ? address : port->interface;
  if (!locked.empty()) {
    Result<PortLock> lock = PortLock::take(locked);
    if (!lock.ok()) return Error{"dpdk:" + device + ": " + lock.error()};
    port->lock = std::move(*lock);
  }
  const std::vector<int> descriptors_before = descriptors_with_packets();
  const std::vector<int> sockets_before = DpdkLosses::packet_sockets(port->interface);
  if (const std::string error = port->plug(); !error.empty()) return device_error(device, error);
  if (const std::string error = port->configure(options.mbufs); !error.empty()) return device_error(device, error);

  std::vector<int> sockets;
  if (port->driver == "net_af_packet") {
    const size_t discarded = port->discard_waiting();
    sockets = DpdkLosses::packet_sockets(port->interface, sockets_before);
    if (sockets.size() == 1) port->find_ring(sockets.front(), discarded);
  }
  port->descriptor = descriptor_besides(descriptors_before);
  port->losses.start(port->id, port->driver, port->interface, std::move(sockets));
  port->scratch.resize(kScratchBytes);
  port->opened_ns = port->emptied_ns = port->statistics_ns = port->known_up_ns = port->now_ns();
  return std::unique_ptr<DpdkSource>(new DpdkSource(std::move(port)));
}

DpdkSource::DpdkSource(std::unique_ptr<Port> port) : port_(std::move(port)) {}
DpdkSource::~DpdkSource() = default;

size_t DpdkSource::poll(std::span<RawPacket> burst) {
  static thread_local const RegisteredThread registered;
  Port& port = *port_;
  if (port.held_count > 0) rte_pktmbuf_free_bulk(port.held.data(), port.held_count);
  port.scratch_used = 0;

  const int64_t begun_ns = port.now_ns();
  const auto wanted = static_cast<uint16_t>(std::min<size_t>(burst.size(), kBurstMax));
  port.held_count = port.receive(wanted);
  if (port.held_count > 0) port.ring ? port.stamp_by_kernel(burst, begun_ns) : port.stamp_by_poll(burst);
  if (wanted > 0) port.note_progress(begun_ns, wanted);
  if (begun_ns - port.statistics_ns >= port.statistics_interval_ns) {
    if (port.stamps) port.stamps->compare();
    port.look_at_link(begun_ns);
    port.read_statistics(begun_ns);
  }
  return port.held_count;
}

// No more than the ring was seen to hold: each packet then has its stamp.
uint16_t DpdkSource::Port::receive(uint16_t wanted) {
  if (ring) wanted = static_cast<uint16_t>(ring->look(wanted));
  if (wanted == 0) return 0;
  const uint16_t count = rte_eth_rx_burst(id, 0, held.data(), wanted);
  if (!ring) return count;
  ring->taken(count);
  if (!in_step_with_ring(count)) ring.reset();
  return count;
}

bool DpdkSource::Port::in_step_with_ring(uint16_t count) const {
  for (uint16_t i = 0; i < count; ++i) {
    if (rte_pktmbuf_pkt_len(held[i]) != ring->waiting(i).length) return false;
  }
  return true;
}

void DpdkSource::Port::stamp_by_poll(std::span<RawPacket> burst) {
  // After the poll: nothing in the burst arrived later.
  const int64_t stamp_ns = now_ns();
  const int64_t waited_ns = stamp_ns - emptied_ns;
  const auto uncertainty_ns = static_cast<uint32_t>(std::min<int64_t>(waited_ns + delivery_ns, UINT32_MAX));
  for (uint16_t i = 0; i < held_count; ++i) burst[i] = view(held[i], stamp_ns, uncertainty_ns);
  if (waited_ns > PortChannel::kHeldUpNs) [[unlikely]]
    pause = PortOutage{OutageCause::paused, emptied_ns - delivery_ns, stamp_ns};
}

void DpdkSource::Port::stamp_by_kernel(std::span<RawPacket> burst, int64_t begun_ns) {
  stamps->begin_poll(emptied_ns, begun_ns);
  for (uint16_t i = 0; i < held_count; ++i) {
    const KernelStamp stamp = stamps->place(ring->waiting(i).stamp_ns);
    burst[i] = view(held[i], stamp.time_ns, stamp.uncertainty_ns);
    newest_kernel_stamp_ns = std::max(newest_kernel_stamp_ns, stamp.time_ns);
  }
}

// Under overload no poll ever empties the port. But the port holds at most so many packets: once that many more were
// handed out, all that were waiting at the mark are.
void DpdkSource::Port::note_progress(int64_t begun_ns, uint16_t wanted) {
  if (ring && held_count > 0 && held_count == wanted) {
    // Each packet says itself how far it has got.
    emptied_ns = std::max(emptied_ns, newest_kernel_stamp_ns);
  } else if (held_count < wanted) {
    emptied_ns = mark_ns = begun_ns;
    until_mark = depth;
  } else if (depth > 0) {
    until_mark -= std::min<uint32_t>(until_mark, held_count);
    if (until_mark > 0) return;
    emptied_ns = std::max(emptied_ns, mark_ns);
    mark_ns = begun_ns;
    until_mark = depth;
  }
}

RawPacket DpdkSource::Port::view(rte_mbuf* mbuf, int64_t stamp_ns, uint32_t uncertainty_ns) {
  const uint32_t length = rte_pktmbuf_pkt_len(mbuf);
  RawPacket packet{rte_pktmbuf_mtod(mbuf, const uint8_t*), length, length, stamp_ns, uncertainty_ns, ++frame, LinkType::ethernet};
  if (length >= cut_at) packet.wire_length = length_by_headers(packet.data, length);
  if (mbuf->nb_segs == 1) return packet;
  // Several buffers: copied together, as far as there is room (then it is cut short, and says so).
  const auto room = static_cast<uint32_t>(std::min<size_t>(length, scratch.size() - scratch_used));
  uint8_t* const copy = scratch.data() + scratch_used;
  packet.data = copy;
  packet.captured_length = 0;
  for (const rte_mbuf* segment = mbuf; segment != nullptr && packet.captured_length < room; segment = segment->next) {
    const uint32_t part = std::min<uint32_t>(segment->data_len, room - packet.captured_length);
    std::memcpy(copy + packet.captured_length, rte_pktmbuf_mtod(segment, const uint8_t*), part);
    packet.captured_length += part;
  }
  scratch_used += packet.captured_length;
  return packet;
}

// What was lost since the last reading may belong anywhere in between, and its packets would have been stamped up to now.
void DpdkSource::Port::read_statistics(int64_t begun_ns) {
  const int64_t read_ns = now_ns();
  losses.read();
  losses_told = 0;
  loss_from_ns = statistics_ns;
  statistics_ns = begun_ns;
  loss_to_ns = now_ns();
  statistics_cost_ns = loss_to_ns - read_ns;
  statistics_interval_ns =
      std::clamp(statistics_cost_ns * kStatisticsCostShare, kStatisticsIntervalMinNs, kStatisticsIntervalMaxNs);
}

bool DpdkSource::Port::link_is_up(int64_t now_ns, bool& was_down) {
  if (is_on_interface(driver)) {
    const LinkWatch::Link seen = link.look(now_ns);
    was_down = seen == LinkWatch::Link::was_down;
    return seen != LinkWatch::Link::down;
  }
  link_asked_ns = now_ns;
  rte_eth_link status{};
  const bool up = rte_eth_link_get_nowait(id, &status) != 0 || status.link_status == RTE_ETH_LINK_UP;
  link_interval_ns = std::clamp((clock->now_ns() - now_ns) * kStatisticsCostShare, kLinkIntervalMinNs, kLinkIntervalMaxNs);
  return up;
}

// Asked of a device less often than the watermark moves on: what was released meanwhile is decided long after.
void DpdkSource::Port::look_at_link(int64_t begun_ns) {
  if (!is_on_interface(driver) && begun_ns - link_asked_ns < link_interval_ns) return;
  bool was_down = false;
  const bool up = link_is_up(begun_ns, was_down);
  if (!up || !link_up || was_down) link_outage = PortOutage{OutageCause::link_down, known_up_ns, now_ns()};
  link_up = up;
  if (up) known_up_ns = begun_ns;
}

int64_t DpdkSource::watermark_ns() const {
  const Port& port = *port_;
  // Never before the port was opened: what passed then was not seen, and other ports may have been open by then.
  const int64_t handed_out_ns = port.ring ? port.emptied_ns - kKernelStampDeliveryNs : port.emptied_ns;
  return std::max(port.opened_ns, std::min(handed_out_ns, port.statistics_ns));
}

std::optional<PortOutage> DpdkSource::take_outage() {
  Port& port = *port_;
  for (std::optional<PortOutage>* outage : {&port.link_outage, &port.pause}) {
    if (*outage) return std::exchange(*outage, std::nullopt);
  }
  return port.stamps ? port.stamps->take_step() : std::nullopt;
}

bool DpdkSource::link_up() const { return port_->link_up; }
int64_t DpdkSource::losses_known_ns() const { return port_->statistics_ns; }
bool DpdkSource::stamped_on_arrival() const { return port_->ring.has_value(); }
int DpdkSource::descriptor() const { return port_->descriptor; }

std::optional<SourceLoss> DpdkSource::take_loss() {
  Port& port = *port_;
  if (port.losses_told >= port.losses.losses().size()) return std::nullopt;
  SourceLoss loss = port.losses.losses()[port.losses_told++];
  loss.from_ns = port.loss_from_ns;
  loss.to_ns = port.loss_to_ns;
  return loss;
}

int64_t DpdkSource::statistics_cost_ns() const { return port_->statistics_cost_ns; }
int64_t DpdkSource::statistics_interval_ns() const { return port_->statistics_interval_ns; }

}  // namespace parallax
