// docs/findings.md is what the table of detectors says. `./dev docs` writes it anew (PARALLAX_UPDATE_DOCS=1).
#include "analysis/detect/findings_page.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "analysis/detect/detector.h"

namespace parallax {
namespace {

constexpr const char* kPage = PARALLAX_SOURCE_DIR "/docs/findings.md";

TEST(FindingsPage, IsMadeFromTheTable) {
  if (std::getenv("PARALLAX_UPDATE_DOCS") != nullptr) std::ofstream(kPage) << findings_page();
  std::ifstream in(kPage);
  std::ostringstream page;
  page << in.rdbuf();
  EXPECT_EQ(page.str(), findings_page()) << "run ./dev docs";
}

// No `{name}` is left over, and every threshold is listed with its kind.
TEST(FindingsPage, NamesEveryThreshold) {
  const std::string page = findings_page();
  EXPECT_EQ(page.find_first_of("{}"), std::string::npos);
#define SECONDS(name, ns) EXPECT_NE(page.find("`" #name "_seconds` ("), std::string::npos) << #name;
#define NUMBER(name, number) EXPECT_NE(page.find("`" #name "` ("), std::string::npos) << #name;
#include "analysis/model/thresholds.def"
#undef NUMBER
#undef SECONDS
}

TEST(Detectors, EveryRowIsComplete) {
  for (const Detector* detector : detectors()) {
    SCOPED_TRACE(name_of(detector->kind));
    EXPECT_EQ(detector_of(detector->kind), detector) << "two rows for one kind";
    EXPECT_TRUE(detector->look || detector->fate || detector->sum_up || detector->is_of_memory) << "nothing triggers it";
    EXPECT_EQ(detector->look != nullptr, detector->due_ns != nullptr);
    EXPECT_EQ(detector->fate != nullptr, detector->fate_type.has_value());
    EXPECT_NE(detector->sentence, nullptr);
    for (const std::string_view text : {detector->page.means, detector->page.needs, detector->page.errs, detector->page.next})
      EXPECT_TRUE(text.ends_with('.')) << text;
  }
}

}  // namespace
}  // namespace parallax
