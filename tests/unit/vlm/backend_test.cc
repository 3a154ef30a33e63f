#include "auto_label_image_grounding/vlm/backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/vlm/prompts.h"

namespace alig {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

VlmSpec gemini_spec() {
  VlmSpec spec{};
  spec.backend = Backend::kGemini;
  spec.gemini.api_key = "the-key";
  spec.gemini.model = "gemini-x";
  spec.gemini.base_url = "https://example.test";
  spec.gemini.media_resolution = "MEDIA_RESOLUTION_HIGH";
  spec.gemini.temperature = 0.5;
  spec.gemini.max_output_tokens = 77;
  spec.gemini.timeout = 1.5;
  spec.structured_output = StructuredOutput::kAuto;
  return spec;
}

VlmSpec openai_spec() {
  VlmSpec spec{};
  spec.backend = Backend::kOpenAi;
  spec.openai.api_key = "the-key";
  spec.openai.model_name = "m";
  spec.openai.base_url = "http://example.test/v1";
  spec.openai.temperature = 0.25;
  spec.openai.max_tokens = 99;
  spec.openai.timeout = 60;
  spec.structured_output = StructuredOutput::kAuto;
  return spec;
}

VlmQuery query() {
  VlmQuery out;
  VlmImage image;
  image.mime_type = "image/png";
  image.bytes = Base64Bytes{std::make_shared<const std::string>("IMAGE")};
  out.image = image;
  out.prompt = "Say \"hi\"\n猫";
  out.schema = &extraction_schema();
  out.schema_name = "extraction";
  return out;
}

// The body as the endpoint sees it, the image's part replaced by <image>.
json body_of(const HttpRequest& request) {
  std::string text;
  for (const BodyPart& part : request.body) {
    const auto* piece = std::get_if<std::string>(&part);
    text += piece != nullptr ? *piece : "<image>";
  }
  return json::parse(text);
}

std::string header_of(const HttpRequest& request, const std::string& name) {
  for (const auto& [key, value] : request.headers) {
    if (key == name) return value;
  }
  return "";
}

TEST(GeminiBackendTest, RequestFollowsTheApi) {
  const auto backend = make_backend(gemini_spec());
  const HttpRequest request = backend->make_request(query(), {});
  EXPECT_EQ(request.url, "https://example.test/v1beta/models/gemini-x:generateContent");
  EXPECT_EQ(header_of(request, "x-goog-api-key"), "the-key");
  EXPECT_EQ(request.url.find("the-key"), std::string::npos);
  EXPECT_EQ(request.timeout.count(), 1500);
  const json body = body_of(request);
  const json& parts = body.at("contents").at(0).at("parts");
  EXPECT_EQ(parts.at(0).at("inlineData"), (json{{"mimeType", "image/png"}, {"data", "<image>"}}));
  EXPECT_EQ(parts.at(1).at("text"), "Say \"hi\"\n猫") << "the image first, then the text";
  const json& generation = body.at("generationConfig");
  EXPECT_EQ(generation.at("temperature"), 0.5);
  EXPECT_EQ(generation.at("maxOutputTokens"), 77);
  EXPECT_EQ(generation.at("mediaResolution"), "MEDIA_RESOLUTION_HIGH");
  EXPECT_EQ(generation.at("responseMimeType"), "application/json");
  EXPECT_EQ(generation.at("responseJsonSchema").at("type"), "object");
}

TEST(GeminiBackendTest, WithoutImageOrSchema) {
  VlmQuery text_only = query();
  text_only.image.reset();
  EndpointQuirks quirks;
  quirks.structured_output = false;
  const json body = body_of(make_backend(gemini_spec())->make_request(text_only, quirks));
  EXPECT_EQ(body.at("contents").at(0).at("parts").size(), 1u);
  EXPECT_FALSE(body.at("generationConfig").contains("mediaResolution"));
  EXPECT_FALSE(body.at("generationConfig").contains("responseMimeType"));
}

TEST(GeminiBackendTest, ReadsReplies) {
  const auto backend = make_backend(gemini_spec());
  const auto reply = backend->read_reply(
      R"({"candidates":[{"content":{"parts":[{"text":"hm","thought":true},{"text":"a"},{"text":"b"}]},
          "finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":2,
          "thoughtsTokenCount":3,"cachedContentTokenCount":1}})");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->text, "ab");
  EXPECT_EQ(reply->finish, Finish::kComplete);
  EXPECT_EQ(reply->usage.input, 5);
  EXPECT_EQ(reply->usage.output, 2);
  EXPECT_EQ(reply->usage.thinking, 3);
  EXPECT_EQ(reply->usage.cached, 1);
  EXPECT_EQ(backend->read_reply(R"({"candidates":[{"finishReason":"MAX_TOKENS"}]})")->finish,
            Finish::kTokenLimit);
  EXPECT_EQ(backend->read_reply(R"({"candidates":[{"finishReason":"SAFETY"}]})")->finish,
            Finish::kRefused);
  EXPECT_EQ(backend->read_reply(R"({"promptFeedback":{"blockReason":"OTHER"}})")->finish,
            Finish::kRefused);
}

