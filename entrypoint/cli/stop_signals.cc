#include "stop_signals.h"

#include <csignal>

namespace alig {
namespace {

volatile std::sig_atomic_t signal_count = 0;
volatile std::sig_atomic_t first_signal = SIGINT;

extern "C" void count_signal(int number) {
  if (signal_count == 0) first_signal = number;
  signal_count = signal_count + 1;
}

}  // namespace

void catch_stop_signals() {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action {};
    sigaction(number, nullptr, &action);
    // nohup, or a script's "command &", wants the run to go on.
    if (action.sa_handler == SIG_IGN) continue;
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

Interrupt received_interrupt() {
  if (signal_count == 0) return Interrupt::kNone;
  return signal_count == 1 ? Interrupt::kStop : Interrupt::kNow;
}

int interrupt_exit_code() { return 128 + static_cast<int>(first_signal); }

}  // namespace alig
