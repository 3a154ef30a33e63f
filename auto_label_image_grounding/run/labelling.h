// Labels the records of a plan: owns the concurrent parts, from the first request to the last
// record, and shuts them down.
#pragma once

#include <memory>
#include <vector>

#include "auto_label_image_grounding/base/clock.h"
#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/base/warnings.h"
#include "auto_label_image_grounding/calls/event_loop.h"
#include "auto_label_image_grounding/calls/run_end.h"
#include "auto_label_image_grounding/calls/thread_pool.h"
#include "auto_label_image_grounding/calls/vlm_caller.h"
#include "auto_label_image_grounding/http/transport.h"
#include "auto_label_image_grounding/results/output_writer.h"
#include "auto_label_image_grounding/run/checkpoint_sync.h"
#include "auto_label_image_grounding/run/convention_watch.h"
#include "auto_label_image_grounding/run/endpoint_memory.h"
#include "auto_label_image_grounding/run/job_runner.h"
#include "auto_label_image_grounding/run/run_counts.h"
#include "auto_label_image_grounding/run/run_hooks.h"
#include "auto_label_image_grounding/run/run_plan.h"
#include "auto_label_image_grounding/run/run_report.h"

namespace alig {

// Belongs to the thread that coordinates the run.
class Labelling {
 public:
  struct Parts {
    const RunContext& context;
    const RunHooks& hooks;
    const Clock& clock;
    std::unique_ptr<HttpTransport> transport;
    unsigned pool_threads = 1;
    OutputWriter& writer;
    ConventionWatch& convention;
    Warnings& warnings;
  };
  explicit Labelling(Parts parts);
  // Work on other threads ends before anything that it uses is destroyed.
  ~Labelling() { finish(); }
  Labelling(const Labelling&) = delete;
  Labelling& operator=(const Labelling&) = delete;

  // Blocks until every record has been put into the writer; an error says why the run must end
  // earlier.
  Status run();

  // Of all parts except the writer.
  RunCounts counts() const;
  std::vector<EndpointReport> endpoints() const;
  // Lowest limit of concurrent requests, due to overload.
  int lowest_concurrency() const { return caller_.lowest_concurrency(); }

 private:
  void stop(bool cancel);
  void finish();
  void tick();
  void hear_interrupt();
  void announce_wait();
  void remember_endpoints();

  Parts parts_;
  EventLoop loop_;
  std::unique_ptr<ThreadPool> pool_;
  CheckpointSync sync_;
  RunEnding ending_;
  std::vector<EndpointMemory> memories_;  // of the plan's backends
  VlmCaller caller_;
  JobRunner runner_;
  bool wait_announced_ = false;
};

}  // namespace alig
