// OpenAI-compatible chat completions: https://platform.openai.com/docs/api-reference/chat
#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <fmt/ranges.h>

#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/base/key_names.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/data/record.h"
#include "auto_label_image_grounding/vlm/backend_factories.h"

namespace alig {
namespace {

using nlohmann::json;
using Json = nlohmann::ordered_json;

// message.content: a string, or a list of parts of which the text ones count.
std::string text_of_content(const json& content) {
  if (content.is_string()) return content.get<std::string>();
  std::string out;
  if (!content.is_array()) return out;
  for (const json& part : content) {
    if (part.is_object() && part.contains("text") && part["text"].is_string()) {
      out += part["text"].get<std::string>();
    }
  }
  return out;
}

TokenUsage usage_of(const json& usage) {
  const std::int64_t thinking =
      token_count(member(usage, "completion_tokens_details"), "reasoning_tokens");
  // Some endpoints count reasoning within the completion, others apart.
  const std::int64_t completion = token_count(usage, "completion_tokens");
  const std::int64_t output = completion >= thinking ? completion - thinking : completion;
  return {token_count(usage, "prompt_tokens"), output, thinking,
          token_count(member(usage, "prompt_tokens_details"), "cached_tokens")};
}

// The ids of {"data": [{"id": …}, …]}; none where the body is anything else.
std::vector<std::string> listed_models(std::string_view body) {
  std::vector<std::string> out;
  const auto parsed = parse_response(body);
  if (!parsed) return out;
  const json& data = member(*parsed, "data");
  if (!data.is_array()) return out;
  for (const json& model : data) {
    if (auto id = text_at(model, "id"); !id.empty()) out.push_back(std::move(id));
  }
  return out;
}

std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 5;
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, names.size()));
  return fmt::format("{}{}", fmt::join(names.begin(), end, ", "),
                     names.size() > kShown ? ", …" : "");
}

// "gpt-5" of "azure/gpt-5", "llava" of "llava:7b": without the provider before it and the tag.
std::string_view without_provider_and_tag(std::string_view model) {
  model.remove_prefix(model.rfind('/') + 1);  // npos + 1 is 0
  return model.substr(0, model.find(':'));
}

class OpenAiBackend final : public VlmBackend {
 public:
  OpenAiBackend(const VlmSpec& spec, std::string base_url)
      : spec_(spec.openai),
        base_url_(std::move(base_url)),
        structured_output_(spec.structured_output) {}

  const std::string& model() const override { return spec_.model_name; }
  const std::string& base_url() const override { return base_url_; }
  ImageRules image_rules() const override {
    const bool by_file_url = spec_.image_transport == ImageTransport::kFileUrl;
    return {{ImageFormat::kJpeg, ImageFormat::kPng, ImageFormat::kWebp, ImageFormat::kGif},
            by_file_url ? 0 : kMaxInlineBytes,
            by_file_url};
  }
  int max_output_tokens() const override { return spec_.max_tokens; }

  // Reasoning models take max_completion_tokens alone:
  // https://platform.openai.com/docs/api-reference/chat/create
  std::vector<OptionalPart> optional_parts(const VlmQuery& query) const override {
    std::vector<OptionalPart> out;
    const auto add = [&](OptionalPart part, std::initializer_list<const char*> fields) {
      if (!is_forced(fields)) out.push_back(std::move(part));
    };
    add({RequestPart::kTokenLimit, {"max_tokens", "max_completion_tokens"}, key::kOpenAiMaxTokens},
        {"max_tokens", "max_completion_tokens"});
    add({RequestPart::kTemperature, {"temperature"}, key::kOpenAiTemperature}, {"temperature"});
    if (query.schema != nullptr && structured_output_ == StructuredOutput::kAuto) {
      add({RequestPart::kSchema,
           {"response_format json_schema", "response_format json_object"},
           key::kStructuredOutput,
           query.schema_name},
          {"response_format"});
    }
    return out;
  }

  HttpRequest make_request(const VlmQuery& query, const RequestForm& form) const override {
    HttpRequest request = request_to("/chat/completions");
    request.headers.emplace_back("Content-Type", "application/json");
    request.body = body_of(query, form);
    return request;
  }

