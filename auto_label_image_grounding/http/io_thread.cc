#include "auto_label_image_grounding/http/io_thread.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

namespace alig {
namespace {

constexpr int kFilesForTheRest = 128;

// Restores the calling thread's signal mask at the end of a scope.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

std::thread start_without_signals(std::function<void()> body) {
  const SignalsBlocked blocked;  // a new thread inherits the mask
  return std::thread(std::move(body));
}

void raise_file_limit(int max_connections) {
  const rlim_t wanted = static_cast<rlim_t>(std::max(max_connections, 1)) * 2 + kFilesForTheRest;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace alig
