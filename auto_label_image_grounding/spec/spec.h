// The settings of a run, validated. Only this folder knows key names, types, defaults and ranges:
// defaults, YAML, overrides, `default_specs` and the Python schema all come from one table
// (spec_keys.cc).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/data/step.h"

namespace alig {

enum class Backend { kGemini, kOpenAi };
enum class ImageTransport { kInline, kFileUrl };
enum class StructuredOutput { kAuto, kOn, kOff };
enum class OnMissingImage { kFail, kTextOnly };

// The table of keys gives the meaning, default and range of each field.
struct GeminiSpec {
  std::string api_key, model, media_resolution, base_url;
  double temperature = 0;
  int max_output_tokens = 0;
  double timeout = 0;  // seconds
  bool vertex = false;
};

struct OpenAiSpec {
  std::string api_key, model_name;
  std::vector<std::string> base_urls;  // of replicas; at least one
  double temperature = 0;
  int max_tokens = 0;
  double timeout = 0;                                              // seconds
  std::shared_ptr<const nlohmann::ordered_json> extra_body;        // an object; null: nothing
  std::vector<std::pair<std::string, std::string>> extra_headers;  // values are secrets
  ImageTransport image_transport = ImageTransport::kInline;
};

struct VlmSpec {
  Backend backend = Backend::kGemini;
  GeminiSpec gemini;
  OpenAiSpec openai;
  std::string coordinates;
  StructuredOutput structured_output = StructuredOutput::kAuto;
  int max_retries = 0;
  double rate_limit_patience = 0;  // seconds
  double startup_patience = 0;     // seconds
  double outage_patience = 0;      // seconds
  std::int64_t requests_per_minute = 0;
  std::int64_t tokens_per_minute = 0;
  int max_image_side = 0;  // pixels
};

struct WorkflowSpec {
  StepSet steps = StepSet::all();
  int max_workers = 1;
  bool force_reprocess = false;
  double max_failure_ratio = 0;
  std::int64_t max_requests = 0;
  double merge_iou = 0;
};

struct DataSpec {
  std::string input_jsonl, image_root;
  OnMissingImage on_missing_image = OnMissingImage::kFail;
  std::int64_t max_image_pixels = 0;
  bool unique_image_ids = false;
};

struct PromptsSpec {
  std::string expression_extraction, phrase_grounding;  // paths of template files; "" = built in
};

struct OutputSpec {
  bool report = false;
  int report_limit = 0;
  std::vector<std::string> exports;
};

struct Spec {
  std::string results_dir;
  VlmSpec vlm;
  WorkflowSpec workflow;
  DataSpec data;
  PromptsSpec prompts;
  OutputSpec output;
};

struct SpecSource {
  std::string text;  // YAML (JSON is YAML)
  std::string name;  // for messages: the file's path
};

// Reads, applies `overrides` ("key=value" in Hydra's grammar for scalars, lists and dicts), checks
// every key and value. kInvalidArgument; the message names the key with file and line, or the
// override, and if one is close, the key that was probably meant. Never prints a secret.
Result<Spec> load_spec(const SpecSource& source, const std::vector<std::string>& overrides);
// Also kNotFound and kIo, for the file.
Result<Spec> load_spec_file(const std::filesystem::path& path,
                            const std::vector<std::string>& overrides);

// Every key with its default and a comment; loads back to the defaults.
std::string default_spec_yaml(const std::string& results_dir);

struct WrittenSpec {
  std::filesystem::path path;
  std::filesystem::path kept;  // where the old file is kept; "" if nothing differed
};
// Writes default_spec_yaml(results_dir) as `folder`/experiment.yaml. An existing file with other
// contents (edited, or from another version) is kept under a new name; one with the same contents
// is not touched. kIo.
Result<WrittenSpec> write_default_spec(const std::filesystem::path& folder,
                                       const std::string& results_dir);

// For the schema in Python: a JSON list of {"path", "type", "default", "description", "options",
// "min", "max", "secret", "ignored"}, one for each key below image_grounding.
std::string spec_keys_json();

// The position after the first name of a secret key in `text`, an override or a part of one: from
// there on it must not be shown. npos if there is none.
std::size_t end_of_secret_name(std::string_view text);

// Sets the API key of the chosen backend from the environment if the spec has none. `getenv`
// returns null for unset variables. kInvalidArgument if a key is needed and there is none.
Status resolve_environment(Spec& spec, const std::function<const char*(const char*)>& getenv);

}  // namespace alig
