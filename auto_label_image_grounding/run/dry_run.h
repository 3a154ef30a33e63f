// What a run would do, without doing it: writes nothing and sends only free requests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/run/pipeline.h"
#include "auto_label_image_grounding/spec/spec.h"

namespace alig {

struct DryRun {
  std::int64_t records = 0;
  std::int64_t bad_lines = 0;
  std::int64_t images = 0;
  std::int64_t unreadable_images = 0;
  std::int64_t affected_records = 0;    // records that need an unreadable image
  std::int64_t earlier_failures = 0;    // step 1 alone: records that failed in step 0
  std::vector<std::string> complaints;  // the first bad lines and unreadable images

  // Requests still to be sent; for step 1, one per image if the expressions are not known yet.
  // Retries and splitting of long lists are not included.
  PerStep<std::int64_t> requests;
  PerStep<std::int64_t> finished;  // records whose result is taken from checkpoints
  double image_tokens = 0;         // of all these requests, estimated from the sizes as sent
  double prompt_tokens = 0;        // of all these requests, estimated from their lengths

  std::string endpoint;          // what is known about it, as text
  std::string endpoint_warning;  // what may make a run fail nevertheless, as text; "" if nothing
};

// Checks the input, every image's header, the prompts, and with free requests the endpoint: whether
// it is reachable, accepts the key and has the model. Errors: as run_pipeline() for input and
// prompts; kInvalidArgument if another run is using results_dir; kEndpoint if the endpoint is not
// usable; kUnavailable if so many images cannot be read that the run would fail. `environment` as
// for run_pipeline().
Result<DryRun> dry_run(const Spec& spec, const RunHooks& hooks, RunEnvironment environment = {});

// As a table.
std::string to_text(const DryRun& dry);

// As one JSON object.
std::string to_json_text(const DryRun& dry);

}  // namespace alig
