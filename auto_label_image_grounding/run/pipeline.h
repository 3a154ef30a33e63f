// The whole run: from a validated spec to the files in results_dir.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "auto_label_image_grounding/base/clock.h"
#include "auto_label_image_grounding/base/log.h"
#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/http/transport.h"
#include "auto_label_image_grounding/run/run_report.h"
#include "auto_label_image_grounding/spec/spec.h"

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
  // Both are called on the thread that called run_pipeline(), about ten times a second at most.
  std::function<void(const Progress&)> on_progress;
  std::function<Interrupt()> interrupt;
};

// kInterrupted where the hooks say so: for work before the first request.
Status check_interrupt(const RunHooks& hooks);

// What tests replace.
struct RunEnvironment {
  const Clock* clock = nullptr;              // nullptr: the system's
  std::unique_ptr<HttpTransport> transport;  // nullptr: curl
  unsigned pool_threads = 0;                 // 0: one per core
};

struct RunOutcome {
  RunReport report;
  Status status;  // why the run failed, where it did
};

// Blocks until the run has ended; called from one thread, which coordinates the run. Writes
// summary.json in every case in which results_dir is usable. `spec` has its API keys resolved.
RunOutcome run_pipeline(const Spec& spec, const RunHooks& hooks, RunEnvironment environment = {});

}  // namespace alig
