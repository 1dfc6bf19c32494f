// The list of named sensors: what its lines say, and that a bad one costs only itself.
#include "daemon/client/sensor_list.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/child_process.h"

namespace parallax {
namespace {

TEST(SensorList, NamesAddressesAndCertificates) {
  const test::TemporaryDirectory directory;
  std::ofstream(directory / "sensors") << "# ours\n\nedge-1 unix:/run/parallax/grpc.sock  # here\n"
                                       << "edge_2\t192.0.2.9:9465 ca.pem /etc/client.pem keys/client.key\n";
  const SensorList list = read_sensor_list(directory / "sensors");
  EXPECT_TRUE(list.errors.empty());
  ASSERT_EQ(list.sensors.size(), 2u);
  EXPECT_EQ(list.sensors[0].name, "edge-1");
  EXPECT_EQ(list.sensors[0].client.target, "unix:/run/parallax/grpc.sock");
  EXPECT_EQ(list.sensors[0].client.tls_ca, "");
  EXPECT_EQ(list.sensors[1].client.target, "192.0.2.9:9465");
  EXPECT_EQ(list.sensors[1].client.tls_ca, directory / "ca.pem");
  EXPECT_EQ(list.sensors[1].client.tls_cert, "/etc/client.pem");
  EXPECT_EQ(list.sensors[1].client.tls_key, directory / "keys/client.key");
}

TEST(SensorList, BadLinesAreToldWithTheirPlaceAndLeftOut) {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "sensors";
  std::ofstream(path) << "edge\nedge/1 unix:/x\nedge unix:/x ca.pem\nedge unix:/x\nedge unix:/y\n";
  const SensorList list = read_sensor_list(path);
  ASSERT_EQ(list.sensors.size(), 1u);
  EXPECT_EQ(list.sensors[0].client.target, "unix:/x");
  const std::string form = "want NAME ADDRESS, or NAME ADDRESS CA CERTIFICATE KEY";
  EXPECT_EQ(list.errors,
            (std::vector<std::string>{path + ":1: " + form, path + ":2: \"edge/1\" is no name: want letters, digits, '-' and '_'",
                                      path + ":3: " + form, path + ":5: a second sensor named edge"}));
}

TEST(SensorList, NoFileIsNoSensor) {
  const SensorList list = read_sensor_list("/nonexistent/sensors");
  EXPECT_TRUE(list.sensors.empty() && list.errors.empty());
}

}  // namespace
}  // namespace parallax
