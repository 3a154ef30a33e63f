#include "auto_label_image_grounding/vlm/provider_error.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "auto_label_image_grounding/base/text.h"

namespace alig {
namespace {

TEST(ProviderError, FindsTheMessageInEveryShape) {
  struct Case {
    const char* body;
    const char* expected;
  };
  const Case cases[] = {
      {R"({"error":{"message":"Slow down","type":"requests","code":null}})", "Slow down"},
      {R"([{"error":{"code":503,"message":"Overloaded","status":"UNAVAILABLE"}}])", "Overloaded"},
      {R"({"object":"error","message":"max_tokens is too large","code":400})",
       "max_tokens is too large"},
      {R"({"detail":"Not Found"})", "Not Found"},
      {R"({"detail":[{"loc":["body","model"],"msg":"field required"}]})", "field required"},
      {R"({"detail":{"message":"inner"}})", "inner"},
      {R"({"status":404,"title":"Not Found","detail":"Function 'x': Not found"})",
       "Function 'x': Not found"},
      {R"({"title":"Gateway"})", "Gateway"},
      {R"({"detail":{"error":"inner"}})", "inner"},
      {R"({"detail":{"error":{"message":"inner"}}})", "inner"},
      {R"({"errors":[{"message":"first"},{"message":"second"}]})", "first"},
      {R"({"error":{},"message":"outer"})", "outer"},
      {R"({"error":"Unauthorized"})", "Unauthorized"},
      {R"({"error":"invalid_request","error_description":"no scope"})", "no scope"},
      {R"({"error":{"code":"rate_limit_exceeded"}})", "rate_limit_exceeded"},
      {R"({"error":{"message":"two\nlines\u0000 and \u001b[31mcolour"}})",
       "two lines and [31mcolour"},
      {"<html><head><title>502 Bad\nGateway</title></head><body><h1>x</h1></body></html>",
       "502 Bad Gateway"},
      {"<!DOCTYPE html><body><h1>Nope</h1><p>now</p></body>", "Nope now"},
      {"<html><title>never ends", "never ends"},
      {"upstream connect error", "upstream connect error"},
      {"{\"error\":{\"message\":\"cut off", "{\"error\":{\"message\":\"cut off"},
      {"  ", ""},
      {"", ""},
      {"null", "null"},
      {"[]", "[]"},
      {"{}", "{}"},
      {R"({"error":{"message":7}})", R"({"error":{"message":7}})"},
  };
  for (const Case& c : cases) EXPECT_EQ(parse_provider_error(c.body).message, c.expected) << c.body;
}

TEST(ProviderError, ReadsTheFieldsOfOpenAi) {
  const ProviderError error = parse_provider_error(
      R"({"error":{"message":"m","type":"invalid_request_error","param":"max_tokens","code":400}})");
  EXPECT_EQ(error.type, "invalid_request_error");
  EXPECT_EQ(error.param, "max_tokens");
  EXPECT_EQ(error.code, "400");
}

TEST(ProviderError, ReadsTheDetailsOfGoogle) {
  const ProviderError error = parse_provider_error(R"([{"error":{"code":429,"message":"m",
    "status":"RESOURCE_EXHAUSTED","details":[
      {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMIT_EXCEEDED"},
      "odd", {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[
        {"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"},7,{"quotaId":7.5}]},
      {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"45.8379s"}]}}])");
  EXPECT_EQ(error.status, "RESOURCE_EXHAUSTED");
  EXPECT_EQ(error.reasons, std::vector<std::string>{"RATE_LIMIT_EXCEEDED"});
  ASSERT_EQ(error.quota_ids.size(), 2U);
  EXPECT_EQ(error.quota_ids[0], "GenerateRequestsPerDayPerProjectPerModel-FreeTier");
  ASSERT_TRUE(error.retry_delay);
  EXPECT_NEAR(std::chrono::duration<double>(*error.retry_delay).count(), 45.8379, 1e-6);
}

std::string repeat(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

TEST(ProviderError, StaysSmallAndValidOnHostileBodies) {
  const std::string bodies[] = {
      repeat("[", 1000000),
      repeat("{\"a\":", 100000) + "1" + repeat("}", 100000),
      "{\"error\":{\"message\":\"\xff\xfe\x80 broken\"}}",
      "\xff\xfe\xfd",
      std::string(1000000, 'x'),
      "{\"error\":{\"message\":\"" + repeat("\xE2\x82\xAC", 5000) + "\"}}",
      "{\"error\":{\"message\":\"m\",\"code\":1e999999}}",
      "<html>" + std::string(500000, '<'),
      std::string("nul\0nul", 7),
      "{\"error\":{\"message\":\"m\",\"code\":\"" + std::string(10000, 'c') + "\"}}",
  };
  for (const std::string& body : bodies) {
    const ProviderError error = parse_provider_error(body);
    EXPECT_TRUE(is_valid_utf8(error.message)) << body.substr(0, 40);
    EXPECT_LE(error.message.size(), 510U) << body.substr(0, 40);
    EXPECT_LE(error.code.size(), 210U) << body.substr(0, 40);
    EXPECT_EQ(error.message.find('\0'), std::string::npos) << body.substr(0, 40);
  }
}

TEST(ProviderError, EveryPrefixOfAnErrorIsHarmless) {
  const std::string body =
      R"([{"error":{"code":429,"message":"m\u00e9","details":[{"retryDelay":"1s"}]}}])";
  for (std::size_t length = 0; length < body.size(); ++length) {
    const ProviderError error = parse_provider_error(body.substr(0, length));
    EXPECT_FALSE(error.retry_delay) << body.substr(0, length);
  }
  EXPECT_TRUE(parse_provider_error(body).retry_delay);
}

}  // namespace
}  // namespace alig
