#include "tests/support/scenario_words.h"

#include <algorithm>
#include <utility>

namespace parallax::test {

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> words;
  for (size_t i = 0; i < line.size();) {
    if (line[i] == ' ') {
      ++i;
    } else if (line[i] == '#') {
      break;
    } else if (line[i] == '"') {
      const size_t end = line.find('"', i + 1);
      if (end == std::string::npos) throw Failure{"a quotation without its end"};
      words.push_back(line.substr(i + 1, end - i - 1));
      i = end + 1;
    } else {
      const size_t end = std::min(line.find(' ', i), line.size());
      words.push_back(line.substr(i, end - i));
      i = end;
    }
  }
  return words;
}

std::string unescaped(const std::string& text) {
  std::string bytes;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\' || at + 1 == text.size()) {
      bytes += text[at];
      continue;
    }
    const char escape = text[++at];
    if (escape == 'r' || escape == 'n') {
      bytes += escape == 'r' ? '\r' : '\n';
      continue;
    }
    if (escape != 'x' || at + 2 >= text.size()) throw Failure{"an escape is \\r, \\n or \\xHH"};
    const char byte = static_cast<char>(std::stoi(text.substr(at + 1, 2), nullptr, 16));
    at += 2;
    size_t times = 1;
    if (at + 1 < text.size() && text[at + 1] == '{') {
      const size_t end = text.find('}', at);
      if (end == std::string::npos) throw Failure{"\\xHH{N} without its }"};
      times = number<size_t>(text.substr(at + 2, end - at - 2));
      at = end;
    }
    bytes.append(times, byte);
  }
  return bytes;
}

}  // namespace parallax::test
