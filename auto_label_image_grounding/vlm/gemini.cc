// Gemini's REST API: https://ai.google.dev/api/generate-content
//
// Vertex AI's express mode differs in its paths alone (as google-genai 3.6 sends it); its key goes
// into the same header:
// https://cloud.google.com/vertex-ai/generative-ai/docs/start/express-mode/vertex-ai-express-mode-api-reference
#include <array>
#include <set>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/base/key_names.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/data/record.h"
#include "auto_label_image_grounding/vlm/backend_factories.h"

namespace alig {
namespace {

using nlohmann::json;
using Json = nlohmann::ordered_json;

// The answer's text; parts with the model's thoughts are not part of it.
std::string text_of_candidate(const json& candidate) {
  std::string out;
  const json content = candidate.value("content", json::object());
  for (const json& part : member(content, "parts")) {
    const bool thought = member(part, "thought") == json(true);
    if (!thought) out += text_at(part, "text");
  }
  return out;
}

bool is_refusal(const std::string& finish_reason) {
  static const std::set<std::string> kRefusals = {"SAFETY",
                                                  "RECITATION",
                                                  "PROHIBITED_CONTENT",
                                                  "BLOCKLIST",
                                                  "SPII",
                                                  "IMAGE_SAFETY",
                                                  "IMAGE_PROHIBITED_CONTENT",
                                                  "LANGUAGE",
                                                  "IMAGE_RECITATION"};
  return kRefusals.contains(finish_reason);
}

// responseSchema knows a part of OpenAPI's schemas: https://ai.google.dev/api/caching#Schema
Json open_api_schema(Json schema) {
  if (schema.is_object()) schema.erase("additionalProperties");
  for (Json& inner : schema) {
    if (inner.is_structured()) inner = open_api_schema(std::move(inner));
  }
  return schema;
}

class GeminiBackend final : public VlmBackend {
 public:
  explicit GeminiBackend(const VlmSpec& spec)
      : spec_(spec.gemini), structured_output_(spec.structured_output) {}

  const std::string& model() const override { return spec_.model; }
  const std::string& base_url() const override { return spec_.base_url; }
  // https://ai.google.dev/gemini-api/docs/image-understanding (and HEIC, which we do not read).
  ImageRules image_rules() const override {
    return {{ImageFormat::kJpeg, ImageFormat::kPng, ImageFormat::kWebp}, kMaxInlineBytes, false};
  }
  int max_output_tokens() const override { return spec_.max_output_tokens; }

  // Older gateways know responseSchema alone, models that are not Gemini (Gemma) neither:
  // https://ai.google.dev/api/generate-content#generationconfig
  std::vector<OptionalPart> optional_parts(const VlmQuery& query) const override {
    std::vector<OptionalPart> out;
    out.push_back({RequestPart::kTemperature, {"temperature"}, key::kGeminiTemperature});
    out.push_back({RequestPart::kTokenLimit, {"maxOutputTokens"}, key::kGeminiMaxOutputTokens});
    if (query.image) {
      out.push_back(
          {RequestPart::kMediaResolution, {"mediaResolution"}, key::kGeminiMediaResolution});
    }
    if (query.schema != nullptr && structured_output_ == StructuredOutput::kAuto) {
      out.push_back({RequestPart::kSchema,
                     {"responseJsonSchema", "responseSchema"},
                     key::kStructuredOutput,
                     query.schema_name});
    }
    return out;
  }

  HttpRequest make_request(const VlmQuery& query, const RequestForm& form) const override {
    HttpRequest request = request_to_model(":generateContent");
    request.headers.emplace_back("Content-Type", "application/json");
    request.body = body_of(query, form);
    return request;
  }

  // https://ai.google.dev/api/models#method:-models.get; express mode lacks it, and counts tokens
  // instead, for nothing as well.
  std::optional<HttpRequest> next_probe(const std::vector<HttpResponse>& answers) const override {
    if (!answers.empty()) return std::nullopt;
    HttpRequest request = request_to_model(spec_.vertex ? ":countTokens" : "");
    if (!spec_.vertex) {
      request.method = "GET";
      return request;
    }
    request.headers.emplace_back("Content-Type", "application/json");
    request.body.emplace_back(R"({"contents":[{"role":"user","parts":[{"text":"a"}]}]})");
    return request;
  }

  std::string advice_on(FailureKind kind) const override {
    if (kind == FailureKind::kAuth) {
      return fmt::format(
          ". Check the API key (environment variable GOOGLE_API_KEY or GEMINI_API_KEY, or {})",
          key::kGeminiApiKey);
    }
    if (kind == FailureKind::kTransport) return advice_on_silence(key::kGeminiBaseUrl);
    if (kind != FailureKind::kModel) return "";
    return fmt::format(". Check {} ({}) and {}", key::kGeminiModel, spec_.model,
                       key::kGeminiBaseUrl);
  }

