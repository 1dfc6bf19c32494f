// Feeds port channels from packet sources, as an rx worker does for files: the source that is furthest behind goes first,
// nothing is dropped, what does not fit a ring waits. One thread.
#pragma once

#include <memory>
#include <vector>

#include "capture/packet_source.h"
#include "capture/pollable.h"
#include "capture/port.h"

namespace parallax::test {

class Feeder : public Pollable {
 public:
  Feeder(std::vector<PortChannel*> channels, std::vector<std::unique_ptr<PacketSource>> sources);
  bool poll() override;
  bool finished() const override;

 private:
  struct Port {
    PortChannel* channel;
    std::unique_ptr<PacketSource> source;
    std::vector<Sighting> waiting;  // decoded, not yet in a ring
    size_t next = 0;                // into `waiting`
    bool ended = false;
  };
  bool push_waiting(Port& port);
  void read_burst(Port& port, PortIndex index);

  std::vector<Port> ports_;
};

}  // namespace parallax::test
