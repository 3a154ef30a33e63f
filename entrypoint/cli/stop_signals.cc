#include "stop_signals.h"

#include <unistd.h>

#include <csignal>
#include <utility>

namespace alig {
namespace {

volatile std::sig_atomic_t signal_count = 0;
volatile std::sig_atomic_t first_signal = SIGINT;

// Recorded before main(): it may end while the spec is read. Process 1 as a parent never changes.
const pid_t parent_at_start = getppid();
bool outlives_parent = false;
bool stopped_by_parent = false;

extern "C" void count_signal(int number) {
  if (signal_count == 0) first_signal = number;
  signal_count = signal_count + 1;
}

// From the second look on. Ctrl-C reaches the parent too, and a service's stop its whole group: a
// signal that comes with the parent's end has arrived by then, and is not to count twice.
bool parent_has_ended() {
  static bool seen = false;
  if (outlives_parent || getppid() == parent_at_start) return false;
  return std::exchange(seen, true);
}

}  // namespace

void catch_stop_signals() {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action {};
    sigaction(number, nullptr, &action);
    // nohup, or a script's "command &", wants the run to go on.
    if (action.sa_handler == SIG_IGN) {
      outlives_parent = outlives_parent || number == SIGHUP;
      continue;
    }
    action = {};
    action.sa_handler = count_signal;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    sigaction(number, &action, nullptr);
  }
  // A reader that went away (| head) is no reason to lose the run.
  std::signal(SIGPIPE, SIG_IGN);
  // A limit on file sizes (ulimit -f) becomes an error that names the file, as a full disk does.
  std::signal(SIGXFSZ, SIG_IGN);
}

Interrupt received_interrupt(Logger& logger) {
  if (signal_count == 0 && !stopped_by_parent && parent_has_ended()) {
    stopped_by_parent = true;
    logger.warning(
        "the process that started this run has ended; start it with nohup to let it go on");
  }
  const int stops = signal_count + (stopped_by_parent ? 1 : 0);
  if (stops == 0) return Interrupt::kNone;
  return stops == 1 ? Interrupt::kStop : Interrupt::kNow;
}

int interrupt_exit_code() {
  return 128 + (stopped_by_parent ? SIGTERM : static_cast<int>(first_signal));
}

}  // namespace alig