  // https://platform.openai.com/docs/api-reference/models/list; vLLM, NIM and others have it too.
  // Where it is missing, the route that a run needs may still be there; else perhaps both are at
  // the usual place below: the base_url lacks "/v1" then. GETs alone: they cost nothing.
  std::optional<HttpRequest> next_probe(const std::vector<HttpResponse>& answers) const override {
    constexpr std::array kPaths = {"/models", "/chat/completions", "/v1/models"};
    const std::size_t most = has_version() ? 1 : kPaths.size();
    const bool goes_on = answers.empty() || answers.back().status == 404;
    if (!goes_on || answers.size() >= most) return std::nullopt;
    HttpRequest request = request_to(kPaths[answers.size()]);
    request.method = "GET";
    return request;
  }

  Result<ProbeReport> judge_probes(const std::vector<HttpResponse>& answers) const override {
    const HttpResponse& response = answers.front();
    const std::string& place = base_url_;
    if (answers.size() > 2 && !listed_models(answers[2].body).empty()) {
      return fail(ErrorKind::kEndpoint,
                  fmt::format("{0} has no models, but {0}/v1 has: set {1}={0}/v1", place,
                              key::kOpenAiBaseUrl));
    }
    // Gateways may offer only chat; e.g. a 405 shows that its route exists.
    const bool chat_is_there = answers.size() == 2 && answers[1].status != 404;
    if (response.status == 405 || chat_is_there) {
      return ProbeReport{place + " answers; it does not list its models"};
    }
    if (response.status == 404) {
      return ProbeReport{place +
                         "/models is not there (status 404): whether chat/completions is, the "
                         "first request will show"};
    }
    if (auto refused = refusal_of_probe(response, place, advice_on(FailureKind::kAuth));
        !refused.empty()) {
      return fail(ErrorKind::kEndpoint, std::move(refused));
    }
    const std::vector<std::string> models = listed_models(response.body);
    if (models.empty()) return ProbeReport{place + " answers; it does not list its models"};
    if (std::find(models.begin(), models.end(), spec_.model_name) == models.end()) {
      return ProbeReport{place + " answers", warning_of_unlisted(models)};
    }
    return ProbeReport{fmt::format("{} answers and has the model {}", place, spec_.model_name)};
  }

  std::string advice_on(FailureKind kind) const override {
    if (kind == FailureKind::kAuth) {
      return fmt::format(
          ". Check the API key (environment variable OPENAI_API_KEY, or {}){}", key::kOpenAiApiKey,
          spec_.extra_headers.empty() ? "" : fmt::format(" and {}", key::kOpenAiExtraHeaders));
    }
    if (kind == FailureKind::kTransport) return advice_on_silence(key::kOpenAiBaseUrl);
    if (kind != FailureKind::kModel) return "";
    return fmt::format(". Check {} ({}) and {}{}", key::kOpenAiModelName, spec_.model_name,
                       key::kOpenAiBaseUrl,
                       has_version() ? "" : ": most servers want /v1 at its end");
  }

  Result<VlmReply> read_reply(std::string_view body) const override {
    auto parsed = parse_response(body);
    if (!parsed) return tl::unexpected(parsed.error());
    VlmReply reply;
    reply.model = shorten(text_at(*parsed, "model"), kMaxModelName);
    reply.usage = usage_of(member(*parsed, "usage"));
    const json& choices = member(*parsed, "choices");
    if (!choices.is_array() || choices.empty() || !choices[0].is_object()) {
      return tl::unexpected(incomplete_answer(body, "the answer has no choices"));
    }
    const json& message = member(choices[0], "message");
    reply.text = text_of_content(member(message, "content"));
    reply.detail = text_at(choices[0], "finish_reason");
    if (reply.detail == "length") reply.finish = Finish::kTokenLimit;
    if (reply.detail == "content_filter") reply.finish = Finish::kRefused;
    if (const std::string refusal = text_at(message, "refusal"); !refusal.empty()) {
      reply.finish = Finish::kRefused;
      reply.detail = shorten(refusal, 200);
    }
    return reply;
  }

