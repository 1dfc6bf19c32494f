// Where `parallax analyze` puts its results, record by record: JSON Lines for programs, or a report for people.
//
// One thread. Order: points, connections by id, findings by id, devices, packets (if asked for), and the summary last.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "parallax/v1/types.pb.h"

namespace parallax {

class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual void add(const v1::Record& record) = 0;
};

// To several at once.
class RecordSinks : public RecordSink {
 public:
  void join(RecordSink& sink) { sinks_.push_back(&sink); }
  void add(const v1::Record& record) override {
    for (RecordSink* sink : sinks_) sink->add(record);
  }

 private:
  std::vector<RecordSink*> sinks_;
};

// One JSON object a line, written at once: nothing is held.
class JsonLines : public RecordSink {
 public:
  explicit JsonLines(FILE* out) : out_(out) {}
  void add(const v1::Record& record) override;

 private:
  FILE* out_;
  std::string line_;
};

}  // namespace parallax
