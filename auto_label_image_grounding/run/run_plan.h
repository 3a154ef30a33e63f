// The plan of a run: made once from its spec, before any request. The run and the dry run use the
// same plan.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/data/dataset.h"
#include "auto_label_image_grounding/http/transport.h"
#include "auto_label_image_grounding/results/checkpoint_store.h"
#include "auto_label_image_grounding/results/earlier_failures.h"
#include "auto_label_image_grounding/results/results_dir.h"
#include "auto_label_image_grounding/run/record_state.h"
#include "auto_label_image_grounding/spec/spec.h"
#include "auto_label_image_grounding/vlm/backend.h"
#include "auto_label_image_grounding/vlm/coordinates.h"
#include "auto_label_image_grounding/vlm/prompts.h"

namespace alig {

// Which endpoints to ask, and how boxes are requested and read.
struct ModelChoice {
  std::vector<std::unique_ptr<VlmBackend>> backends;  // at least one: replicas
  CoordinateChoice coordinates;
};
ModelChoice choose_model(const VlmSpec& spec);

// The user's templates, else the built-in ones.
struct RunPrompts {
  PromptTemplate extraction;
  PromptTemplate grounding;
};

struct RunPlan {
  const Spec& spec;  // outlives the plan
  ResultsDir dir;
  std::filesystem::path input;  // the file whose lines are the records: see input_path()
  std::vector<std::unique_ptr<VlmBackend>> backends;  // as in ModelChoice
  CoordinateChoice coordinates;
  RunPrompts prompts;
  Dataset dataset;
  EarlierFailures earlier;  // step 1 alone: what failures.jsonl says of step 0

  // For what is the same for all replicas.
  const VlmBackend& backend() const { return *backends.front(); }
  RecordRules rules() const {
    return {spec.workflow.steps, spec.data.on_missing_image == OnMissingImage::kTextOnly};
  }
};

// Reads the input and the prompts. kNotFound, kIo and kInvalidArgument say what to do; `may_go_on`
// as for Dataset::open().
Result<RunPlan> make_run_plan(const Spec& spec, const ResultsDir& dir, ModelChoice model,
                              const std::function<Status()>& may_go_on);

// Warnings about the prompts, for the user.
std::vector<std::string> prompt_warnings(const RunPlan& plan);

// The file whose lines are the records of the run: the input, or step 0's output where step 1 runs
// alone.
std::filesystem::path input_path(const Spec& spec, const ResultsDir& dir);

// Whether input and prompts exist, without reading the input. Errors as make_run_plan().
Status check_inputs(const Spec& spec, const ResultsDir& dir);

// curl with as many connections as there are workers.
std::unique_ptr<HttpTransport> open_transport(const Spec& spec);

// What never changes during a run and may be read from any thread.
struct RunContext {
  const RunPlan& plan;
  const CheckpointStore& store;
  // False if no checkpoint can exist, so that none is looked for.
  PerStep<bool> resumes = for_each_step(true);

  RecordRules rules() const { return plan.rules(); }
};

}  // namespace alig
