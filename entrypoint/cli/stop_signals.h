// SIGINT, SIGTERM and the end of the parent process as a state that the run polls; signals that
// would end a run because of a single file or pipe are ignored.
#pragma once

#include "auto_label_image_grounding/base/log.h"
#include "auto_label_image_grounding/run/pipeline.h"

namespace alig {

// Installs handlers; call once, from the main thread.
void catch_stop_signals();

// kStop after the first signal, kNow after the second. The parent's end counts as a first signal,
// and is logged to `logger` if no signal came with it; it is ignored under nohup. One thread.
Interrupt received_interrupt(Logger& logger);

// 128 + the number of the first signal (130, 143), as shells report it; 143 for the parent's end.
int interrupt_exit_code();

}  // namespace alig
