// A libFuzzer program: hands its inputs to the target that the build names.
#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  parallax::fuzz::PARALLAX_FUZZ_TARGET(data, size);
  return 0;
}
