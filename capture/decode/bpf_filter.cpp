#include "capture/decode/bpf_filter.h"

#include <pcap/pcap.h>

#include <chrono>
#include <mutex>
#include <vector>

namespace parallax {

struct BpfFilter::Program {
  std::vector<bpf_insn> instructions;
};

namespace {

constexpr auto kPositionTime = std::chrono::milliseconds(500);

// libpcap's own numbers (DLT_) are those of files (LINKTYPE_) but for raw IP.
int libpcap_link_type(LinkType link_type) { return link_type == LinkType::raw_ip ? DLT_RAW : static_cast<int>(link_type); }

struct Compiled {
  bool ok = false;
  std::string error;
  std::vector<bpf_insn> instructions;
};

Compiled compile_with_libpcap(const std::string& expression, LinkType link_type, uint32_t snaplen, bool optimize = false) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  Compiled compiled;
  const std::unique_ptr<pcap_t, void (*)(pcap_t*)> pcap(pcap_open_dead(libpcap_link_type(link_type), static_cast<int>(snaplen)),
                                                        pcap_close);
  if (!pcap) {
    compiled.error = "out of memory";
    return compiled;
  }
  bpf_program program{};
  if (pcap_compile(pcap.get(), &program, expression.c_str(), optimize ? 1 : 0, PCAP_NETMASK_UNKNOWN) != 0) {
    compiled.error = pcap_geterr(pcap.get());
    return compiled;
  }
  compiled.ok = true;
  compiled.instructions.assign(program.bf_insns, program.bf_insns + program.bf_len);
  pcap_freecode(&program);
  return compiled;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Where words and operators of the expression begin. Coarse: "a[0:2]" is one word.
std::vector<size_t> word_starts(std::string_view expression) {
  std::vector<size_t> starts;
  bool in_word = false;
  for (size_t i = 0; i < expression.size(); ++i) {
    const char c = expression[i];
    const bool alone = c == '(' || c == ')' || c == '!';
    if (alone || (!is_space(c) && !in_word)) starts.push_back(i);
    in_word = !alone && !is_space(c);
  }
  return starts;
}

// Whether what begins so can still become an expression: some ending makes it one. Nullopt: there was no time to find out.
std::optional<bool> can_continue(const std::string& beginning, LinkType link_type,
                                 std::chrono::steady_clock::time_point deadline) {
  int open = 0;
  for (const char c : beginning) open += c == '(' ? 1 : c == ')' ? -1 : 0;
  if (open < 0) return false;
  const std::string close(static_cast<size_t>(open), ')');
  for (const char* ending : {"", " 1", " 192.0.2.1", " 192.0.2.0/24", " 1-2", " ip", " tcp", " host 192.0.2.1", " = 1", " 1 = 1",
                             " 02:00:00:00:00:01"}) {
    if (std::chrono::steady_clock::now() > deadline) return std::nullopt;
    if (compile_with_libpcap(beginning + ending + close, link_type, BpfFilter::kSnaplenDefault).ok) return true;
  }
  return false;
}

// libpcap names the word that it does not know: "unknown host 'foo'".
std::optional<size_t> position_of_quoted_word(std::string_view expression, std::string_view error) {
  const size_t from = error.find('\''), to = error.rfind('\'');
  if (from == std::string_view::npos || to <= from + 1) return std::nullopt;
  const size_t position = expression.find(error.substr(from + 1, to - from - 1));
  if (position == std::string_view::npos) return std::nullopt;
  return position;
}

}  // namespace

BpfFilter::BpfFilter(std::shared_ptr<const Program> program, LinkType link_type)
    : program_(std::move(program)), link_type_(link_type) {}

Result<BpfFilter> BpfFilter::compile(std::string_view expression, LinkType link_type, uint32_t snaplen) {
  if (expression.size() > kExpressionBytesMax) {
    return Error{"filter of " + std::to_string(expression.size()) + " bytes: at most " + std::to_string(kExpressionBytesMax) +
                 " are read, and it goes on at position " + std::to_string(kExpressionBytesMax)};
  }
  if (const size_t zero = expression.find('\0'); zero != std::string_view::npos) {
    return Error{"filter has a zero byte at position " + std::to_string(zero)};
  }
  Compiled compiled = compile_with_libpcap(std::string(expression), link_type, snaplen, expression.size() <= kOptimizedBytesMax);
  if (!compiled.ok) {
    const std::optional<size_t> position = error_position(expression, link_type);
    const std::string where = position ? " at position " + std::to_string(*position) : "";
    return Error{"filter '" + std::string(expression) + "': " + compiled.error + where};
  }
  return BpfFilter(std::make_shared<Program>(Program{std::move(compiled.instructions)}), link_type);
}

std::optional<size_t> BpfFilter::error_position(std::string_view expression, LinkType link_type) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point deadline = Clock::now() + kPositionTime;
  const Compiled whole = compile_with_libpcap(std::string(expression), link_type, kSnaplenDefault);
  if (whole.ok) return std::nullopt;
  if (const auto position = position_of_quoted_word(expression, whole.error)) return position;
  const std::vector<size_t> starts = word_starts(expression);
  if (starts.empty()) return std::nullopt;
  // The longest beginning of whole words that can continue: what follows it is wrong. Any shorter one can, too.
  size_t good = 0, bad = starts.size() + 1;
  while (bad - good > 1) {
    const size_t words = (good + bad) / 2;
    const size_t end = words < starts.size() ? starts[words] : expression.size();
    const auto answer = can_continue(std::string(expression.substr(0, end)), link_type, deadline);
    if (!answer) return std::nullopt;
    (*answer ? good : bad) = words;
  }
  return good < starts.size() ? starts[good] : expression.size();
}

bool BpfFilter::matches(const uint8_t* data, uint32_t captured_length, uint32_t wire_length) const {
  return bpf_filter(program_->instructions.data(), data, wire_length, captured_length) != 0;
}

}  // namespace parallax
