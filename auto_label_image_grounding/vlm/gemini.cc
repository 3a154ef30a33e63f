// Gemini's REST API: https://ai.google.dev/api/generate-content
#include <set>
#include <utility>

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

class GeminiBackend final : public VlmBackend {
 public:
  explicit GeminiBackend(const VlmSpec& spec)
      : spec_(spec.gemini), structured_(spec.structured_output != StructuredOutput::kOff) {}

  const std::string& model() const override { return spec_.model; }
  // https://ai.google.dev/gemini-api/docs/image-understanding (and HEIC, which we do not read).
  ImageRules image_rules() const override {
    return {{ImageFormat::kJpeg, ImageFormat::kPng, ImageFormat::kWebp}, kMaxInlineBytes, false};
  }
  int max_output_tokens() const override { return spec_.max_output_tokens; }

  HttpRequest make_request(const VlmQuery& query, const EndpointQuirks& quirks) const override {
    HttpRequest request = request_to_model(":generateContent");
    request.headers.emplace_back("Content-Type", "application/json");
    request.body = body_of(query, quirks);
    return request;
  }

  // https://ai.google.dev/api/models#method:-models.get
  std::optional<HttpRequest> next_probe(const std::vector<HttpResponse>& answers) const override {
    if (!answers.empty()) return std::nullopt;
    HttpRequest request = request_to_model("");
    request.method = "GET";
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

  Result<std::string> judge_probes(const std::vector<HttpResponse>& answers) const override {
    const HttpResponse& response = answers.front();
    if (response.status == 404) {
      return fail(ErrorKind::kEndpoint,
                  fmt::format("{} has no model \"{}\": check {}", spec_.base_url, spec_.model,
                              key::kGeminiModel));
    }
    if (auto refused = refusal_of_probe(response, spec_.base_url, advice_on(FailureKind::kAuth));
        !refused.empty()) {
      return fail(ErrorKind::kEndpoint, std::move(refused));
    }
    return fmt::format("{} answers, takes the key and has the model {}", spec_.base_url,
                       spec_.model);
  }

  Result<VlmReply> read_reply(std::string_view body) const override {
    auto parsed = parse_response(body);
    if (!parsed) return tl::unexpected(parsed.error());
    VlmReply reply;
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
    request.url = spec_.base_url + "/v1beta/models/" + spec_.model + method;
    // In a header, never in the URL: URLs end up in logs.
    request.headers = {{"x-goog-api-key", spec_.api_key}};
    request.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(spec_.timeout * 1000));
    return request;
  }

  Json settings_of(const VlmQuery& query, const EndpointQuirks& quirks) const {
    Json generation = {
        {"temperature", clamp_temperature(spec_.temperature + query.raise_temperature)},
        {"maxOutputTokens", spec_.max_output_tokens}};
    if (query.image) generation["mediaResolution"] = spec_.media_resolution;
    if (structured_ && quirks.structured_output && query.schema != nullptr) {
      generation["responseMimeType"] = "application/json";
      generation["responseJsonSchema"] = *query.schema;
    }
    Json settings = Json::object();
    settings["generationConfig"] = std::move(generation);
    return settings;
  }

  RequestBody body_of(const VlmQuery& query, const EndpointQuirks& quirks) const {
    // The image first, then the text: prefix caches on the server then serve both steps.
    RequestBody body;
    std::string head = settings_.of(query, quirks, [this](auto&... of) {
      return settings_of(of...);
    }) + R"(,"contents":[{"role":"user","parts":[)";
    if (query.image) {
      head += R"({"inlineData":{"mimeType":")" + query.image->mime_type + R"(","data":")";
      body.emplace_back(std::move(head));
      body.push_back(query.image->bytes);
      head = R"("}},)";
    }
    body.emplace_back(head + R"({"text":)" + json_string(query.prompt) + "}]}]}");
    return body;
  }

  GeminiSpec spec_;
  bool structured_;
  mutable OpenedSettings settings_;
};

}  // namespace

std::unique_ptr<VlmBackend> make_gemini_backend(const VlmSpec& spec) {
  return std::make_unique<GeminiBackend>(spec);
}

}  // namespace alig
