#include "daemon/api/reflection.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <set>
#include <string>

namespace parallax {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;

constexpr const char* kServices[] = {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection", "parallax.v1.Sensor"};

// The file, and all that it needs.
void add_files(const FileDescriptor& file, std::set<std::string>& added, Reflection::Response& answer) {
  if (!added.insert(file.name()).second) return;
  google::protobuf::FileDescriptorProto message;
  file.CopyTo(&message);
  answer.mutable_file_descriptor_response()->add_file_descriptor_proto(message.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) add_files(*file.dependency(i), added, answer);
}

void add_file(const FileDescriptor* file, const std::string& what, Reflection::Response& answer) {
  if (file == nullptr) {
    answer.mutable_error_response()->set_error_code(grpc::StatusCode::NOT_FOUND);
    answer.mutable_error_response()->set_error_message(what + ": there is none");
    return;
  }
  std::set<std::string> added;
  add_files(*file, added, answer);
}

}  // namespace

Reflection::Response Reflection::answer(const Request& request) {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  Response answer;
  answer.set_valid_host(request.host());
  *answer.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case Request::kListServices:
      for (const char* const name : kServices) answer.mutable_list_services_response()->add_service()->set_name(name);
      break;
    case Request::kFileByFilename:
      add_file(pool.FindFileByName(request.file_by_filename()), "file", answer);
      break;
    case Request::kFileContainingSymbol:
      add_file(pool.FindFileContainingSymbol(request.file_containing_symbol()), "symbol", answer);
      break;
    case Request::kFileContainingExtension: {
      const auto& wanted = request.file_containing_extension();
      const auto* type = pool.FindMessageTypeByName(wanted.containing_type());
      const auto* extension = type == nullptr ? nullptr : pool.FindExtensionByNumber(type, wanted.extension_number());
      add_file(extension == nullptr ? nullptr : extension->file(), "extension", answer);
      break;
    }
    case Request::kAllExtensionNumbersOfType: {
      const auto* type = pool.FindMessageTypeByName(request.all_extension_numbers_of_type());
      if (type == nullptr) {
        add_file(nullptr, "type", answer);
        break;
      }
      auto& numbers = *answer.mutable_all_extension_numbers_response();
      numbers.set_base_type_name(request.all_extension_numbers_of_type());
      std::vector<const google::protobuf::FieldDescriptor*> extensions;
      pool.FindAllExtensions(type, &extensions);
      for (const auto* extension : extensions) numbers.add_extension_number(extension->number());
      break;
    }
    case Request::MESSAGE_REQUEST_NOT_SET:
      answer.mutable_error_response()->set_error_code(grpc::StatusCode::INVALID_ARGUMENT);
      answer.mutable_error_response()->set_error_message("the request asks for nothing that is known here");
      break;
  }
  return answer;
}

grpc::Status Reflection::ServerReflectionInfo(grpc::ServerContext* context, grpc::ServerReaderWriter<Response, Request>* stream) {
  return bounds_.watch(*context, [&] {
    for (Request request; stream->Read(&request);) {
      if (!stream->Write(answer(request))) return grpc::Status::CANCELLED;
    }
    return grpc::Status::OK;
  });
}

}  // namespace parallax
