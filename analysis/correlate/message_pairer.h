// Finds the leg whose message a proxy has passed on as this one: the same request, name or bytes, and as much later as this
// device takes.
//
// One thread. A proxy ends one TCP connection and opens another, so that no packet is the same on both sides; what passes is what
// the messages say. Many clients may say the same at about the same time: then it is the delays that tell them apart, by how
// often the device has been seen to take so long. The probability that it is that one and none else, nor a stranger's, is the
// confidence. A message that is not passed on within MessageIndex::kWindowNs is forgotten. Adding a method: a row in
// message_methods.cpp and its scenarios.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "analysis/connection/connection_store.h"
#include "analysis/correlate/message_index.h"
#include "analysis/correlate/passage_model.h"
#include "analysis/event/recognition.h"

namespace parallax {

struct MessageMethodRow {
  PairingMethod method;
  RecognitionKind kind;
  // How many messages a second that the device has not passed on, but that bear one key with a message that it has.
  double strangers_per_second;
  // What the message is found by; empty: nothing.
  std::vector<uint64_t> (*keys)(const LegState& leg, const RecognitionEvent& event);
  // Whether to look for it so: what names a client is looked for by that name alone.
  bool (*seeks)(const RecognitionEvent& event);
};
// Strongest first.
std::span<const MessageMethodRow> message_methods();
// A request with X-Forwarded-For or Forwarded.
bool names_client(const RecognitionEvent& event);

class MessagePairer {
 public:
  struct Match {
    uint64_t leg_id = 0;  // that has shown the message before; 0: none
    PairingMethod method = PairingMethod::none;
    double confidence = 0;
    uint32_t rivals = 0;
    bool keeps_packets =
        false;  // the same sequence number, of a datagram the same payload: it is the same packet, under other names
  };

  MessagePairer(const ConnectionStore& store, PassageModels& services) : store_(store), services_(services) {}

  // At which of the neighbouring points the message has been shown before, and by which leg; of its own connection, nothing. From
  // now on it can be found itself. REQUIRES: messages come in order of time.
  std::vector<Match> take(const LegState& leg, const RecognitionEvent& event, size_t points);

  uint64_t evicted() const { return index_.evicted(); }

 private:
  static bool may_come_from(const Connection& connection, const LegState& leg, const RecognitionEvent& event, PointIndex point);
  Match find(const LegState& leg, const RecognitionEvent& event, PointIndex point);
  DelayModel& delays_of(Side sender, const LegState& leg, const LegState& first);
  double strangers(const MessageMethodRow& row, uint64_t key, const LegState& leg, const RecognitionEvent& event) const;
  double weight(PairingMethod method, const RecognitionEvent& event, const MessageIndex::Message& shown, const LegState& leg,
                const LegState& first);

  const ConnectionStore& store_;
  MessageIndex index_;
  PassageModels& services_;
};

}  // namespace parallax
