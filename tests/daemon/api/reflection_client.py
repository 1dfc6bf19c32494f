"""Asks the API as a stranger would: what services there are, by reflection; then health and status, with what it learned.

Needs nothing but grpcio and protobuf. The reflection and health messages are built here from their published definitions.
"""
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

TYPE = descriptor_pb2.FieldDescriptorProto


def message(file, name, *fields):
    made = file.message_type.add(name=name)
    for field, number, kind, repeated, of in fields:
        added = made.field.add(name=field, number=number, type=kind,
                               label=TYPE.LABEL_REPEATED if repeated else TYPE.LABEL_OPTIONAL)
        if of:
            added.type_name = of


def own_pool():
    """The parts of grpc/reflection/v1alpha/reflection.proto and grpc/health/v1/health.proto that are asked."""
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(name="own.proto", package="own", syntax="proto3")
    message(file, "ReflectionRequest", ("file_containing_symbol", 4, TYPE.TYPE_STRING, False, ""),
            ("list_services", 7, TYPE.TYPE_STRING, False, ""))
    message(file, "Files", ("file_descriptor_proto", 1, TYPE.TYPE_BYTES, True, ""))
    message(file, "Service", ("name", 1, TYPE.TYPE_STRING, False, ""))
    message(file, "Services", ("service", 1, TYPE.TYPE_MESSAGE, True, ".own.Service"))
    message(file, "ReflectionResponse", ("file_descriptor_response", 4, TYPE.TYPE_MESSAGE, False, ".own.Files"),
            ("list_services_response", 6, TYPE.TYPE_MESSAGE, False, ".own.Services"))
    message(file, "HealthRequest", ("service", 1, TYPE.TYPE_STRING, False, ""))
    message(file, "HealthResponse", ("status", 1, TYPE.TYPE_INT32, False, ""))
    pool.Add(file)
    return pool


def classes(pool):
    factory = message_factory.MessageFactory(pool)
    return lambda name: factory.GetPrototype(pool.FindMessageTypeByName(name))


def main(target):
    channel = grpc.insecure_channel(target)
    own = classes(own_pool())
    reflect = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                                    request_serializer=own("own.ReflectionRequest").SerializeToString,
                                    response_deserializer=own("own.ReflectionResponse").FromString)

    def ask(**request):
        return next(iter(reflect(iter([own("own.ReflectionRequest")(**request)]), timeout=10)))

    services = ask(list_services="*").list_services_response.service
    print("services:", " ".join(sorted(service.name for service in services)))

    pool = descriptor_pool.DescriptorPool()
    files = {}
    for data in ask(file_containing_symbol="parallax.v1.Sensor").file_descriptor_response.file_descriptor_proto:
        file = descriptor_pb2.FileDescriptorProto.FromString(data)
        files[file.name] = file

    def add(name):
        for needed in files[name].dependency:
            if needed in files:
                add(needed)
        if name in files:
            pool.Add(files.pop(name))

    for name in list(files):
        if name in files:
            add(name)
    service = pool.FindServiceByName("parallax.v1.Sensor")
    print("methods:", " ".join(method.name for method in service.methods))

    check = channel.unary_unary("/grpc.health.v1.Health/Check", request_serializer=own("own.HealthRequest").SerializeToString,
                                response_deserializer=own("own.HealthResponse").FromString)
    health = check(own("own.HealthRequest")(service="parallax.v1.Sensor"), timeout=10).status
    print("health:", "SERVING" if health == 1 else health)

    learned = classes(pool)
    status = channel.unary_unary("/parallax.v1.Sensor/GetStatus",
                                 request_serializer=learned("parallax.v1.GetStatusRequest").SerializeToString,
                                 response_deserializer=learned("parallax.v1.Status").FromString)
    answer = status(learned("parallax.v1.GetStatusRequest")(), timeout=10)
    print(f"status: {answer.sensor}, {len(answer.ports)} ports")


if __name__ == "__main__":
    main(sys.argv[1])
