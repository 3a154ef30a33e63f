#include "auto_label_image_grounding/http/io_thread.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

namespace alig {
namespace {

constexpr rlim_t kFilesPerConnection = 2;
constexpr rlim_t kFilesForTheRest = 128;

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

int raise_file_limit(int max_connections) {
  const int connections = std::max(max_connections, 1);
  const rlim_t wanted = static_cast<rlim_t>(connections) * kFilesPerConnection + kFilesForTheRest;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return connections;
  const rlim_t before = std::exchange(limit.rlim_cur, std::min(wanted, limit.rlim_max));
  const rlim_t granted = setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
  if (granted >= wanted) return connections;
  const rlim_t for_sockets = granted > kFilesForTheRest ? granted - kFilesForTheRest : 0;
  return std::max(static_cast<int>(for_sockets / kFilesPerConnection), 1);
}

}  // namespace alig
