#include "daemon/run/syscall_filter.h"

#include <fmt/format.h>
#include <sched.h>
#include <seccomp.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace parallax {
namespace {

constexpr const char* kRefused[] = {
#define X(name) #name,
#include "daemon/run/refused_syscalls.def"
#undef X
};

constexpr uint32_t kRefuse = SCMP_ACT_ERRNO(EPERM);

struct Release {
  void operator()(void* filter) const { ::seccomp_release(filter); }
};

// Zero, or minus the error's number, as libseccomp has it.
int add_rules(scmp_filter_ctx filter) {
  for (const char* const name : kRefused) {
    const int number = ::seccomp_syscall_resolve_name(name);
    if (number < 0) continue;  // not of this machine's instruction set
    if (const int result = ::seccomp_rule_add(filter, kRefuse, number, 0); result != 0) return result;
  }
  // The flags of clone3() are behind a pointer, which a filter does not follow: glibc takes clone() where the kernel has none.
  if (const int result = ::seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0); result != 0) return result;
  return ::seccomp_rule_add(filter, kRefuse, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
}

int load(scmp_filter_ctx filter) {
  const std::pair<scmp_filter_attr, uint32_t> attributes[] = {
      {SCMP_FLTATR_CTL_TSYNC, 1},          // also the threads that run already
      {SCMP_FLTATR_CTL_OPTIMIZE, 2},       // a search tree
      {SCMP_FLTATR_ACT_BADARCH, kRefuse},  // 32-bit calls
      {SCMP_FLTATR_API_SYSRAWRC, 1},       // the kernel's own error
  };
  for (const auto& [attribute, value] : attributes) {
    if (const int result = ::seccomp_attr_set(filter, attribute, value); result != 0) return result;
  }
  if (const int result = add_rules(filter); result != 0) return result;
  return ::seccomp_load(filter);
}

}  // namespace

std::string refuse_syscalls() {
  const std::unique_ptr<void, Release> filter(::seccomp_init(SCMP_ACT_ALLOW));
  const int result = filter != nullptr ? load(filter.get()) : -ENOMEM;
  if (result == 0) return {};
  return fmt::format("the filter of system calls (seccomp) is not taken: {}", std::strerror(-result));
}

}  // namespace parallax
