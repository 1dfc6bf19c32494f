#include "analysis/detect/fate_place.h"

#include "analysis/model/sensor_view.h"

namespace parallax {

const LegState& absent_leg(const Connection& connection, const Crossing& crossing, const FateEvent& event) {
  return connection.legs[event.entered == (event.packet.from == Side::client) ? crossing.server_leg : crossing.client_leg];
}

PortDirection absent_ports(const Connection& connection, const FateEvent& event) {
  if (event.packet.point == event.absent_at) return PortDirection::both;
  return port_direction(connection.direction_of(event.packet.from));
}

std::pair<DeviceIndex, Direction> counted_at(const FateEvent& event) {
  const DeviceIndex device = device_between(event.packet.point, event.absent_at);
  const bool is_inward = is_hairpin(device) ? event.packet.from == Side::client : event.packet.point < event.absent_at;
  return {device, is_inward ? Direction::toward_inside : Direction::toward_outside};
}

}  // namespace parallax
