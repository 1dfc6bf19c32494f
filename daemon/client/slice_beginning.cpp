#include "daemon/client/slice_beginning.h"

#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

namespace parallax {

Result<v1::SliceResume> beginning_of(const std::string& path) {
  constexpr size_t kAtOnce = 1 << 20;
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{path + " cannot be read: " + std::strerror(errno)};
  std::vector<char> bytes(kAtOnce);
  v1::SliceResume has;
  uLong sum = crc32_z(0, nullptr, 0);
  while (file.read(bytes.data(), static_cast<std::streamsize>(bytes.size())), file.gcount() > 0) {
    const auto count = static_cast<size_t>(file.gcount());
    sum = crc32_z(sum, reinterpret_cast<const Bytef*>(bytes.data()), count);
    has.set_bytes(has.bytes() + count);
  }
  if (file.bad()) return Error{path + " cannot be read: " + std::strerror(errno)};
  if (has.bytes() > 0) has.set_crc32(static_cast<uint32_t>(sum));
  return has;
}

}  // namespace parallax