  Result<ProbeReport> judge_probes(const std::vector<HttpResponse>& answers) const override {
    const HttpResponse& response = answers.front();
    if (response.status == 404 && spec_.vertex) {
      return ProbeReport{fmt::format(
          "{} does not count tokens (status 404): whether it has the model {}, the first request "
          "will show",
          spec_.base_url, spec_.model)};
    }
    if (response.status == 404) {
      return fail(ErrorKind::kEndpoint,
                  fmt::format("{} has no model \"{}\": check {}", spec_.base_url, spec_.model,
                              key::kGeminiModel));
    }
    if (auto refused = refusal_of_probe(response, spec_.base_url, advice_on(FailureKind::kAuth));
        !refused.empty()) {
      return fail(ErrorKind::kEndpoint, std::move(refused));
    }
    return ProbeReport{
        fmt::format("{} answers, takes the key and has the model {}", spec_.base_url, spec_.model)};
  }

  Result<VlmReply> read_reply(std::string_view body) const override {
    auto parsed = parse_response(body);
    if (!parsed) return tl::unexpected(parsed.error());
    VlmReply reply;
    reply.model = shorten(text_at(*parsed, "modelVersion"), kMaxModelName);
    const json& usage = member(*parsed, "usageMetadata");
    reply.usage = {
        token_count(usage, "promptTokenCount"), token_count(usage, "candidatesTokenCount"),
        token_count(usage, "thoughtsTokenCount"), token_count(usage, "cachedContentTokenCount")};
    const json& candidates = member(*parsed, "candidates");
    if (!candidates.is_array() || candidates.empty() || !candidates[0].is_object()) {
      const std::string reason = text_at(member(*parsed, "promptFeedback"), "blockReason");
      if (reason.empty()) {
        return tl::unexpected(incomplete_answer(body, "the answer has no candidates"));
      }
      reply.finish = Finish::kRefused;
      reply.detail = reason;
      return reply;
    }
    reply.text = text_of_candidate(candidates[0]);
    reply.detail = text_at(candidates[0], "finishReason");
    if (reply.detail == "MAX_TOKENS") reply.finish = Finish::kTokenLimit;
    if (is_refusal(reply.detail)) reply.finish = Finish::kRefused;
    return reply;
  }

 private:
  HttpRequest request_to_model(const char* method) const {
    HttpRequest request;
    const bool tuned = spec_.model.starts_with("tunedModels/");
    const char* collection = spec_.vertex ? "/v1beta1/publishers/google/models/"
                             : tuned      ? "/v1beta/"
                                          : "/v1beta/models/";
    request.url = spec_.base_url + collection + percent_encode(spec_.model, "/:@") + method;
    // In a header, never in the URL: URLs end up in logs.
    request.headers = {{"x-goog-api-key", spec_.api_key}};
    request.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(spec_.timeout * 1000));
    return request;
  }

  Json settings_of(const VlmQuery& query, const RequestForm& form) const {
    Json generation = Json::object();
    if (form[RequestPart::kTemperature] == 0) {
      generation["temperature"] = temperature_for(query, spec_.temperature);
    }
    if (form[RequestPart::kTokenLimit] == 0) {
      generation["maxOutputTokens"] = spec_.max_output_tokens;
    }
    if (query.image && form[RequestPart::kMediaResolution] == 0) {
      generation["mediaResolution"] = spec_.media_resolution;
    }
    constexpr std::array kSchemas = {"responseJsonSchema", "responseSchema"};
    const std::size_t schema = form[RequestPart::kSchema];
    if (structured_output_ != StructuredOutput::kOff && query.schema != nullptr &&
        schema < kSchemas.size()) {
      generation["responseMimeType"] = "application/json";
      generation[kSchemas[schema]] = schema == 0 ? *query.schema : open_api_schema(*query.schema);
    }
    Json settings = Json::object();
    settings["generationConfig"] = std::move(generation);
    return settings;
  }

  RequestBody body_of(const VlmQuery& query, const RequestForm& form) const {
    // The image first, then the text: prefix caches on the server then serve both steps.
    RequestBody body;
    std::string head = settings_.of(query, form, [this](auto&... of) {
      return settings_of(of...);
    }) + R"(,"contents":[{"role":"user","parts":[)";
    if (query.image) {
      head += R"({"inlineData":{"mimeType":")" + query.image->mime_type + R"(","data":")";
      body.emplace_back(std::move(head));
      body.push_back(query.image->bytes);
      head = R"("}},)";
    }
    body.emplace_back(head + R"({"text":)" + json_string(prompt_for(query)) + "}]}]}");
    return body;
  }

  GeminiSpec spec_;
  StructuredOutput structured_output_;
  mutable OpenedSettings settings_;
};

}  // namespace

std::unique_ptr<VlmBackend> make_gemini_backend(const VlmSpec& spec) {
  return std::make_unique<GeminiBackend>(spec);
}

}  // namespace alig
