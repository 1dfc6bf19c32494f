#include "daemon/background/background.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <exception>
#include <system_error>
#include <thread>

#include "daemon/background/signals_blocked.h"

namespace parallax {

void go_to_background(int nice) {
  const sched_param ordinary{};
  pthread_setschedparam(pthread_self(), SCHED_OTHER, &ordinary);
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), nice);
}

bool run_in_background(int nice, const std::function<void()>& work) {
  std::exception_ptr failure;
  std::thread thread;
  try {
    const SignalsBlocked blocked;
    thread = std::thread([&] {
      pthread_setname_np(pthread_self(), "slice");
      go_to_background(nice);
      try {
        work();
      } catch (...) {
        failure = std::current_exception();
      }
    });
  } catch (const std::system_error&) {
    return false;
  }
  thread.join();
  if (failure) std::rethrow_exception(failure);
  return true;
}

}  // namespace parallax
