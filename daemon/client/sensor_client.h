// The daemon as `parallax` sees it: one method for each thing that a command asks. Hides gRPC from the commands.
//
// One thread, but for cancel(). Lists are paged through to their end.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "parallax/v1/sensor.pb.h"

namespace parallax {

struct ClientOptions {
  std::string target = "unix:/run/parallax/grpc.sock";
  std::string tls_ca, tls_cert, tls_key;           // files; all three or none
  std::chrono::milliseconds call_timeout{20'000};  // of each call but streams
};

struct ClientOutcome {
  int exit_code = 0;  // of the contract: 1 the work failed, 2 wrong usage (also a bad filter)
  std::string error;  // for a person; empty where 0
};

class SensorClient {
 public:
  // Nullptr: `outcome` says why. Does not connect yet.
  static std::unique_ptr<SensorClient> make(const ClientOptions& options, ClientOutcome& outcome);
  ~SensorClient();

  ClientOutcome status(v1::Status& status);
  ClientOutcome findings(v1::ListFindingsRequest request, const std::function<void(const v1::Finding&)>& each);
  // Until the daemon ends it.
  ClientOutcome watch_findings(const v1::WatchFindingsRequest& request, const std::function<void(const v1::Finding&)>& each);
  ClientOutcome connections(v1::ListConnectionsRequest request, const std::function<void(const v1::Connection&)>& each);
  ClientOutcome devices(v1::ListDevicesRequest request, const std::function<void(const v1::Device&)>& each);
  // `sink` returns false to stop. `summary` is there once the slice is whole.
  ClientOutcome slice(const v1::PullSliceRequest& request, const std::function<bool(const std::string&)>& sink,
                      std::optional<v1::SliceSummary>& summary);
  // Any thread: ends the slice or the question for the status that is under way, and those to come.
  void cancel();

 private:
  struct Impl;
  explicit SensorClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace parallax
