// SIGINT and SIGTERM as a question that the run asks now and then; signals that would end a run for
// a matter of one file or pipe are ignored.
#pragma once

#include "auto_label_image_grounding/run/pipeline.h"

namespace alig {

// Installs handlers; call once, from the main thread.
void catch_stop_signals();

// kStop after the first signal, kNow after the second.
Interrupt received_interrupt();

// 128 + the number of the first signal (130, 143), as shells report it.
int interrupt_exit_code();

}  // namespace alig
