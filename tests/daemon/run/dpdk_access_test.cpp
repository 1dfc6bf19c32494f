// What is missing for a device of DPDK, on made-up machines.
#include "daemon/run/dpdk_access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/child_process.h"

namespace parallax {
namespace {

using testing::HasSubstr;

class DpdkAccessTest : public ::testing::Test {
 protected:
  static constexpr const char* kAddress = "0000:3b:00.0";

  void SetUp() override { std::filesystem::create_directories(device()); }
  std::string device() const { return machine_ / "sys/bus/pci/devices" + "/" + kAddress; }
  void link(const std::string& name, const std::string& target) {
    std::filesystem::create_symlink("../../../../" + target, device() + "/" + name);
  }
  void file(const std::string& name) {
    std::filesystem::create_directories(std::filesystem::path(machine_ / name).parent_path());
    std::ofstream(machine_ / name) << "";
  }
  DpdkAccess access() const { return dpdk_access(kAddress, machine_.path()); }

  const test::TemporaryDirectory machine_;
};

TEST_F(DpdkAccessTest, KernelsDriverIsToBeReplaced) {
  link("driver", "bus/pci/drivers/ixgbe");
  EXPECT_EQ(access().problem, "it is the kernel's (ixgbe): dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0");
  EXPECT_FALSE(access().is_fatal) << "DPDK may know how to share it";
}

TEST_F(DpdkAccessTest, FilesOfVfioMustBeSeen) {
  link("driver", "bus/pci/drivers/vfio-pci");
  EXPECT_THAT(access().problem, HasSubstr("no IOMMU group"));
  link("iommu_group", "kernel/iommu_groups/42");
  EXPECT_THAT(access().problem, HasSubstr("/dev/vfio/vfio is not there"));
  EXPECT_THAT(access().problem, HasSubstr("drop-in"));
  EXPECT_TRUE(access().is_fatal);
  file("dev/vfio/vfio");
  EXPECT_THAT(access().problem, HasSubstr("/dev/vfio/42 is not there"));
  file("dev/vfio/42");
  EXPECT_FALSE(access().is_fatal) << access().problem;
}

TEST_F(DpdkAccessTest, BifurcatedDriverNeedsVerbs) {
  link("driver", "bus/pci/drivers/mlx5_core");
  EXPECT_THAT(access().problem, HasSubstr("/dev/infiniband is not there"));
  file("dev/infiniband/uverbs0");
  EXPECT_EQ(access().problem, "");
}

TEST_F(DpdkAccessTest, CapabilitiesOfVirtualDevicesAreNamed) {
  EXPECT_EQ(virtual_device_access("net_null0").problem, "");
  if (::geteuid() == 0) GTEST_SKIP() << "root has them";
  EXPECT_THAT(virtual_device_access("net_af_packet0,iface=eth1").problem, HasSubstr("net_af_packet needs CAP_NET_RAW"));
}

}  // namespace
}  // namespace parallax
