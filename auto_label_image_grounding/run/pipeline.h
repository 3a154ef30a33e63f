// The whole run: from a validated spec to the files in results_dir.
#pragma once

#include <memory>

#include "auto_label_image_grounding/base/clock.h"
#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/http/transport.h"
#include "auto_label_image_grounding/run/run_hooks.h"
#include "auto_label_image_grounding/run/run_report.h"
#include "auto_label_image_grounding/spec/spec.h"

namespace alig {

// Replaceable in tests.
struct RunEnvironment {
  const Clock* clock = nullptr;              // nullptr: the system's
  std::unique_ptr<HttpTransport> transport;  // nullptr: curl
  unsigned pool_threads = 0;                 // 0: one per core
};

struct RunOutcome {
  RunReport report;
  Status status;  // why the run failed, if it did
};

// Blocks until the run has ended; the calling thread coordinates the run. Writes summary.json
// whenever results_dir is usable. The API keys of `spec` must be resolved.
RunOutcome run_pipeline(const Spec& spec, const RunHooks& hooks, RunEnvironment environment = {});

}  // namespace alig
