#include "auto_label_image_grounding/spec/spec_keys.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace alig {
namespace {

template <typename T, typename Get>
std::function<void(Spec&, const SpecJson&)> into(Get get) {
  return [get](Spec& spec, const SpecJson& value) { get(spec) = value.get<T>(); };
}

#define ALIG_FIELD(type, member) into<type>([](Spec& s) -> type& { return s.member; })

template <typename Enum, typename Get>
std::function<void(Spec&, const SpecJson&)> choose(std::vector<std::pair<std::string, Enum>> names,
                                                   Get get) {
  return [names = std::move(names), get](Spec& spec, const SpecJson& value) {
    for (const auto& [name, choice] : names) {
      if (value == name) get(spec) = choice;
    }
  };
}

void store_steps(Spec& spec, const SpecJson& value) {
  spec.workflow.steps = {};
  for (const SpecJson& name : value) {
    if (const auto step = step_named(name.get<std::string>())) spec.workflow.steps.insert(*step);
  }
}

// `suffix`: what the requests append themselves, and people leave in.
void store_base_url(std::string& target, std::string url, std::string_view suffix) {
  const auto strip_slashes = [&] {
    while (!url.empty() && url.back() == '/') url.pop_back();
  };
  strip_slashes();
  if (url.ends_with(suffix)) url.resize(url.size() - suffix.size());
  strip_slashes();
  target = std::move(url);
}

void store_base_urls(std::vector<std::string>& target, const SpecJson& value) {
  target.clear();
  for (const SpecJson& url : value.is_array() ? value : SpecJson::array({value})) {
    store_base_url(target.emplace_back(), url.get<std::string>(), "/chat/completions");
  }
}

// A name as people paste it: with blanks, slashes or the resource that it is the last part of.
// "tunedModels/x" stays: there the resource is another one.
std::string plain_gemini_model(std::string_view name) {
  constexpr std::string_view kAround = "/ \t\r\n";
  const auto strip = [&] {
    name.remove_prefix(std::min(name.find_first_not_of(kAround), name.size()));
    name = name.substr(0, name.find_last_not_of(kAround) + 1);
  };
  strip();
  for (const std::string_view resource : {"publishers/google/", "models/"}) {
    if (name.starts_with(resource)) name.remove_prefix(resource.size());
  }
  strip();
  return std::string(name);
}

SpecKey secret(SpecKey key) {
  key.secret = true;
  return key;
}

SpecKey ignored(const char* path, KeyType type, SpecJson stock_default) {
  SpecKey key{path, type, std::move(stock_default), "Accepted and ignored",
              [](Spec&, const SpecJson&) {}};
  key.ignored = true;
  return key;
}

constexpr double kMaxInt = 2147483647;

std::vector<SpecKey> make_keys() {
  using enum KeyType;
  const std::vector<std::string> resolutions = {"MEDIA_RESOLUTION_UNSPECIFIED",
                                                "MEDIA_RESOLUTION_LOW", "MEDIA_RESOLUTION_MEDIUM",
                                                "MEDIA_RESOLUTION_HIGH"};
  return {
      {"vlm.backend",
       kString,
       "gemini",
       "gemini, or openai for any OpenAI-compatible endpoint (NIM, vLLM, TAO inference "
       "microservice)",
       choose<Backend>({{"gemini", Backend::kGemini}, {"openai", Backend::kOpenAi}},
                       [](Spec& s) -> Backend& { return s.vlm.backend; }),
       {"gemini", "openai"}},
      secret(
          {"vlm.gemini.api_key", kString, "",
           "Empty: the environment variable GOOGLE_API_KEY, then GEMINI_API_KEY (better than here)",
           ALIG_FIELD(std::string, vlm.gemini.api_key)}),
      {"vlm.gemini.model", kString, "gemini-3.1-flash-lite-preview", "The model's name",
       [](Spec& s, const SpecJson& v) {
         s.vlm.gemini.model = plain_gemini_model(v.get<std::string>());
       }},
      {"vlm.gemini.media_resolution", kString, "MEDIA_RESOLUTION_HIGH",
       "How many tokens Gemini spends on an image; sent with every request",
       ALIG_FIELD(std::string, vlm.gemini.media_resolution), resolutions},
      {"vlm.gemini.temperature",
       kFloat,
       0.3,
       "Sampling temperature",
       ALIG_FIELD(double, vlm.gemini.temperature),
       {},
       0,
       2},
      {"vlm.gemini.max_output_tokens",
       kInt,
       8192,
       "Limit of one answer, in tokens",
       ALIG_FIELD(int, vlm.gemini.max_output_tokens),
       {},
       1,
       kMaxInt},
      {"vlm.gemini.timeout",
       kFloat,
       120.0,
       "Seconds for one whole request",
       ALIG_FIELD(double, vlm.gemini.timeout),
       {},
       0.001,
       86400},
      {"vlm.gemini.base_url", kString, kGeminiPlace,
       "Another one for a proxy, a gateway or a test server",
       [](Spec& s, const SpecJson& v) {
         std::string& place = s.vlm.gemini.base_url;
         store_base_url(place, v.get<std::string>(), "/v1beta1");
         store_base_url(place, place, "/v1beta");
       }},
      {"vlm.gemini.vertex", kBool, false,
       "The key is one of Vertex AI's express mode: other paths, and another default of base_url",
       ALIG_FIELD(bool, vlm.gemini.vertex)},
      secret(
          {"vlm.openai.api_key", kString, "",
           "Empty: the environment variable OPENAI_API_KEY (better than here); self-hosted servers "
           "often need none",
           ALIG_FIELD(std::string, vlm.openai.api_key)}),
      {"vlm.openai.base_url", kStringOrList, "",
       "E.g. http://host:8000/v1; a list for replicas of one model, which share the requests",
       [](Spec& s, const SpecJson& v) { store_base_urls(s.vlm.openai.base_urls, v); }},
      {"vlm.openai.model_name", kString, "", "The model's name as the endpoint lists it",
       ALIG_FIELD(std::string, vlm.openai.model_name)},
      {"vlm.openai.temperature",
       kFloat,
       0.7,
       "Sampling temperature",
       ALIG_FIELD(double, vlm.openai.temperature),
       {},
       0,
       2},
      {"vlm.openai.max_tokens",
       kInt,
       4096,
       "Limit of one answer, in tokens",
       ALIG_FIELD(int, vlm.openai.max_tokens),
       {},
       1,
       kMaxInt},
      {"vlm.openai.timeout",
       kFloat,
       60.0,
       "Seconds for one whole request",
       ALIG_FIELD(double, vlm.openai.timeout),
       {},
       0.001,
       86400},
      {"vlm.openai.extra_body", kDict, SpecJson::object(),
       "Merged into the request body; null takes a key out of it",
       [](Spec& s, const SpecJson& v) {
         s.vlm.openai.extra_body = std::make_shared<const SpecJson>(v);
       }},
      secret({"vlm.openai.extra_headers", kTexts, SpecJson::object(),
              "Sent with every request; values are kept as secret as the API key",
              [](Spec& s, const SpecJson& v) {
                s.vlm.openai.extra_headers.clear();
                for (const auto& [name, value] : v.items()) {
                  s.vlm.openai.extra_headers.emplace_back(name, value.get<std::string>());
                }
              }}),
      {"vlm.openai.image_transport",
       kString,
       "inline",
       "inline (the image is sent), or file_url (file://…, for a vLLM on the same file system "
       "started with --allowed-local-media-path)",
       choose<ImageTransport>(
           {{"inline", ImageTransport::kInline}, {"file_url", ImageTransport::kFileUrl}},
           [](Spec& s) -> ImageTransport& { return s.vlm.openai.image_transport; }),
       {"inline", "file_url"}},
      {"vlm.coordinates",
       kString,
       "auto",
       "Convention in which the model is asked for boxes: auto chooses by the model's family",
       ALIG_FIELD(std::string, vlm.coordinates),
       {"auto", "pixel", "xyxy_1000", "yxyx_1000", "xyxy_1"}},
      {"vlm.structured_output",
       kString,
       "auto",
       "Have the server enforce the answer's JSON schema: auto gives it up where it is refused",
       choose<StructuredOutput>(
           {{"auto", StructuredOutput::kAuto},
            {"on", StructuredOutput::kOn},
            {"off", StructuredOutput::kOff}},
           [](Spec& s) -> StructuredOutput& { return s.vlm.structured_output; }),
       {"auto", "on", "off"}},
      {"vlm.max_retries",
       kInt,
       5,
       "After the first attempt, for errors that may pass",
       ALIG_FIELD(int, vlm.max_retries),
       {},
       0,
       1000},
      {"vlm.rate_limit_patience",
       kFloat,
       900.0,
       "Seconds without any progress of the run after which rate-limited requests fail",
       ALIG_FIELD(double, vlm.rate_limit_patience),
       {},
       0,
       1e6},
      {"vlm.startup_patience",
       kFloat,
       120.0,
       "Seconds to wait for an endpoint that does not answer yet (it is starting, or loads its "
       "model)",
       ALIG_FIELD(double, vlm.startup_patience),
       {},
       0,
       1e6},
      {"vlm.outage_patience",
       kFloat,
       900.0,
       "Seconds to wait for an endpoint that no longer answers, before the run ends (resumable)",
       ALIG_FIELD(double, vlm.outage_patience),
       {},
       0,
       1e6},
      {"vlm.requests_per_minute",
       kInt,
       0,
       "0 = no limit",
       ALIG_FIELD(std::int64_t, vlm.requests_per_minute),
       {},
       0,
       1e12},
      {"vlm.tokens_per_minute",
       kInt,
       0,
       "0 = no limit",
       ALIG_FIELD(std::int64_t, vlm.tokens_per_minute),
       {},
       0,
       1e15},
      {"vlm.max_image_side",
       kInt,
       0,
       "Images are downscaled to this many pixels on the long side; 0 = no such limit",
       ALIG_FIELD(int, vlm.max_image_side),
       {},
       0,
       1e6},
      {"workflow.steps",
       kList,
       {"0", "1"},
       "0: caption -> expressions; 1: expressions -> boxes",
       store_steps,
       {"0", "1"}},
      {"workflow.max_workers",
       kInt,
       4,
       "Most requests in flight; useful into the hundreds",
       ALIG_FIELD(int, workflow.max_workers),
       {},
       1,
       4096},
      {"workflow.force_reprocess", kBool, false, "Throw checkpoints away and start from scratch",
       ALIG_FIELD(bool, workflow.force_reprocess)},
      {"workflow.max_failure_ratio",
       kFloat,
       0.5,
       "More failed records than this fraction: the run ends as failed",
       ALIG_FIELD(double, workflow.max_failure_ratio),
       {},
       0,
       1},
      {"workflow.max_requests",
       kInt,
       0,
       "Stop, resumable, after so many requests; 0 = no limit",
       ALIG_FIELD(std::int64_t, workflow.max_requests),
       {},
       0,
       1e15},
      {"workflow.merge_iou",
       kFloat,
       0.95,
       "Boxes of one expression that overlap more are merged; 0 = never",
       ALIG_FIELD(double, workflow.merge_iou),
       {},
       0,
       1},
      ignored("workflow.long_video_threshold_sec", kInt, 60),
      ignored("workflow.long_video_sample_fps", kFloat, 0.5),
      ignored("workflow.long_video_max_frames", kInt, 60),
      {"data.input_jsonl", kString, "", "The input (not needed for steps [\"1\"] alone)",
       ALIG_FIELD(std::string, data.input_jsonl)},
      {"data.image_root", kString, "", "Prefix of relative image paths",
       ALIG_FIELD(std::string, data.image_root)},
      {"data.on_missing_image",
       kString,
       "fail",
       "fail: that record fails; text_only: the model is asked without the image",
       choose<OnMissingImage>(
           {{"fail", OnMissingImage::kFail}, {"text_only", OnMissingImage::kTextOnly}},
           [](Spec& s) -> OnMissingImage& { return s.data.on_missing_image; }),
       {"fail", "text_only"}},
      {"data.max_image_pixels",
       kInt,
       200000000,
       "Larger images fail their record before they are decoded; 0 = no limit",
       ALIG_FIELD(std::int64_t, data.max_image_pixels),
       {},
       0,
       1e15},
      {"data.unique_image_ids", kBool, false,
       "Write image ids that no two records share: an id that several have gets a suffix in each",
       ALIG_FIELD(bool, data.unique_image_ids)},
      {"prompts.expression_extraction", kString, "",
       "Template file that replaces the built-in prompt of step 0; holds {caption}",
       ALIG_FIELD(std::string, prompts.expression_extraction)},
      {"prompts.phrase_grounding", kString, "",
       "Template file that replaces the built-in prompt of step 1; holds {expressions}",
       ALIG_FIELD(std::string, prompts.phrase_grounding)},
      {"output.report", kBool, false, "An HTML report of the result (not available yet)",
       ALIG_FIELD(bool, output.report)},
      {"output.report_limit",
       kInt,
       1000,
       "Most records in the report",
       ALIG_FIELD(int, output.report_limit),
       {},
       1,
       kMaxInt},
      {"output.exports",
       kList,
       SpecJson::array(),
       "Any of odvg, coco, conversations (not available yet)",
       ALIG_FIELD(std::vector<std::string>, output.exports),
       {"odvg", "coco", "conversations"}},
  };
}

#undef ALIG_FIELD

}  // namespace

const std::vector<SpecKey>& spec_keys() {
  static const std::vector<SpecKey> kKeys = make_keys();
  return kKeys;
}

const SpecKey* find_key(std::string_view path) {
  const auto& keys = spec_keys();
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const SpecKey& key) { return key.path == path; });
  return found == keys.end() ? nullptr : &*found;
}

std::size_t end_of_secret_name(std::string_view text) {
  std::size_t first = std::string_view::npos;
  for (const SpecKey& key : spec_keys()) {
    if (!key.secret) continue;
    const std::string_view name = std::string_view(key.path).substr(key.path.rfind('.') + 1);
    const std::size_t at = text.find(name);
    if (at != std::string_view::npos) first = std::min(first, at + name.size());
  }
  return first;
}

const char* name_of(KeyType type) {
  constexpr const char* kNames[] = {"str",  "int",  "float", "bool",
                                    "list", "dict", "dict",  "str_or_list"};
  return kNames[static_cast<int>(type)];
}

}  // namespace alig
