// Any RPC by its path, with bytes for a request: also those that no stub would call. Waits for the answer.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace parallax::test {

struct GenericAnswer {
  grpc::Status status;
  std::string bytes;  // of all messages
};

// Ends the call after the first message, or after `patience`.
inline GenericAnswer call_once(const std::shared_ptr<grpc::Channel>& channel, const std::string& path, const std::string& request,
                               std::chrono::milliseconds patience = std::chrono::seconds(20)) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + patience);
  grpc::CompletionQueue queue;
  GenericAnswer answer;
  const auto done = [&] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  const auto call = stub.PrepareCall(&context, path, &queue);
  call->StartCall(nullptr);
  if (done()) {
    const grpc::Slice slice(request);
    call->WriteLast(grpc::ByteBuffer(&slice, 1), {}, nullptr);
    done();
  }
  grpc::ByteBuffer message;
  call->Read(&message, nullptr);
  if (done()) {
    std::vector<grpc::Slice> slices;
    if (message.Dump(&slices).ok()) {
      for (const grpc::Slice& slice : slices) answer.bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
    // Of a unary call the status follows by itself; a stream would go on.
    call->Read(&message, nullptr);
    context.TryCancel();
    done();
  }
  call->Finish(&answer.status, nullptr);
  done();
  queue.Shutdown();
  while (done()) {
  }
  return answer;
}

}  // namespace parallax::test
