// The thresholds of the configuration and those of the analysis are the same, one by one, with the same defaults.
#include "daemon/run/detector_settings.h"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "config/defaults.h"

namespace parallax {
namespace {

using google::protobuf::FieldDescriptor;

// By the name of the setting.
std::map<std::string, int64_t> values_of(const Thresholds& thresholds) {
  return {
#define SECONDS(name, ns) {#name "_seconds", thresholds.name##_ns},
#define NUMBER(name, number) {#name, thresholds.name},
#include "analysis/model/thresholds.def"
#undef NUMBER
#undef SECONDS
  };
}

TEST(DetectorSettings, DefaultsAreThoseOfTheAnalysis) {
  EXPECT_EQ(values_of(detector_settings(default_config())->thresholds), values_of(Thresholds{}));
}

TEST(DetectorSettings, EachFieldIsOneThreshold) {
  const auto defaults = values_of(Thresholds{});
  const auto& type = *v1::ThresholdsConfig::descriptor();
  EXPECT_EQ(static_cast<size_t>(type.field_count()), defaults.size());
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    SCOPED_TRACE(field.name());
    v1::Config config = default_config();
    auto expected = defaults;
    ASSERT_TRUE(expected.contains(field.name()));
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE) {
      v1::ThresholdsConfig::GetReflection()->SetDouble(config.mutable_thresholds(), &field, 123.456789);
      expected[field.name()] = 123'456'789'000;
    } else {
      v1::ThresholdsConfig::GetReflection()->SetUInt32(config.mutable_thresholds(), &field, 123);
      expected[field.name()] = 123;
    }
    EXPECT_EQ(values_of(detector_settings(config)->thresholds), expected);
  }
}

TEST(DetectorSettings, KindsAndSeveritiesKeepTheirNames) {
  v1::Config config = default_config();
  config.mutable_detectors()->add_off(v1::FINDING_KIND_ARP_BURST);
  auto& one = *config.mutable_detectors()->add_severities();
  one.set_kind(v1::FINDING_KIND_SLOW_SERVER);
  one.set_severity(v1::SEVERITY_CRITICAL);
  const auto settings = detector_settings(config);
  for (int i = 0; i < kFindingKindCount; ++i) {
    const auto kind = static_cast<FindingKind>(i);
    EXPECT_EQ(settings->off.contains(kind), kind == FindingKind::arp_burst) << name_of(kind);
  }
  EXPECT_EQ(settings->severities, (std::map<FindingKind, Severity>{{FindingKind::slow_server, Severity::critical}}));
}

}  // namespace
}  // namespace parallax
