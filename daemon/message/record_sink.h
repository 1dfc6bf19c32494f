// Where `parallax analyze` puts its results, record by record: JSON Lines for programs, or a report for people.
//
// One thread. Order: points, connections (those that are not kept until the input ends by their ends, the others by id), findings
// by id, devices, packets (if asked for), and the summary last.
#pragma once

#include <cstdio>
#include <memory>
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

// Lines that are known before those that come first, in a file without a name.
class HeldLines : public RecordSink {
 public:
  void add(const v1::Record& record) override;
  // Writes them where they belong. Empty: they are there; otherwise what went wrong with any of it.
  std::string write_to(FILE* out);

 private:
  struct Close {
    void operator()(FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<FILE, Close> file_;  // null: there were none
  std::string error_;
};

}  // namespace parallax
