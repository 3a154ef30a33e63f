// Specs: the bytes as YAML, as overrides of a good spec, and as a line of YAML with overrides.
#include <cmath>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/spec/spec.h"
#include "tests/fuzz/fuzz_support.h"

namespace alig::fuzz {
namespace {

constexpr const char* kSecret = "sk-5up3r53cr37";
constexpr const char* kGoodSpec =
    "results_dir: /r\n"
    "image_grounding:\n"
    "  data: {input_jsonl: in.jsonl}\n"
    "  vlm: {backend: openai, openai: {base_url: 'http://h/v1', model_name: m}}\n";

bool within(double value, double least, double most) { return value >= least && value <= most; }

// The ranges of the contract, once more and by hand: the table of keys is what is tested.
void check_spec(const Spec& spec) {
  const VlmSpec& vlm = spec.vlm;
  require(!spec.results_dir.empty(), "results_dir is set");
  require(!spec.workflow.steps.empty(), "there is a step to run");
  require(!spec.workflow.steps.contains(Step::kExtraction) || !spec.data.input_jsonl.empty(),
          "there is an input");
  require(within(spec.workflow.max_workers, 1, 4096), "max_workers is in its range");
  require(within(spec.workflow.max_failure_ratio, 0, 1), "max_failure_ratio is in its range");
  require(within(spec.workflow.merge_iou, 0, 1), "merge_iou is in its range");
  require(spec.workflow.max_requests >= 0, "max_requests is in its range");
  require(spec.data.max_image_pixels >= 0, "max_image_pixels is in its range");
  require(within(vlm.gemini.temperature, 0, 2), "gemini.temperature is in its range");
  require(within(vlm.openai.temperature, 0, 2), "openai.temperature is in its range");
  require(within(vlm.gemini.timeout, 0.001, 86400), "gemini.timeout is in its range");
  require(within(vlm.openai.timeout, 0.001, 86400), "openai.timeout is in its range");
  require(vlm.gemini.max_output_tokens >= 1, "max_output_tokens is in its range");
  require(vlm.openai.max_tokens >= 1, "max_tokens is in its range");
  require(within(vlm.max_retries, 0, 1000), "max_retries is in its range");
  require(within(vlm.rate_limit_patience, 0, 1e6), "rate_limit_patience is in its range");
  require(within(vlm.startup_patience, 0, 1e6), "startup_patience is in its range");
  require(within(vlm.outage_patience, 0, 1e6), "outage_patience is in its range");
  require(vlm.requests_per_minute >= 0 && vlm.tokens_per_minute >= 0, "rates are not negative");
  require(within(vlm.max_image_side, 0, 1e6), "max_image_side is in its range");
  const bool openai = vlm.backend == Backend::kOpenAi;
  const auto& urls = openai ? vlm.openai.base_urls : std::vector{vlm.gemini.base_url};
  require(!urls.empty(), "there is an endpoint");
  for (const std::string& url : urls) {
    require(starts_with_ignoring_case(url, "http"), "each endpoint is a URL");
  }
  require(!(openai ? vlm.openai.model_name : vlm.gemini.model).empty(), "there is a model");
  require(vlm.openai.extra_body && vlm.openai.extra_body->is_object(), "extra_body is a mapping");
  require(!vlm.openai.extra_body->contains("messages"), "extra_body leaves the messages alone");
}

void load(const std::string& yaml, const std::vector<std::string>& overrides) {
  const auto spec = load_spec({yaml, "spec.yaml"}, overrides);
  if (spec) return check_spec(*spec);
  require(spec.error().kind == ErrorKind::kInvalidArgument, "a bad spec is kInvalidArgument");
  require(!spec.error().message.empty(), "an error says what is wrong");
  require(spec.error().message.find(kSecret) == std::string::npos, "no message tells a secret");
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) out.emplace_back(take_line(text));
  return out;
}

// A key in the hands of someone who mistypes something beside it.
void load_with_secret(const std::string& line) {
  const std::string key = std::string("api_key: ") + kSecret;
  load(kGoodSpec, {"image_grounding.vlm.openai={" + key + ", " + line + "}"});
  load(kGoodSpec, {std::string("image_grounding.vlm.gemini.api_key=") + kSecret, line});
}

void check_default_spec(const std::string& folder) {
  const bool plain = is_valid_utf8(folder) && !folder.empty() && folder.find("${") == folder.npos &&
                     folder.find("???") == folder.npos;
  const auto spec = load_spec({default_spec_yaml(folder), "default.yaml"},
                              {"image_grounding.data.input_jsonl=in.jsonl"});
  require(!plain || (spec && spec->results_dir == folder), "the default spec loads back");
}

void run(std::string_view text) {
  load(std::string(text), {});
  load(kGoodSpec, lines_of(text));
  const std::string first(take_line(text));
  load(first, lines_of(text));
  load_with_secret(first);
  check_default_spec(first);
}

}  // namespace
}  // namespace alig::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  alig::fuzz::run(alig::fuzz::as_text(data, size));
  return 0;
}
