// Scenarios: TCP and correlation truth as text, run through the pipeline. The language is told in tests/scenarios/README.md.
//
// A file holds one behaviour in up to two variants: `fault` lines count only where the fault happens, `twin` lines only in the
// same traffic without it, all others in both.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/pipeline.h"

namespace parallax::test {

enum class Variant { fault, twin };
std::string_view name_of(Variant variant);

// One `expect` or `maybe` line: its words, with the aliases of endpoints resolved when it is checked.
struct Expectation {
  int line = 0;
  std::string text;
  bool required = true;            // `expect`; false: `maybe`
  std::vector<std::string> words;  // without the first
};

// An endpoint as each point sees it.
struct EndpointAlias {
  std::string name;
  std::vector<Endpoint> at;  // for each point
  bool beyond_last = false;  // beyond the last point of the path; else beyond the first
  uint8_t ttl = 64;          // at the nearest point
  bool zero_ip_id = false;

  Endpoint as_client_sees(const EndpointAlias& client) const { return client.beyond_last ? at.back() : at.front(); }
};

struct Scenario {
  std::string name;  // the file's, without folder and suffix
  Variant variant = Variant::fault;
  PipelineInput input;
  std::vector<EndpointAlias> endpoints;
  std::vector<Expectation> expectations;

  const EndpointAlias* endpoint(std::string_view alias) const;
  std::optional<PointIndex> point(std::string_view name) const;
};

struct ParsedScenario {
  std::optional<Scenario> scenario;  // empty: `error` says why, with file and line; or the file has no such variant
  std::string error;
};
ParsedScenario parse_scenario(const std::string& file, const std::string& text, Variant variant);

// What the output lacks or has too much; empty: all as expected.
std::vector<std::string> check(const Scenario& scenario, const PipelineOutput& output);

}  // namespace parallax::test
