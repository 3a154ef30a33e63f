#include "auto_label_image_grounding/run/run_inputs.h"

#include <string>
#include <utility>

#include <fmt/format.h>

namespace alig {
namespace {

Result<PromptTemplate> prompt_for(const std::string& path, const PromptTemplate& built_in,
                                  const char* required) {
  return path.empty() ? built_in : load_prompt(path, required);
}

}  // namespace

std::vector<Step> selected_steps(const Spec& spec) {
  std::vector<Step> steps;
  if (spec.workflow.extract) steps.push_back(Step::kExtraction);
  if (spec.workflow.ground) steps.push_back(Step::kGrounding);
  return steps;
}

std::filesystem::path input_path(const Spec& spec, const ResultsDir& dir) {
  return spec.workflow.extract ? std::filesystem::path(spec.data.input_jsonl)
                               : dir.step_annotations(Step::kExtraction);
}

Result<Dataset> open_dataset(const Spec& spec, const ResultsDir& dir) {
  const auto path = input_path(spec, dir);
  if (spec.workflow.extract) {
    auto dataset = Dataset::open(path, InputKind::kCaptions, spec.data.image_root);
    if (!dataset) return fail_at("image_grounding.data.input_jsonl", dataset.error());
    return dataset;
  }
  auto dataset = Dataset::open(path, InputKind::kExtracted, "");
  if (!dataset && dataset.error().kind == ErrorKind::kNotFound) {
    return fail(ErrorKind::kNotFound,
                fmt::format("step 1 needs the output of step 0, and there is no {}: run with "
                            "image_grounding.workflow.steps=[\"0\",\"1\"], or set results_dir to "
                            "that of a finished step 0",
                            path.string()));
  }
  return dataset;
}

Result<RunPrompts> load_prompts(const PromptsSpec& spec) {
  auto extraction =
      prompt_for(spec.expression_extraction, built_in_extraction_prompt(), "{caption}");
  if (!extraction) return tl::unexpected(extraction.error());
  auto grounding = prompt_for(spec.phrase_grounding, built_in_grounding_prompt(), "{expressions}");
  if (!grounding) return tl::unexpected(grounding.error());
  return RunPrompts{std::move(*extraction), std::move(*grounding)};
}

}  // namespace alig
