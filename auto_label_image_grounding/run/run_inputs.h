// What a run reads before it asks anything: the dataset and the prompts that a spec names.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/run/dataset.h"
#include "auto_label_image_grounding/run/earlier_failures.h"
#include "auto_label_image_grounding/run/results_dir.h"
#include "auto_label_image_grounding/spec/spec.h"
#include "auto_label_image_grounding/vlm/prompts.h"

namespace alig {

// workflow.steps, in their order.
std::vector<Step> selected_steps(const Spec& spec);

// The file whose lines are the records of the run: the input, or step 0's output where step 1 runs
// alone.
std::filesystem::path input_path(const Spec& spec, const ResultsDir& dir);

// Whether input and prompts are there at all, without reading the input. Errors as below.
Status check_inputs(const Spec& spec, const ResultsDir& dir);

// The input, or step 0's output where step 1 runs alone. kNotFound and kIo say what to do.
// `may_go_on` as for Dataset::open().
Result<Dataset> open_dataset(const Spec& spec, const ResultsDir& dir,
                             const std::function<Status()>& may_go_on);

// Step 1 alone: what failures.jsonl says of step 0; else nothing. kIo.
Result<EarlierFailures> open_earlier_failures(const Spec& spec, const ResultsDir& dir);

struct RunPrompts {
  PromptTemplate extraction;
  PromptTemplate grounding;
};
// The user's templates, else the built-in ones. Errors as load_prompt().
Result<RunPrompts> load_prompts(const PromptsSpec& spec);
// What is odd about the user's templates, for people.
std::vector<std::string> doubts_about(const RunPrompts& prompts,
                                      const CoordinateConvention& convention);

}  // namespace alig