 private:
  // Not an error: endpoints take aliases, tags, deployments and wildcards that they do not list.
  std::string warning_of_unlisted(const std::vector<std::string>& models) const {
    const std::string_view name = without_provider_and_tag(spec_.model_name);
    const auto near = std::ranges::find_if(
        models, [&](const std::string& model) { return without_provider_and_tag(model) == name; });
    return fmt::format(
        "{} does not list the model \"{}\"; it lists {}{}. If requests are refused, check {}",
        base_url_, spec_.model_name, some_of(models),
        near == models.end()
            ? ""
            : fmt::format(", and \"{}\" differs in its provider prefix or tag alone", *near),
        key::kOpenAiModelName);
  }

  // Whether the base_url ends as they usually do: /v1, /v1beta, /v4, …
  bool has_version() const {
    const std::string last = base_url_.substr(base_url_.rfind('/') + 1);
    return last.size() > 1 && last[0] == 'v' && last[1] >= '0' && last[1] <= '9';
  }

  HttpRequest request_to(const char* path) const {
    HttpRequest request;
    request.url = base_url_ + path;
    request.headers = spec_.extra_headers;
    const bool authorized = std::ranges::any_of(request.headers, [](const auto& header) {
      return ascii_lower(header.first) == "authorization";
    });
    if (!spec_.api_key.empty() && !authorized) {
      request.headers.emplace_back("Authorization", "Bearer " + spec_.api_key);
    }
    request.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(spec_.timeout * 1000));
    return request;
  }

  // Whether extra_body says what one of these is to be: that is never negotiated.
  bool is_forced(std::initializer_list<const char*> fields) const {
    return spec_.extra_body && std::any_of(fields.begin(), fields.end(), [&](const char* field) {
             return spec_.extra_body->contains(field);
           });
  }

  Json settings_of(const VlmQuery& query, const RequestForm& form) const {
    Json settings = {{"model", spec_.model_name}};
    if (form[RequestPart::kTemperature] == 0) {
      settings["temperature"] = temperature_for(query, spec_.temperature);
    }
    constexpr std::array kTokenLimits = {"max_tokens", "max_completion_tokens"};
    if (const std::size_t limit = form[RequestPart::kTokenLimit]; limit < kTokenLimits.size()) {
      settings[kTokenLimits[limit]] = spec_.max_tokens;
    }
    if (structured_output_ != StructuredOutput::kOff && query.schema != nullptr) {
      add_schema(settings, query, form[RequestPart::kSchema]);
    }
    if (spec_.extra_body) settings.merge_patch(*spec_.extra_body);
    return settings;
  }

  static void add_schema(Json& settings, const VlmQuery& query, std::size_t form) {
    if (form == 0) {
      settings["response_format"] = {
          {"type", "json_schema"},
          {"json_schema",
           {{"name", query.schema_name}, {"schema", *query.schema}, {"strict", true}}}};
    }
    if (form == 1) settings["response_format"] = {{"type", "json_object"}};
  }

  RequestBody body_of(const VlmQuery& query, const RequestForm& form) const {
    // The image first, then the text: prefix caches on the server then serve both steps.
    RequestBody body;
    std::string head = settings_.of(query, form, [this](auto&... of) {
      return settings_of(of...);
    }) + R"(,"messages":[{"role":"user","content":[)";
    if (query.image) {
      head += R"({"type":"image_url","image_url":{"url":)";
      if (query.image->file_url) {
        head += json_string(*query.image->file_url) + "}},";
      } else {
        head += "\"data:" + query.image->mime_type + ";base64,";
        body.emplace_back(std::move(head));
        body.push_back(query.image->bytes);
        head = R"("}},)";
      }
    }
    body.emplace_back(head + R"({"type":"text","text":)" + json_string(prompt_for(query)) +
                      "}]}]}");
    return body;
  }

  OpenAiSpec spec_;
  std::string base_url_;
  StructuredOutput structured_output_;
  mutable OpenedSettings settings_;
};

}  // namespace

std::unique_ptr<VlmBackend> make_openai_backend(const VlmSpec& spec, std::string base_url) {
  return std::make_unique<OpenAiBackend>(spec, std::move(base_url));
}

}  // namespace alig