TEST(VlmBackendTest, AnErrorInsteadOfAnAnswerIsToldInTheProvidersWords) {
  const char* body = R"({"error":{"message":"the worker died","code":"x"}})";
  const auto message = [&](const VlmSpec& spec, const char* answer) {
    return make_backend(spec)->read_reply(answer).error().message;
  };
  EXPECT_EQ(message(openai_spec(), body),
            "the answer has no choices, but an error: the worker died");
  EXPECT_EQ(message(gemini_spec(), body),
            "the answer has no candidates, but an error: the worker died");
  EXPECT_EQ(message(openai_spec(), R"({"error":null,"title":"x"})"), "the answer has no choices");
}

TEST(OpenAiBackendTest, RequestFollowsTheApi) {
  VlmSpec spec = openai_spec();
  spec.openai.extra_body = std::make_shared<const nlohmann::ordered_json>(nlohmann::ordered_json{
      {"chat_template_kwargs", {{"enable_thinking", false}}}, {"temperature", nullptr}});
  const HttpRequest request = make_backend(spec)->make_request(query(), {});
  EXPECT_EQ(request.url, "http://example.test/v1/chat/completions");
  EXPECT_EQ(header_of(request, "Authorization"), "Bearer the-key");
  const json body = body_of(request);
  EXPECT_EQ(body.at("model"), "m");
  EXPECT_EQ(body.at("max_tokens"), 99);
  EXPECT_FALSE(body.contains("temperature")) << "null in extra_body takes a key out";
  EXPECT_EQ(body.at("chat_template_kwargs").at("enable_thinking"), false);
  EXPECT_EQ(body.at("response_format").at("json_schema").at("name"), "extraction");
  const json& content = body.at("messages").at(0).at("content");
  EXPECT_EQ(content.at(0).at("image_url").at("url"), "data:image/png;base64,<image>");
  EXPECT_EQ(content.at(1).at("text"), "Say \"hi\"\n猫");
}

TEST(OpenAiBackendTest, NoKeyNoHeader) {
  VlmSpec spec = openai_spec();
  spec.openai.api_key.clear();
  EXPECT_EQ(header_of(make_backend(spec)->make_request(query(), {}), "Authorization"), "");
}

TEST(OpenAiBackendTest, AFileMayBeNamedInsteadOfSent) {
  VlmQuery by_url = query();
  by_url.image->file_url = "file:///data/a b.png";
  const HttpRequest request = make_backend(openai_spec())->make_request(by_url, {});
  EXPECT_EQ(request.body.size(), 1u) << "nothing to upload";
  EXPECT_EQ(body_of(request).at("messages").at(0).at("content").at(0).at("image_url").at("url"),
            "file:///data/a b.png");
}

TEST(OpenAiBackendTest, ReadsReplies) {
  const auto backend = make_backend(openai_spec());
  const auto reply = backend->read_reply(
      R"({"choices":[{"finish_reason":"stop","message":{"content":"x","reasoning_content":"y"}}],
          "usage":{"prompt_tokens":10,"completion_tokens":7,
                   "completion_tokens_details":{"reasoning_tokens":4},
                   "prompt_tokens_details":{"cached_tokens":8}}})");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->text, "x");
  EXPECT_EQ(reply->usage.output, 3);
  EXPECT_EQ(reply->usage.thinking, 4);
  EXPECT_EQ(reply->usage.cached, 8);
  EXPECT_EQ(
      backend
          ->read_reply(
              R"({"choices":[{"message":{"content":[{"type":"text","text":"p"},{"type":"text","text":"q"}]}}]})")
          ->text,
      "pq");
  EXPECT_EQ(
      backend->read_reply(R"({"choices":[{"finish_reason":"length","message":{"content":"x"}}]})")
          ->finish,
      Finish::kTokenLimit);
  EXPECT_EQ(
      backend
          ->read_reply(
              R"({"choices":[{"finish_reason":"content_filter","message":{"content":null}}]})")
          ->finish,
      Finish::kRefused);
  EXPECT_EQ(
      backend->read_reply(R"({"choices":[{"finish_reason":"stop","message":{"refusal":"no"}}]})")
          ->finish,
      Finish::kRefused);
}

