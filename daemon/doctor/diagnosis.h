// What an expert would say of one thing on the appliance, and the command that mends it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace parallax {

enum class Health : uint8_t {
  good,
  look,   // may be meant, or costs something
  wrong,  // packets are lost, joined or stamped wrongly, or the daemon does not start
};

struct Diagnosis {
  Health health;
  std::string subject;  // "span0 (eth2)"
  std::string finding;  // one sentence without a full stop
  std::string mend{};   // a command, or what to do; empty where nothing is to be done
};

struct Chapter {
  std::string title;
  std::vector<Diagnosis> diagnoses;

  void good(std::string subject, std::string finding) {
    diagnoses.push_back({Health::good, std::move(subject), std::move(finding)});
  }
  void look(std::string subject, std::string finding, std::string mend) {
    diagnoses.push_back({Health::look, std::move(subject), std::move(finding), std::move(mend)});
  }
  void wrong(std::string subject, std::string finding, std::string mend) {
    diagnoses.push_back({Health::wrong, std::move(subject), std::move(finding), std::move(mend)});
  }
};

}  // namespace parallax
