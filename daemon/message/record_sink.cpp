#include "daemon/message/record_sink.h"

#include "daemon/message/json.h"

namespace parallax {

void JsonLines::add(const v1::Record& record) {
  line_.clear();
  append_json(record, line_);
  line_ += '\n';
  std::fwrite(line_.data(), 1, line_.size(), out_);  // whether all went well is asked once at the end, of `out`
}

}  // namespace parallax
