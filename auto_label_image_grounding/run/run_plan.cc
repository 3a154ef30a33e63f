#include "auto_label_image_grounding/run/run_plan.h"

#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/key_names.h"
#include "auto_label_image_grounding/base/version.h"
#include "auto_label_image_grounding/http/curl_transport.h"
#include "auto_label_image_grounding/results/published_files.h"

namespace alig {
namespace {

Result<PromptTemplate> prompt_for(const char* key, const std::string& path,
                                  const PromptTemplate& built_in,
                                  const std::vector<std::string_view>& placeholders) {
  if (path.empty()) return built_in;
  auto loaded = load_prompt(path, placeholders);
  return loaded ? loaded : fail_at(key, loaded.error());
}

// An error over the input, with what to do.
Error explain(const Error& error, const Spec& spec, const ResultsDir& dir) {
  if (spec.workflow.steps.contains(Step::kExtraction)) {
    return fail_at(key::kInputJsonl, error).value();
  }
  if (error.kind != ErrorKind::kNotFound) return error;
  return {ErrorKind::kNotFound,
          fmt::format("step 1 needs the output of step 0, and there is no {}: run with "
                      "{}=[\"0\",\"1\"], or set results_dir to that of a finished step 0",
                      input_path(spec, dir).string(), key::kSteps)};
}

Result<RunPrompts> load_prompts(const PromptsSpec& spec) {
  auto extraction = prompt_for(key::kExtractionPrompt, spec.expression_extraction,
                               built_in_extraction_prompt(), extraction_placeholders());
  if (!extraction) return tl::unexpected(extraction.error());
  auto grounding = prompt_for(key::kGroundingPrompt, spec.phrase_grounding,
                              built_in_grounding_prompt(), grounding_placeholders());
  if (!grounding) return tl::unexpected(grounding.error());
  return RunPrompts{std::move(*extraction), std::move(*grounding)};
}

Result<Dataset> open_dataset(const Spec& spec, const ResultsDir& dir,
                             const std::function<Status()>& may_go_on) {
  const bool extracts = spec.workflow.steps.contains(Step::kExtraction);
  auto dataset =
      Dataset::open(input_path(spec, dir), extracts ? InputKind::kCaptions : InputKind::kExtracted,
                    extracts ? spec.data.image_root : "", may_go_on);
  if (!dataset && dataset.error().kind == ErrorKind::kInterrupted) return dataset;
  if (!dataset) return tl::unexpected(explain(dataset.error(), spec, dir));
  if (!spec.data.unique_image_ids) return dataset;
  if (auto status = dataset->make_ids_unique(may_go_on); !status) {
    return tl::unexpected(status.error());
  }
  return dataset;
}

Result<EarlierFailures> open_earlier_failures(const Spec& spec, const ResultsDir& dir) {
  if (spec.workflow.steps.contains(Step::kExtraction)) return EarlierFailures();
  const auto bad_lines = published_bad_lines(dir, Step::kExtraction);
  if (!bad_lines) return tl::unexpected(bad_lines.error());
  return EarlierFailures::open(dir.failures(), *bad_lines);
}

}  // namespace

std::filesystem::path input_path(const Spec& spec, const ResultsDir& dir) {
  const auto& needed = traits_of(*spec.workflow.steps.begin()).needs;
  return needed ? dir.step_annotations(*needed) : std::filesystem::path(spec.data.input_jsonl);
}

Status check_inputs(const Spec& spec, const ResultsDir& dir) {
  const auto input = JsonlFile::open(input_path(spec, dir));
  if (!input) return tl::unexpected(explain(input.error(), spec, dir));
  const auto prompts = load_prompts(spec.prompts);
  return prompts ? Status() : tl::unexpected(prompts.error());
}

std::vector<std::string> prompt_warnings(const RunPlan& plan) {
  const RunPrompts& prompts = plan.prompts;
  std::vector<std::string> out;
  const auto check = [&](const char* name, const PromptTemplate& prompt, const auto& placeholders) {
    if (prompt.custom_sha256.empty()) return;
    const std::string misspelt = misspelt_placeholder(prompt.text, placeholders);
    if (!misspelt.empty())
      out.push_back(fmt::format("{}: {}; it is sent as it is", name, misspelt));
  };
  check(key::kExtractionPrompt, prompts.extraction, extraction_placeholders());
  check(key::kGroundingPrompt, prompts.grounding, grounding_placeholders());
  if (prompts.grounding.text.find("{coordinates}") == std::string::npos) {
    out.push_back(
        fmt::format("{} has no {{coordinates}}: boxes are read as {} whatever it asks for",
                    key::kGroundingPrompt, name_of(plan.coordinates.convention)));
  }
  return out;
}

std::unique_ptr<HttpTransport> open_transport(const Spec& spec) {
  CurlTransportOptions options;
  options.max_connections = spec.workflow.max_workers;
  options.user_agent = fmt::format("auto-label-image-grounding/{}", kVersion);
  return make_curl_transport(options);
}

ModelChoice choose_model(const VlmSpec& spec) {
  auto backends = make_backends(spec);
  const CoordinateChoice coordinates =
      choose_coordinates(spec.coordinates, backends.front()->model());
  return {std::move(backends), coordinates};
}

Result<RunPlan> make_run_plan(const Spec& spec, const ResultsDir& dir, ModelChoice model,
                              const std::function<Status()>& may_go_on) {
  auto dataset = open_dataset(spec, dir, may_go_on);
  if (!dataset) return tl::unexpected(dataset.error());
  auto earlier = open_earlier_failures(spec, dir);
  if (!earlier) return tl::unexpected(earlier.error());
  auto prompts = load_prompts(spec.prompts);
  if (!prompts) return tl::unexpected(prompts.error());
  return RunPlan{spec,
                 dir,
                 input_path(spec, dir),
                 std::move(model.backends),
                 model.coordinates,
                 std::move(*prompts),
                 std::move(*dataset),
                 std::move(*earlier)};
}

}  // namespace alig
