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
#include <utility>
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
  double least;  // confidence: below, legs stay unpaired, unless something else is found of them
  // What the message is found by; empty: nothing.
  std::vector<uint64_t> (*keys)(const LegState& leg, const RecognitionEvent& event);
  // Whether to look for it so: what names a client is looked for by that name alone.
  bool (*seeks)(const RecognitionEvent& event);
};
// Strongest first.
std::span<const MessageMethodRow> message_methods();
// A request with X-Forwarded-For or Forwarded.
bool names_client(const RecognitionEvent& event);
// Whom it names; the first few.
std::vector<Address> named_clients(const RecognitionEvent& event);

// What a request asks for, as a proxy leaves it; 0: it is none.
uint64_t asked_for(const RecognitionEvent& event);
// Whether the leg beyond is older than the client's: a proxy connects when it is connected to, and so had opened it for another,
// whether that is known or not.
bool is_opened_for_another(const LegState& client, const LegState& beyond);

class MessagePairer {
 public:
  struct Match {
    uint64_t leg_id = 0;          // that has shown the message before; 0: none
    uint64_t shown_again_by = 0;  // the leg that shows it now
    PairingMethod method = PairingMethod::none;
    double confidence = 0;
    uint32_t rivals = 0;
    bool keeps_packets =
        false;  // the same sequence number, of a datagram the same payload: it is the same packet, under other names
    Side from = Side::client;  // whose message it is
  };

  MessagePairer(const ConnectionStore& store, PassageModels& services)
      : store_(store), services_(services), held_(PassageModels::kServicesMax) {}

  // At which of the neighbouring points the message has been shown before, and by which leg; of its own connection, nothing.
  // Where it shows that the service's messages go on, also what was held back of it until now. From now on the message can be
  // found itself. REQUIRES: messages come in order of time.
  std::vector<Match> take(const LegState& leg, const RecognitionEvent& event, size_t points);

  // Between which legs the message of the last take() went, told or not: from the one that has shown it before.
  std::span<const std::pair<uint64_t, uint64_t>> passed_on() const { return passed_on_; }

  uint64_t evicted() const { return index_.evicted() + held_.evicted() + held_over_; }

 private:
  // Of a service, until it is seen that its messages go on: some 24 come before, where one in four does.
  static constexpr size_t kHeldMax = 32;
  static bool may_come_from(const Connection& connection, const LegState& leg, const RecognitionEvent& event, PointIndex point);
  Match find(const LegState& leg, const RecognitionEvent& event, PointIndex point);
  void tell(const Endpoint& service, const Match& match, std::vector<Match>& matches);
  bool is_taken(const Match& match) const;
  static bool is_shared(Side sender, const LegState& leg, const LegState& first);
  DelayModel& delays_of(Side sender, const LegState& leg, const LegState& first);
  double strangers(const MessageMethodRow& row, uint64_t key, const LegState& leg, const RecognitionEvent& event) const;
  double weight(PairingMethod method, const RecognitionEvent& event, const MessageIndex::Message& shown, const LegState& leg,
                const LegState& first);

  const ConnectionStore& store_;
  MessageIndex index_;
  PassageModels& services_;
  LruTable<Endpoint, std::vector<Match>, KeyedHashOf<Endpoint>> held_;  // by service
  uint64_t held_over_ = 0;
  std::vector<std::pair<uint64_t, uint64_t>> passed_on_;
};

}  // namespace parallax
