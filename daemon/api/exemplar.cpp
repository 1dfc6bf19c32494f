#include "daemon/api/exemplar.h"

#include <string>
#include <utility>

#include "daemon/message/to_proto.h"

namespace parallax {

namespace client = io::prometheus::client;

client::Exemplar exemplar_of(uint64_t finding_id, double value, int64_t time_ns) {
  client::Exemplar exemplar;
  client::LabelPair& id = *exemplar.add_label();
  id.set_name("finding_id");
  id.set_value(std::to_string(finding_id));
  exemplar.set_value(value);
  *exemplar.mutable_timestamp() = to_timestamp(time_ns);
  return exemplar;
}

void attach(client::Exemplar exemplar, client::Histogram& histogram) {
  uint64_t before = 0;
  for (client::Bucket& bucket : *histogram.mutable_bucket()) {
    if (exemplar.value() <= bucket.upper_bound()) {
      if (bucket.cumulative_count() > before) *bucket.mutable_exemplar() = std::move(exemplar);
      return;
    }
    before = bucket.cumulative_count();
  }
}

}  // namespace parallax
