// SIGINT, SIGTERM and the end of the parent process as a question that the run asks now and then;
// signals that would end a run for a matter of one file or pipe are ignored.
#pragma once

#include "auto_label_image_grounding/base/log.h"
#include "auto_label_image_grounding/run/pipeline.h"

namespace alig {

// Installs handlers; call once, from the main thread.
void catch_stop_signals();

// kStop after the first signal, kNow after the second. The parent's end counts as a first signal,
// and says so to `logger`, where no signal came with it; under nohup it counts for nothing. One
// thread.
Interrupt received_interrupt(Logger& logger);

// 128 + the number of the first signal (130, 143), as shells report it; 143 for the parent's end.
int interrupt_exit_code();

}  // namespace alig