TEST(BackendTest, WhatIsNoReplyIsAnError) {
  for (const auto& backend : {make_backend(gemini_spec()), make_backend(openai_spec())}) {
    for (const char* body :
         {"", "null", "[]", "<html>", "{}", R"({"choices":[]})",
          R"({"choices":[null],"candidates":[7]})", R"({"choices":7,"candidates":7})"}) {
      const auto reply = backend->read_reply(body);
      ASSERT_FALSE(reply) << body;
      EXPECT_EQ(reply.error().kind, ErrorKind::kData) << body;
    }
  }
}

// Copying such a document would need more stack than there is.
TEST(BackendTest, ADeepAnswerIsAnError) {
  const std::string deep = std::string(300000, '[') + std::string(300000, ']');
  for (const std::string& body :
       {deep, R"({"choices":[{"message":{"content":)" + deep + "}}]}",
        R"({"candidates":[{"content":{"parts":)" + deep + "}}]}", R"({"usage":)" + deep + "}"}) {
    for (const auto& backend : {make_backend(gemini_spec()), make_backend(openai_spec())}) {
      const auto reply = backend->read_reply(body);
      ASSERT_FALSE(reply) << body.substr(0, 60);
      EXPECT_EQ(reply.error().kind, ErrorKind::kData) << body.substr(0, 60);
    }
  }
}

TEST(BackendTest, TokenCountsBeyondBeliefAreNone) {
  for (const char* count : {"1e300", "-5", "18446744073709551615", "\"9\"", "null"}) {
    const std::string body = std::string(R"({"choices":[{"message":{"content":"x"}}],)") +
                             R"("usage":{"prompt_tokens":)" + count + "}}";
    const auto reply = make_backend(openai_spec())->read_reply(body);
    ASSERT_TRUE(reply) << count;
    EXPECT_EQ(reply->usage.input, 0) << count;
  }
}

TEST(BackendTest, LearnsWhatTheEndpointRefuses) {
  struct Case {
    int status;
    const char* body;
    bool structured;
    bool completion_tokens;
    bool learns;
  };
  for (
      const Case& c : {
          Case{
              400,
              R"({"error":{"message":"Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."}})",
              true, true, true},
          Case{400, R"({"error":{"message":"response_format is not supported"}})", false, false,
               true},
          Case{400, R"({"message":"features not supported by xgrammar"})", false, false, true},
          Case{400, R"({"error":{"message":"invalid image"}})", true, false, false},
          Case{500, R"({"error":{"message":"json_schema"}})", true, false, false},
      }) {
    HttpResponse response;
    response.status = c.status;
    response.body = c.body;
    const auto changed = quirks_after_refusal(response, {}, StructuredOutput::kAuto, "image/jpeg");
    ASSERT_EQ(changed.has_value(), c.learns) << c.body;
    if (!changed) continue;
    EXPECT_EQ(changed->structured_output, c.structured) << c.body;
    EXPECT_EQ(changed->max_completion_tokens, c.completion_tokens) << c.body;
  }
  HttpResponse refusal;
  refusal.status = 400;
  refusal.body = "json_schema";
  EXPECT_FALSE(quirks_after_refusal(refusal, {}, StructuredOutput::kOn, "")) << "on means on";
}

