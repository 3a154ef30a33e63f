// How a run communicates with its caller.
#pragma once

#include <cstdint>
#include <functional>

#include "auto_label_image_grounding/base/log.h"
#include "auto_label_image_grounding/base/status.h"

namespace alig {

struct Progress {
  std::int64_t records = 0;  // to do and done
  std::int64_t finished = 0;
  std::int64_t failed = 0;
  std::int64_t requests = 0;
  std::int64_t in_flight = 0;
};

enum class Interrupt {
  kNone,
  kStop,  // no new requests; what is in flight may finish for up to 10 s
  kNow,
};

struct RunHooks {
  Logger* logger = nullptr;  // required; not owned
  // Both are called on the thread that called run_pipeline(), at most about ten times a second.
  std::function<void(const Progress&)> on_progress;
  std::function<Interrupt()> interrupt;
};

// kInterrupted if the hooks ask for it: for work before the first request.
inline Status check_interrupt(const RunHooks& hooks) {
  if (!hooks.interrupt || hooks.interrupt() == Interrupt::kNone) return {};
  return fail(ErrorKind::kInterrupted, "interrupted before the first request: run again to go on");
}

}  // namespace alig
