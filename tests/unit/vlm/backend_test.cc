#include "auto_label_image_grounding/vlm/backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/vlm/prompts.h"

namespace alig {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
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
  spec.openai.base_urls = {"http://example.test/v1"};
  spec.openai.temperature = 0.25;
  spec.openai.max_tokens = 99;
  spec.openai.timeout = 60;
  spec.structured_output = StructuredOutput::kAuto;
  return spec;
}

std::unique_ptr<VlmBackend> make_backend(const VlmSpec& spec) {
  return std::move(make_backends(spec).front());
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

TEST(GeminiBackendTest, PathsOfModels) {
  const struct {
    const char* model;
    bool vertex;
    const char* path;
  } kCases[] = {
      {"gemini-x", false, "/v1beta/models/gemini-x:generateContent"},
      {"tunedModels/x", false, "/v1beta/tunedModels/x:generateContent"},
      {"a b?c#d", false, "/v1beta/models/a%20b%3Fc%23d:generateContent"},
      {"gemini-x", true, "/v1beta1/publishers/google/models/gemini-x:generateContent"},
      {"gemini-x@001", true, "/v1beta1/publishers/google/models/gemini-x@001:generateContent"},
  };
  for (const auto& c : kCases) {
    VlmSpec spec = gemini_spec();
    spec.gemini.model = c.model;
    spec.gemini.vertex = c.vertex;
    const HttpRequest request = make_backend(spec)->make_request(query(), {});
    EXPECT_EQ(request.url, std::string("https://example.test") + c.path);
    EXPECT_EQ(header_of(request, "x-goog-api-key"), "the-key") << c.path;
    EXPECT_EQ(body_of(request).at("contents").at(0).at("role"), "user") << c.path;
  }
}

TEST(GeminiBackendTest, ExpressModeIsProbedByCountingTokens) {
  VlmSpec spec = gemini_spec();
  spec.gemini.vertex = true;
  const auto backend = make_backend(spec);
  const auto probe = backend->next_probe({});
  ASSERT_TRUE(probe);
  EXPECT_EQ(probe->method, "POST");
  EXPECT_EQ(probe->url,
            "https://example.test/v1beta1/publishers/google/models/gemini-x:countTokens");
  EXPECT_EQ(header_of(*probe, "x-goog-api-key"), "the-key");
  EXPECT_EQ(body_of(*probe).at("contents").at(0).at("parts").size(), 1U);
  const auto judge = [&](int status) {
    return backend->judge_probes({HttpResponse{status, {}, R"({"totalTokens":1})"}});
  };
  ASSERT_TRUE(judge(404)) << "the method may be missing, and not the model";
  EXPECT_THAT(judge(404)->text, HasSubstr("first request"));
  ASSERT_TRUE(judge(200));
  EXPECT_THAT(judge(200)->text, HasSubstr("has the model"));
  EXPECT_FALSE(judge(403));
}

TEST(GeminiBackendTest, WithoutImageOrSchema) {
  VlmQuery text_only = query();
  text_only.image.reset();
  RequestForm form;
  form.choose(RequestPart::kSchema, kLeftOut);
  const json body = body_of(make_backend(gemini_spec())->make_request(text_only, form));
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

TEST(OpenAiBackendTest, ExtraHeadersGoWithEveryRequest) {
  VlmSpec spec = openai_spec();
  spec.openai.extra_headers = {{"api-key", "abc"}, {"X-Tenant", "t"}};
  auto backend = make_backend(spec);
  for (const HttpRequest& request :
       {backend->make_request(query(), {}), *backend->next_probe({})}) {
    EXPECT_EQ(header_of(request, "api-key"), "abc") << request.url;
    EXPECT_EQ(header_of(request, "X-Tenant"), "t") << request.url;
    EXPECT_EQ(header_of(request, "Authorization"), "Bearer the-key") << request.url;
  }
  EXPECT_THAT(backend->advice_on(FailureKind::kAuth), HasSubstr("vlm.openai.extra_headers"));
  spec.openai.extra_headers = {{"authorization", "Basic abc"}};
  backend = make_backend(spec);
  EXPECT_EQ(header_of(backend->make_request(query(), {}), "authorization"), "Basic abc");
  EXPECT_EQ(header_of(backend->make_request(query(), {}), "Authorization"), "") << "replaced";
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

std::vector<std::string> names_of(const std::vector<OptionalPart>& parts) {
  std::vector<std::string> out;
  for (const OptionalPart& part : parts) out.push_back(part.forms.front());
  return out;
}

TEST(OpenAiBackendTest, EachPartCanBeSentInItsOtherFormsOrLeftOut) {
  const auto backend = make_backend(openai_spec());
  const auto parts = backend->optional_parts(query());
  EXPECT_THAT(names_of(parts),
              ElementsAre("max_tokens", "temperature", "response_format json_schema"));
  RequestForm form;
  form.choose(RequestPart::kTokenLimit, 1);
  form.choose(RequestPart::kSchema, 1);
  json body = body_of(backend->make_request(query(), form));
  EXPECT_EQ(body.at("max_completion_tokens"), openai_spec().openai.max_tokens);
  EXPECT_FALSE(body.contains("max_tokens"));
  EXPECT_EQ(body.at("response_format"), (json{{"type", "json_object"}}));
  for (const OptionalPart& part : parts) form.choose(part.part, part.left_out());
  body = body_of(backend->make_request(query(), form));
  for (const char* field :
       {"max_tokens", "max_completion_tokens", "temperature", "response_format"}) {
    EXPECT_FALSE(body.contains(field)) << field;
  }
}

TEST(GeminiBackendTest, EachPartCanBeSentInItsOtherFormsOrLeftOut) {
  const auto backend = make_backend(gemini_spec());
  const auto parts = backend->optional_parts(query());
  EXPECT_THAT(names_of(parts), ElementsAre("temperature", "maxOutputTokens", "mediaResolution",
                                           "responseJsonSchema"));
  RequestForm form;
  form.choose(RequestPart::kSchema, 1);
  json generation = body_of(backend->make_request(query(), form)).at("generationConfig");
  EXPECT_FALSE(generation.contains("responseJsonSchema"));
  EXPECT_EQ(generation.at("responseSchema").dump().find("additionalProperties"), std::string::npos);
  for (const OptionalPart& part : parts) form.choose(part.part, part.left_out());
  generation = body_of(backend->make_request(query(), form)).at("generationConfig");
  EXPECT_TRUE(generation.empty()) << generation;
}

TEST(BackendTest, WhatTheUserForcesIsNotOptional) {
  VlmSpec spec = openai_spec();
  spec.structured_output = StructuredOutput::kOn;
  spec.openai.extra_body = std::make_shared<nlohmann::ordered_json>(
      nlohmann::ordered_json{{"max_completion_tokens", 5}, {"temperature", nullptr}});
  const auto backend = make_backend(spec);
  EXPECT_TRUE(backend->optional_parts(query()).empty());
  EXPECT_TRUE(body_of(backend->make_request(query(), {})).contains("response_format"));
}

TEST(BackendTest, AQuestionAskedInVainIsAskedDifferently) {
  VlmQuery again = query();
  again.times_asked_in_vain = 2;
  for (const VlmSpec& spec : {gemini_spec(), openai_spec()}) {
    const auto backend = make_backend(spec);
    const std::string first = body_of(backend->make_request(query(), {})).dump();
    const std::string third = body_of(backend->make_request(again, {})).dump();
    EXPECT_EQ(third.find("(try"), third.rfind("(try")) << third;
    EXPECT_EQ(first.find("(try"), std::string::npos) << first;
    EXPECT_NE(third.find("(try 3)"), std::string::npos) << third;
  }
  VlmSpec spec = openai_spec();
  const auto temperature = [&] {
    return body_of(make_backend(spec)->make_request(again, {})).at("temperature").get<double>();
  };
  EXPECT_DOUBLE_EQ(temperature(), 0.25 + 0.2);
  spec.openai.temperature = 1;
  EXPECT_EQ(temperature(), 1);
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
    spec.openai.base_urls = {base_url};
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
  EXPECT_THAT(bare->judge_probes({none, answer_of(405)})->text,
              HasSubstr("does not list its models"));
  // A gateway that offers chat alone, and says 404 to a GET.
  ASSERT_TRUE(bare->judge_probes({none, none, none}));
  EXPECT_THAT(bare->judge_probes({none, none, none})->text, HasSubstr("first request will show"));
  EXPECT_TRUE(bare->judge_probes({none, none, answer_of(200, "<html>")}));
  for (const char* whole : {"http://host:8000/v1", "http://host/v1beta", "http://host/api/v4"}) {
    EXPECT_FALSE(backend_at(whole)->next_probe({none})) << whole;
    EXPECT_THAT(backend_at(whole)->advice_on(FailureKind::kModel),
                Not(HasSubstr("/v1 at its end")));
  }
  EXPECT_THAT(bare->advice_on(FailureKind::kModel), HasSubstr("/v1 at its end"));
}

TEST(OpenAiBackendTest, AModelThatIsNotListedIsAWarning) {
  const HttpResponse listed = answer_of(200, R"({"data":[{"id":"a"},{"id":"b:7b"},{"id":"x/c"}]})");
  const auto warning_for = [&](const char* model) {
    VlmSpec spec = openai_spec();
    spec.openai.model_name = model;
    const auto report = make_backend(spec)->judge_probes({listed});
    EXPECT_TRUE(report) << model;
    return report ? report->warning : "";
  };
  EXPECT_EQ(warning_for("a"), "");
  EXPECT_THAT(warning_for("d"),
              AllOf(HasSubstr("does not list the model \"d\"; it lists a, b:7b"),
                    HasSubstr("vlm.openai.model_name"), Not(HasSubstr("differs"))));
  EXPECT_THAT(warning_for("openai/a"), HasSubstr("\"a\" differs"));
  EXPECT_THAT(warning_for("a:latest"), HasSubstr("\"a\" differs"));
  EXPECT_THAT(warning_for("b"), HasSubstr("\"b:7b\" differs"));
  EXPECT_THAT(warning_for("y/c:free"), HasSubstr("\"x/c\" differs"));
}

TEST(BackendTest, AdviceNamesTheKeyOfTheBackendInUse) {
  VlmSpec spec;
  spec.openai.base_urls = {"http://host/v1"};
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