TEST(BackendTest, LearnsWhichImageFormatsAreRefused) {
  struct Case {
    int status;
    const char* body;
    const char* sent;
    bool learns;
  };
  for (const Case& c : {
           Case{400, R"({"error":{"message":"Unsupported image format: WebP"}})", "image/webp",
                true},
           Case{400, R"({"error":{"message":"cannot identify image file"}})", "image/webp", true},
           Case{415, R"({"detail":"media type image/gif is not supported"})", "image/gif", true},
           Case{422, R"({"detail":"unsupported image"})", "image/webp", true},
           Case{400, R"({"error":{"message":"Unsupported image format"}})", "image/jpeg", false},
           Case{400, R"({"error":{"message":"Unsupported image format"}})", "", false},
           Case{400, R"({"error":{"message":"prompt too long"}})", "image/webp", false},
           Case{500, R"({"error":{"message":"cannot identify image file"}})", "image/webp", false},
       }) {
    HttpResponse response;
    response.status = c.status;
    response.body = c.body;
    const auto changed = quirks_after_refusal(response, {}, StructuredOutput::kAuto, c.sent);
    EXPECT_EQ(changed.has_value(), c.learns) << c.status << " " << c.body << " " << c.sent;
    if (!changed) continue;
    EXPECT_EQ(changed->refused_image_types, std::set<std::string>{c.sent}) << c.body;
  }
}

HttpResponse answer_of(int status, std::string body = "") {
  HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

TEST(BackendTest, ABaseUrlWithoutItsVersionIsFoundOutForFree) {
  const auto backend_at = [](const char* base_url) {
    VlmSpec spec;
    spec.backend = Backend::kOpenAi;
    spec.openai.base_url = base_url;
    spec.openai.model_name = "m";
    return make_backend(spec);
  };
  const HttpResponse none = answer_of(404), models = answer_of(200, R"({"data": [{"id": "m"}]})");
  const auto bare = backend_at("http://host:8000");
  ASSERT_TRUE(bare->next_probe({}));
  EXPECT_EQ(bare->next_probe({})->url, "http://host:8000/models");
  ASSERT_TRUE(bare->next_probe({none}));
  EXPECT_EQ(bare->next_probe({none})->url, "http://host:8000/chat/completions");
  EXPECT_EQ(bare->next_probe({none})->method, "GET") << "a POST might cost something";
  ASSERT_TRUE(bare->next_probe({none, none}));
  EXPECT_EQ(bare->next_probe({none, none})->url, "http://host:8000/v1/models");
  EXPECT_FALSE(bare->next_probe({none, none, models}));
  EXPECT_FALSE(bare->next_probe({models}));
  const auto verdict = bare->judge_probes({none, none, models});
  ASSERT_FALSE(verdict);
  EXPECT_THAT(verdict.error().message, HasSubstr("vlm.openai.base_url=http://host:8000/v1"));
  EXPECT_TRUE(bare->judge_probes({models}));
  // Chat at the root, whatever is below it.
  EXPECT_FALSE(bare->next_probe({none, answer_of(405)}));
  ASSERT_TRUE(bare->judge_probes({none, answer_of(405)}));
  EXPECT_THAT(*bare->judge_probes({none, answer_of(405)}), HasSubstr("does not list its models"));
  // A gateway that offers chat alone, and says 404 to a GET.
  ASSERT_TRUE(bare->judge_probes({none, none, none}));
  EXPECT_THAT(*bare->judge_probes({none, none, none}), HasSubstr("first request will show"));
  EXPECT_TRUE(bare->judge_probes({none, none, answer_of(200, "<html>")}));
  for (const char* whole : {"http://host:8000/v1", "http://host/v1beta", "http://host/api/v4"}) {
    EXPECT_FALSE(backend_at(whole)->next_probe({none})) << whole;
    EXPECT_THAT(backend_at(whole)->advice_on(FailureKind::kModel),
                Not(HasSubstr("/v1 at its end")));
  }
  EXPECT_THAT(bare->advice_on(FailureKind::kModel), HasSubstr("/v1 at its end"));
}

TEST(BackendTest, AdviceNamesTheKeyOfTheBackendInUse) {
  VlmSpec spec;
  spec.openai.base_url = "http://host/v1";
  const HttpResponse refused = answer_of(401, R"({"error": {"message": "no"}})");
  const struct {
    Backend backend;
    const char *own, *other;
  } kCases[] = {{Backend::kOpenAi, "OPENAI_API_KEY", "GOOGLE_API_KEY"},
                {Backend::kGemini, "GOOGLE_API_KEY", "OPENAI_API_KEY"}};
  for (const auto& c : kCases) {
    spec.backend = c.backend;
    const auto backend = make_backend(spec);
    const auto probed = backend->judge_probes({refused});
    ASSERT_FALSE(probed);
    for (const std::string& text :
         {backend->advice_on(FailureKind::kAuth), probed.error().message}) {
      EXPECT_THAT(text, AllOf(HasSubstr(c.own), Not(HasSubstr(c.other))));
    }
  }
}

}  // namespace
}  // namespace alig
